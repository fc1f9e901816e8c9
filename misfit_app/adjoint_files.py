"""Files of adjoint sources: text of SPECFEM, SAC, ASDF, and arrays of our own.

Times are those of the synthetic, after the origin, and samples are not reversed in
time: SPECFEM reads adjoint sources in forward time and reverses them itself. It takes
them as forces, so its files have the derivative of the misfit by displacement. The
other files have the derivative by the synthetic as it was read, and name its motion.

A run with adjoint sources of any format keeps the arrays, too: `misfit-app export`
writes them in each of the formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from obspy import Trace, UTCDateTime

from dispel4py.files import list_folder
from misfit_app.bound_files import read_arrays, write_arrays
from seismo_pes.application.files import remove_folder, write_whole
from seismo_pes.comparing import for_displacement
from seismo_pes.items.codes import file_name_of
from seismo_pes.items.comparison import AdjointTrace, StationMisfits
from seismo_pes.whole_file import whole_file

__all__ = [
    "ADJOINT_FORMATS",
    "arrays_path",
    "read_adjoints",
    "remove_arrays",
    "station_list",
    "stations_adjoint",
    "write_adjoints",
    "write_asdf",
    "write_channels",
]

ADJOINT_FORMATS = ("specfem", "sac", "asdf")
FOLDER = "adjoint"
ARRAYS = "arrays"
# Of the motion of a synthetic, the word in the header KUSER0 of its SAC file.
SAC_MOTIONS = {"displacement": "DISP", "velocity": "VEL", "acceleration": "ACC"}
# The letters of the three channels that SPECFEM reads at each station.
SPECFEM_LETTERS = ("ENZ", "XYZ")
TEXTS = ("channel_id", "delta_s", "start_s", "motion")


def station_list(out: Path, label: str) -> Path:
    """Return the list of the stations of an event with adjoint sources."""
    return out / FOLDER / label / "STATIONS_ADJOINT"


def arrays_path(out: Path, label: str, station: str) -> Path:
    """Return the file of the arrays of a station."""
    return out / FOLDER / label / ARRAYS / f"{file_name_of(station)}.npz"


def write_adjoints(
    out: Path, results: str, label: str, item: StationMisfits, formats: Sequence[str]
) -> dict[str, list[Path]]:
    """Write the adjoint sources of a station; return the files of each format.

    Without adjoint sources, the arrays of an earlier start are removed.

    Parameters
    ----------
    out : Path
        Folder of the run.
    results : str
        Identity of the results.
    label : str
        Name of the event.
    item : StationMisfits
    formats : sequence of str
        Some of `ADJOINT_FORMATS`; if there is any, the arrays are written, too.
    """
    arrays, sources = arrays_path(out, label, item.station), item.adjoints
    if not (formats and sources):
        arrays.unlink(missing_ok=True)
        return {}
    about = {"sources": [{t: getattr(one, t) for t in TEXTS} for one in sources]}
    data = {str(number): one.data for number, one in enumerate(sources)}
    write_arrays(out, arrays, results, about, data)
    written = {ARRAYS: [arrays]}
    for kind in formats:
        folder = out / FOLDER / label / kind
        if kind == "asdf":
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{file_name_of(item.station)}.h5"
            write_asdf(path, [sources])
            written[kind] = [path]
        else:
            written[kind] = write_channels(folder, sources, item.event.time_ns, kind)
    return written


def read_adjoints(
    out: Path, results: str, label: str, station: str
) -> tuple[AdjointTrace, ...]:
    """Return the adjoint sources of a station that a run keeps.

    Parameters
    ----------
    out : Path
        Folder of the run.
    results : str
        Identity of the results.
    label : str
        Name of the event.
    station : str

    Raises
    ------
    DataError
        If they cannot be read.
    """
    about, arrays = read_arrays(out, arrays_path(out, label, station), results)
    return tuple(
        AdjointTrace(data=arrays[str(number)], **texts)
        for number, texts in enumerate(about["sources"])
    )


def remove_arrays(out: Path) -> None:
    """Remove the arrays of all stations, before they are written again.

    Parameters
    ----------
    out : Path
        Folder of the run.
    """
    for label in list_folder(str(out / FOLDER))[0]:
        remove_folder(out / FOLDER / label / ARRAYS)


def write_channels(
    folder: Path, sources: Sequence[AdjointTrace], origin_ns: int, kind: str
) -> list[Path]:
    """Write the adjoint sources of a station, a file for each channel.

    Parameters
    ----------
    folder : Path
        It is made.
    sources : sequence of AdjointTrace
    origin_ns : int
        Origin time, nanoseconds since 1970.
    kind : str
        ``specfem`` or ``sac``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for source in _all_channels(sources) if kind == "specfem" else sources:
        network, station, _, channel = source.channel_id.split(".")
        name = file_name_of(f"{network}.{station}.{channel}")
        if kind == "specfem":
            paths.append(folder / f"{name}.adj")
            write_whole(paths[-1], _specfem_text(source))
        else:
            paths.append(folder / f"{name}.adj.sac")
            _write_sac(paths[-1], source, origin_ns)
    return paths


