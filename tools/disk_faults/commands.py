"""The commands whose files fail, their data, and how their results are compared."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "COMMANDS",
    "MODULES",
    "Command",
    "correlations",
    "main_of",
    "rows_of",
    "write_data",
]


@dataclass
class Command:
    """A command, and how its result is compared.

    Attributes
    ----------
    words : list of str
        The command line; ``{here}`` is the folder of a trial.
    again : list of list of str
        Command lines of which the first that fits gives the result after a fault.
    result : callable
        Returns the result in a folder, to compare.
    prepared : list of list of str
        Command lines before it; ``CUT`` interrupts a run.
    then : list of list of str
        Command lines after that of ``again``, which complete the result.
    file_format : str
        Of the waveforms of xcorr-app; ``GZIP`` is compressed miniSEED.
    starts : tuple of str
        Start of each file of a station of xcorr-app; it lasts five minutes.
    """

    program: str
    words: list[str]
    again: list[list[str]]
    result: Callable[[Path], Any]
    prepared: list[list[str]] = field(default_factory=list)
    then: list[list[str]] = field(default_factory=list)
    file_format: str = "MSEED"
    starts: tuple[str, ...] = ("2024-03-01", "2024-03-02", "2024-03-03")


def bytes_of(*patterns: str) -> Callable[[Path], Any]:
    """Return a function that reads files, without temporary ones."""

    def read(here: Path) -> Any:
        paths = [path for pattern in patterns for path in here.glob(pattern)]
        return {
            str(path.relative_to(here)): path.read_bytes()
            for path in sorted(paths)
            if path.is_file() and not path.name.startswith(".")
        }

    return read


def rows_of(here: Path) -> Any:
    """Return the correlations of a run; mended days have other rounding errors."""
    from xcorr_app import store

    with store.open(here / "out") as results:
        return {
            (name, c.id): (
                c.n_windows, c.start_ns, c.end_ns, (c.data.round(4) + 0.0).tobytes()
            )
            for name in results.stacks
            for c in results.correlations(name)
        }  # fmt: skip


def correlations(here: Path) -> Any:
    """Return all correlations of a run, its account, and what it skipped."""
    from xcorr_app import store

    with store.open(here / "out") as results:
        rows = {
            (name, c.id): (c.n_windows, c.start_ns, c.end_ns, bytes(c.data))
            for name in results.stacks
            for c in results.correlations(name)
        }
    account = (here / "out" / "account.tsv").read_bytes()
    return rows, account, (here / "out" / "skipped.tsv").read_bytes()


GIVEN = [
    "--stations",
    "{here}/stations.txt",
    "--data",
    "{here}/data",
    "--out",
    "{here}/out",
    "--window-s",
    "60",
    "--max-lag-s",
    "30",
    "--quiet",
    "--substack",
    "day",
    "--bandpass-hz",
    "0.5",
    "2",
]
LIVE = [
    *("live", "--replay", "{here}/data", "--stations", "{here}/stations.txt"),
    *("--out", "{here}/out", "--window-s", "60", "--max-lag-s", "30", "--quiet"),
    *("--detrend", "none", "--bandpass-hz", "0.5", "2", "--taper-s", "5"),
]
RUN = ["--end", "2024-03-03", *GIVEN]
SCAN = ["scan", "--data", "{here}/data", "--output", "{here}/days.png", "--quiet"]
UPDATE = ["--out", "{here}/out", "--update", "--quiet"]
RESUME = ["--out", "{here}/out", "--resume", "--quiet"]
SCENE = [
    "--event",
    "{here}/quake.xml",
    "--stations",
    "{here}/stations",
    "--observed",
    "{here}/observed",
    "--synthetic",
    "{here}/synthetic",
    "--periods-s",
    "4-20",
    "--adjoint",
    "specfem",
    "sac",
    "asdf",
    "--quiet",
    "--out",
    "{here}/out",
]


MISFITS = ("out/*.csv", "out/windows.json", "out/*/**/*")


def derived(text: str, *patterns: str, force: bool = True) -> Command:
    """Return a command that reads the results of a run."""
    words = text.split()
    again = [[*words, "--force"] if force else words]
    return Command("xcorr-app", words, again, bytes_of(*patterns), [GIVEN])


def of_misfit(text: str, *patterns: str, force: bool = True) -> Command:
    """Return a command that reads the results of a run of misfit-app."""
    words = text.split()
    again = [[*words, "--force"] if force else words]
    return Command("misfit-app", words, again, bytes_of(*patterns), [SCENE])


def run_under(*mapping: str, file_format: str = "MSEED") -> Command:
    """Return the command of a whole run."""
    first = [*GIVEN, *mapping]
    again = [[*RESUME, *mapping], first, [*first, "--force"]]
    return Command("xcorr-app", first, again, correlations, file_format=file_format)


def misfit_under(*options: str) -> Command:
    """Return the command of a whole run of misfit-app."""
    first = [*SCENE, *options]
    again = [[*first, "--resume"], first]
    return Command("misfit-app", first, again, bytes_of(*MISFITS))


COMMANDS = {
    "run": run_under(),
    "run-multi": run_under("--mapping", "multi", "-n", "3"),
    "run-mpi": run_under("--mapping", "mpi", "-n", "2"),
    "run-response": run_under("--inventory", "{here}/metadata", "--response", "VEL"),
    **{
        f"run-{form.lower()}": run_under(file_format=form)
        for form in ("SAC", "GSE2", "ASDF", "GZIP")
    },
    "run-provenance": run_under("--provenance", "{here}/provenance"),
    "run-force": Command(
        "xcorr-app", [*GIVEN, "--force"], [[*GIVEN, "--force"]], correlations, [RUN]
    ),
    "scan": Command(
        "xcorr-app", SCAN, [SCAN], bytes_of("days.png"),
    ),
    "resume": Command("xcorr-app", RESUME, [RESUME], correlations, [RUN, ["CUT"]]),
    "update": Command(
        "xcorr-app", [*UPDATE, "--end", "2024-03-05"],
        [[*UPDATE, "--end", "2024-03-05"]], correlations, [RUN],
    ),
    "plot": derived("plot {here}/out", "out/*.png", force=False),
    "report": derived("report {here}/out", "out/*.html"),
    "info": derived("info {here}/out", "out/**/*", force=False),
    "check": derived("check {here}/out", "out/**/*", force=False),
    "dvv": derived("dvv {here}/out --quiet", "out/dvv*.[cp]*"),
    "disp": derived("disp {here}/out --quiet", "out/disp*.[cp]*"),
    "clocks": derived("clocks {here}/out --quiet", "out/clock*.[cp]*"),
    **{
        f"export-{form}": derived(
            f"export {{here}}/out {{here}}/dest --quiet --format {form}",
            "dest", "dest/**/*",
        )
        for form in (
            "npz", "sac", "mseed", "asdf", "netcdf", "zarr", "noisepy", "msnoise"
        )
    },
    "misfit": misfit_under(),
    "misfit-multi": misfit_under("--mapping", "multi", "-n", "3"),
    "misfit-provenance": misfit_under("--provenance", "{here}/provenance"),
    "misfit-resume": Command(
        "misfit-app", [*SCENE, "--resume"], [[*SCENE, "--resume"]],
        bytes_of(*MISFITS), [SCENE, ["CUT"]],
    ),
    "misfit-report": of_misfit("report {here}/out", "out/*.html"),
    "misfit-check": of_misfit("check {here}/out", "out/**/*", force=False),
    "misfit-ledger": of_misfit("ledger {here}/out", "out/**/*", force=False),
    **{
        f"misfit-export-{form}": of_misfit(
            f"export {{here}}/out {{here}}/dest --format {form}", "dest"
        )
        for form in ("csv", "json", "hdf5", "geojson")
    },
    "live": Command(
        "xcorr-app", LIVE, [LIVE], rows_of,
        then=[[*LIVE, "--mend", "--data", "{here}/data"]],
        # with midnight between them, and without days of empty windows
        starts=("2024-03-01T23:20:00", "2024-03-01T23:45:00", "2024-03-02T00:10:00"),
    ),
}  # fmt: skip


def write_data(here: Path, command: Command) -> None:
    """Write the data of a command."""
    if command.program == "misfit-app":
        from misfit_app.synthetic import Scene, write_scene

        write_scene(Scene(n_stations=2, noise=0.0, duration_s=160.0), here)
        return
    import numpy as np
    from obspy import Trace, UTCDateTime

    rng = np.random.default_rng(1)
    (here / "data").mkdir(parents=True)
    for day, start in enumerate(command.starts):
        common = rng.standard_normal(1700)
        for number, station in enumerate(("AAA", "BBB", "CCC")):
            header = {"network": "XX", "station": station, "channel": "HHZ"}
            header["sampling_rate"] = 5.0
            header["starttime"] = UTCDateTime(start)
            data = common[10 * number :][:1500] + 0.1 * rng.standard_normal(1500)
            path = here / "data" / f"{station}.{day}"
            write_trace(Trace(data, header), path, command.file_format)
    places = ("45 10", "45.1 10.1", "45 10.2")
    names = ("AAA", "BBB", "CCC")
    write_metadata(here / "metadata", names)
    lines = [f"XX {name} {place}\n" for name, place in zip(names, places, strict=True)]
    (here / "stations.txt").write_text("".join(lines))


def write_metadata(folder: Path, stations: Iterable[str]) -> None:
    """Write a file of StationXML for each station."""
    from obspy.core.inventory import Channel, Inventory, Network, Response, Station

    folder.mkdir()
    for code in stations:
        response = Response.from_paz([0j], [-1 + 1j, -1 - 1j], 1e3, 1.0)
        channel = Channel("HHZ", "", 45.0, 10.0, 0.0, 0.0, response=response)
        station = Station(code, 45.0, 10.0, 0.0, channels=[channel])
        inventory = Inventory([Network("XX", [station])], "disk_faults")
        inventory.write(str(folder / f"{code}.xml"), "STATIONXML")


def write_trace(trace: Any, path: Path, file_format: str) -> None:
    """Write a trace to a file of a format."""
    if file_format == "GSE2":  # of integers only
        trace.data = (1000 * trace.data).astype("i4")
        trace.write(str(path), file_format)
    elif file_format == "ASDF":
        write_asdf(trace, path.with_suffix(f"{path.suffix}.h5"))
    elif file_format == "GZIP":
        content = io.BytesIO()
        trace.write(content, "MSEED")
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content.getvalue()))
    else:
        trace.data = trace.data.astype("f4")
        trace.write(str(path), file_format)


def write_asdf(trace: Any, path: Path) -> None:
    """Write a trace to a file of ASDF."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["file_format"] = b"ASDF"
        file.attrs["file_format_version"] = b"1.0.3"
        start, end = (str(t)[:19] for t in (trace.stats.starttime, trace.stats.endtime))
        station = f"{trace.stats.network}.{trace.stats.station}"
        name = f"{trace.id}__{start}__{end}__raw"
        data = file.create_dataset(f"Waveforms/{station}/{name}", data=trace.data)
        data.attrs["starttime"] = trace.stats.starttime.ns
        data.attrs["sampling_rate"] = trace.stats.sampling_rate


#: Modules of the commands: imported once, before the trials.
MODULES = (
    "xcorr_app.workflow", "xcorr_app.store", "xcorr_app.export.asdf",
    "xcorr_app.export.netcdf", "xcorr_app.reporting.report",
    "xcorr_app.measuring.dvv", "xcorr_app.measuring.clocks",
    "xcorr_app.measuring.dispersion", "misfit_app.workflow", "misfit_app.planning",
    "misfit_app.reporting.report", "xcorr_app.live.session",
    "matplotlib.backends.backend_agg",
    "obspy.io.sac", "obspy.io.mseed.core", "obspy.signal.invsim", "scipy.signal",
    "multiprocessing.popen_fork", "misfit_app.commands", "rich.progress",
)  # fmt: skip


def main_of(program: str) -> Callable[[list[str]], int]:
    """Return the function that a program calls."""
    if program == "xcorr-app":
        from xcorr_app.cli import main
    else:
        from misfit_app.cli import main
    return main
