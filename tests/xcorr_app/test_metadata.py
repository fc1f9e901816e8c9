"""Changes of the contents of used metadata are noticed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import obspy
import pytest
from obspy import UTCDateTime
from obspy.core.inventory import Channel, Inventory, Network, Station

from tests.xcorr_app.conftest import DAY
from tests.xcorr_app.test_resume import check_close, made_and_kept
from xcorr_app import cli
from xcorr_app.results.runfile import read_run
from xcorr_app.running.fingerprints import Fingerprints
from xcorr_app.running.metadata_digests import changed_periods
from xcorr_app.synthetic_response import velocity_response

STATIONS = ("AAA", "BBB", "CCC")
RATE_HZ = 5.0
OPTIONS = ["--window-s", "60", "--max-lag-s", "8", "--substack", "day"]
RESPONSE = ["--response", "VEL", "--pre-filt", "0.1", "0.2", "1.8", "2.2"]


@dataclass
class Instruments:
    """StationXML of all stations: gain, place, and where a second epoch begins."""

    gains: dict[str, float]
    longitude: float = 8.0
    split: tuple[str, UTCDateTime] | None = None

    def write(self, path: Path) -> Path:
        stations = []
        for k, code in enumerate(STATIONS):
            place = 47.0 + k, self.longitude + k, 0.0
            ends = [None, None]
            if self.split is not None and self.split[0] == code:
                ends.insert(1, self.split[1])
            channels = [
                self.channel(code, place, *ends[i : i + 2], 1.0 + i)
                for i in range(len(ends) - 1)
            ]
            stations.append(Station(code, *place, channels=channels))
        changing_inventory = Inventory(
            [Network("XX", stations=stations)], source="test"
        )
        changing_inventory.write(str(path), format="STATIONXML")
        return path

    def channel(self, code, place, start, end, factor):
        response = velocity_response(RATE_HZ, [0j, 0j], [-1 + 1j, -1 - 1j], 1.0)
        response.response_stages[0].stage_gain *= self.gains.get(code, 1.0) * factor
        return Channel(
            "HHZ",
            "",
            *place,
            0.0,
            azimuth=0.0,
            dip=-90.0,
            start_date=start,
            end_date=end,
            response=response,
        )


@pytest.fixture
def words(tmp_path):
    """The words of a command, with data of two days and metadata there."""
    folder = tmp_path / "data"
    folder.mkdir()
    for station in STATIONS:
        for day in range(2):
            rng = np.random.default_rng([day, *station.encode()])
            header = {"network": "XX", "station": station, "channel": "HHZ"}
            header |= {"sampling_rate": RATE_HZ, "starttime": DAY + 86400 * day}
            trace = obspy.Trace(rng.standard_normal(2000).astype("f4"), header)
            trace.write(str(folder / f"{station}.{day}.mseed"), "MSEED")
    (tmp_path / "stations.txt").write_text("XX *\n")
    Instruments({}).write(tmp_path / "stations.xml")

    def make(out, *options):
        words = ["--stations", str(tmp_path / "stations.txt"), "--data", str(folder)]
        words += ["--inventory", str(tmp_path / "stations.xml")]
        return [*words, "--out", str(tmp_path / out), *OPTIONS, *options]

    return make


def test_another_gain_repeats_the_correlations_of_its_station(
    tmp_path, words, capsys, caplog
):
    assert cli.main(words("out", *RESPONSE)) == 0
    Instruments({"BBB": 2.0}).write(tmp_path / "stations.xml")
    assert cli.main(words("out", *RESPONSE, "--resume")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the metadata of XX.BBB..HHZ changed" in line
    assert "use --update" in line
    assert cli.main(words("out", *RESPONSE, "--update")) == 0
    assert "metadata of XX.BBB..HHZ changed: correlations with" in caplog.text
    assert made_and_kept(capsys)[0] > 0
    assert cli.main(words("new", *RESPONSE)) == 0
    check_close(tmp_path / "new", tmp_path / "out")
    capsys.readouterr()
    assert cli.main(words("out", *RESPONSE, "--update")) == 0
    assert made_and_kept(capsys)[0] == 0


def test_another_spelling_of_the_same_metadata_changes_nothing(tmp_path, words, capsys):
    assert cli.main(words("out", *RESPONSE)) == 0
    path = tmp_path / "stations.xml"
    text = re.sub(r">\s+<", "><", path.read_text())
    text = text.replace("xmlns=", "xmlns:f=")
    path.write_text(re.sub(r"<(/?)(\w)", r"<\1f:\2", text))
    assert "<f:StageGain>" in path.read_text()
    capsys.readouterr()
    assert cli.main(words("out", *RESPONSE, "--update")) == 0
    assert made_and_kept(capsys)[0] == 0


def test_a_new_epoch_counts_from_its_beginning(tmp_path, words, capsys, caplog):
    path = tmp_path / "stations.xml"
    assert cli.main(words("out", *RESPONSE)) == 0
    Instruments({}, split=("AAA", DAY + 5 * 86400)).write(path)
    capsys.readouterr()
    assert cli.main(words("out", *RESPONSE, "--update")) == 0
    assert made_and_kept(capsys)[0] == 0
    assert not caplog.text
    Instruments({}, split=("AAA", DAY + 86400)).write(path)
    assert cli.main(words("out", *RESPONSE, "--update")) == 0
    assert "XX.AAA..HHZ" in caplog.text
    assert cli.main(words("new", *RESPONSE)) == 0
    check_close(tmp_path / "new", tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "changed"),
    [([], False), (["--distance-km", "1", "1000"], True)],
    ids=["all pairs", "by distance"],
)
def test_places_count_where_pairs_are_chosen_by_them(
    tmp_path, words, caplog, options, changed
):
    assert cli.main(words("out", *options)) == 0
    Instruments({"AAA": 3.0}, longitude=9.0).write(tmp_path / "stations.xml")
    assert cli.main(words("out", *options, "--update")) == 0
    assert ("metadata of XX.AAA..HHZ" in caplog.text) == changed


def test_runs_of_before_know_no_metadata(tmp_path, words, capsys):
    assert cli.main(words("out", *RESPONSE)) == 0
    out = tmp_path / "out"
    run_id = read_run(out).run_id
    stored = Fingerprints.read(out, run_id)
    assert stored.metadata
    replace(stored, metadata={}).write(out, run_id)
    Instruments({"BBB": 2.0}).write(tmp_path / "stations.xml")
    capsys.readouterr()
    assert cli.main(words("out", *RESPONSE, "--update")) == 0
    assert made_and_kept(capsys)[0] == 0


def test_only_days_that_the_run_had_count():
    @dataclass
    class Span:
        channel_id: str
        period: int

    before = {"A": ((3, "x"), (5, "y"))}
    now = {"A": ((3, "x"), (4, "z"), (5, "y"), (7, "new")), "B": ((3, "x"),)}
    spans = [Span(id_, period) for id_ in "AB" for period in range(2, 9)]
    assert changed_periods(before, now, spans, {3, 4, 5, 6}) == {"A": {4}}
    assert changed_periods(before, now, spans, range(2, 9)) == {"A": {4, 7, 8}}
    assert changed_periods({}, now, spans, range(2, 9)) == {}