def stations_adjoint(stations: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of the file ``STATIONS_ADJOINT`` of SPECFEM.

    Parameters
    ----------
    stations : iterable of mapping
        The contents of the files of stations: name and geometry.

    Examples
    --------
    >>> place = {"latitude": 44.5, "longitude": 11.25, "elevation_m": 300.0}
    >>> station = {"station": "XX.ABC", "geometry": place | {"burial_m": 2.0}}
    >>> stations_adjoint([station]).split()
    ['ABC', 'XX', '44.500000', '11.250000', '300.0', '2.0']
    """
    lines = []
    for station in stations:
        network, _, code = station["station"].partition(".")
        place = station["geometry"]
        numbers = (place["latitude"], place["longitude"])
        heights = (place["elevation_m"], place["burial_m"])
        lines.append(
            f"{code:<8} {network:<4} {numbers[0]:12.6f} {numbers[1]:12.6f} "
            f"{heights[0]:9.1f} {heights[1]:8.1f}\n"
        )
    return "".join(lines)


def _all_channels(sources: Sequence[AdjointTrace]) -> list[AdjointTrace]:
    """Return also zeros for channels without synthetic: SPECFEM reads all three."""
    letters = {source.channel_id[-1] for source in sources}
    wanted = next((all_ for all_ in SPECFEM_LETTERS if letters <= set(all_)), "")
    first = sources[0]
    zeros = [
        replace(
            first,
            channel_id=first.channel_id[:-1] + letter,
            data=np.zeros_like(first.data),
        )
        for letter in wanted
        if letter not in letters
    ]
    return [*sources, *zeros]


def _specfem_text(source: AdjointTrace) -> str:
    source = for_displacement(source)
    times_s = source.start_s + np.arange(source.data.size) * source.delta_s
    numbers = np.column_stack([times_s, source.data]).ravel().tolist()
    # one format for all rows takes half the time of a format for each
    return ("%16.9f %23.15e\n" * times_s.size) % tuple(numbers)


def _trace(source: AdjointTrace, origin_ns: int) -> Trace:
    codes = source.channel_id.split(".")
    names = ("network", "station", "location", "channel")
    header: dict[str, Any] = dict(zip(names, codes, strict=True))
    start = UTCDateTime(ns=origin_ns + round(source.start_s * 1e9))
    header |= {"delta": source.delta_s, "starttime": start}
    return Trace(source.data.astype(np.float64), header)


def _write_sac(path: Path, source: AdjointTrace, origin_ns: int) -> None:
    trace = _trace(source, origin_ns)
    trace.stats.sac = {"kuser0": SAC_MOTIONS[source.motion]}
    with whole_file(path) as temporary:
        trace.write(str(temporary), format="SAC")


def write_asdf(path: Path, stations: Iterable[Sequence[AdjointTrace]]) -> None:
    """Write the adjoint sources of stations to one ASDF file.

    Parameters
    ----------
    path : Path
    stations : iterable of sequence of AdjointTrace
    """
    from seismo_pes.writing.asdf import AsdfWriter

    with whole_file(path) as temporary, AsdfWriter(temporary) as file:
        for source in (source for sources in stations for source in sources):
            codes = source.channel_id.replace(".", "_")
            file.add_auxiliary(
                source.data,
                "AdjointSources",
                f"{codes.replace('__', '_')}",
                {
                    "dt": source.delta_s,
                    "start_s": source.start_s,
                    "channel_id": source.channel_id,
                    "motion": source.motion,
                },
            )
