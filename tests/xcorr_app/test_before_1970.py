"""Records before 1970 and across it: times are negative, one day has the number -1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from obspy import UTCDateTime

from seismo_pes.items.times import NS
from xcorr_app import cli, store

LAG_S = 5
STARTS = ["1969-12-31T12:00:00", "1969-12-30T00:00:00", "1965-03-01T05:00:00"]


@pytest.fixture(params=["simple", "multi"])
def run(request, tmp_path: Path, write_trace, rng) -> Callable[..., Path]:
    """Correlate a day of two stations, of which the second records LAG_S later."""

    def run_command(start: str, *options: str) -> Path:
        noise = rng.standard_normal(86_400 + LAG_S)
        first = UTCDateTime(start)
        if not (tmp_path / "data").exists():
            write_trace("AAA", noise[LAG_S:], first, 1.0)
            write_trace("BBB", noise[:-LAG_S], first, 1.0)
        (tmp_path / "stations.txt").write_text("XX AAA 10 20\nXX BBB 10 20.01\n")
        out = tmp_path / f"out{len(options)}"
        words = ["--stations", str(tmp_path / "stations.txt"), "--quiet"]
        words += ["--data", str(tmp_path / "data"), "--out", str(out)]
        words += ["--window-s", "1800", "--max-lag-s", "60"]
        if request.param == "multi":
            words += ["--mapping", "multi", "-n", "2"]
        assert cli.main([*words, *options]) == 0
        return out

    return run_command


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("substack", ["day", "hour"])
def test_substacks_and_their_stack_are_there(run, start: str, substack: str) -> None:
    with store.open(run(start)) as plain:
        (expected,) = plain.correlations(stack="all")
    with store.open(run(start, "--substack", substack)) as results:
        (pair,) = results.correlations(stack="all")
        names = [name for name in results.stacks if name != "all"]
        windows = sum(
            c.n_windows for name in names for c in results.correlations(stack=name)
        )
    n_days = 1 if start.endswith("T00:00:00") else 2
    assert len(names) == (24 if substack == "hour" else n_days)
    assert pair.n_windows == windows == expected.n_windows == 48
    first_ns = UTCDateTime(start).ns
    times = [int(np.ravel(x)[0]) for x in (pair.start_ns, pair.end_ns)]
    assert times == [first_ns, first_ns + 86_400 * NS]
    assert pair.lags_s[np.argmax(pair.data)] == LAG_S
    np.testing.assert_allclose(pair.data, expected.data, atol=1e-6)


def test_changes_of_velocity_have_their_times(run, tmp_path: Path) -> None:
    out = run(STARTS[0], "--substack", "hour", "--bandpass-hz", "0.05", "0.4")
    words = ["dvv", str(out), "--lag-s", "0", "55", "--quiet"]
    assert cli.main([*words, "--output", str(tmp_path / "dvv")]) == 0
    lines = (tmp_path / "dvv" / "dvv_network.csv").read_text().splitlines()[1:]
    assert len(lines) == 24
    middle, start, end = lines[0].split(",")[:3]
    assert (start, end) == ("1969-12-31T12:00:00Z", "1969-12-31T13:00:00Z")
    assert middle == "1969-12-31T12:30:00Z"


def test_days_before_1970_are_added_to_a_run(
    run, tmp_path: Path, write_trace, rng
) -> None:
    out = run(STARTS[0], "--substack", "day")
    more = rng.standard_normal(43_200 + LAG_S)
    write_trace("AAA", more[LAG_S:], UTCDateTime("1969-12-31"), 1.0)
    write_trace("BBB", more[:-LAG_S], UTCDateTime("1969-12-31"), 1.0)
    assert cli.main(["--out", str(out), "--update", "--quiet"]) == 0
    with store.open(out) as results:
        (pair,) = results.correlations(stack="all")
        assert set(results.stacks) == {"1969-12-31", "1970-01-01", "all"}
    assert pair.n_windows == 72
    assert pair.lags_s[np.argmax(pair.data)] == LAG_S
