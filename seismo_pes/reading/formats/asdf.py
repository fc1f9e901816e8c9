"""Reading waveforms from ASDF files (Adaptable Seismic Data Format).

ASDF is HDF5 with a dataset for each trace,
``/Waveforms/NET.STA/NET.STA.LOC.CHA__START__END__tag``, and StationXML in the group of
its station. The file is read by h5py, without pyasdf.

References
----------
Krischer et al. (2016), An Adaptable Seismic Data Format, doi:10.1093/gji/ggw319.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import DataError
from seismo_pes.hdf5_input import open_hdf5
from seismo_pes.items.times import NS
from seismo_pes.regular_file import reason_of
from seismo_pes.signal.rates import exact_rate

__all__ = ["read_asdf"]

RAW = "raw_recording"  # the tag that ASDF recommends for data as recorded
SYNTHETIC = "synthetic"  # how the tags of synthetics begin
# The first coordinates of a station in StationXML. The text is searched and not parsed,
# which would take long for StationXML with responses.
COORDINATES = re.compile(
    rb"<(?:\w+:)?Station[ >].*?<(?:\w+:)?Latitude[^>]*>([^<]+)<.*?"
    rb"<(?:\w+:)?Longitude[^>]*>([^<]+)<.*?<(?:\w+:)?Elevation[^>]*>([^<]+)<",
    re.DOTALL,
)


def read_asdf(
    path: str | Path,
    *,
    headonly: bool = False,
    start_ns: int | None = None,
    end_ns: int | None = None,
    channel_id: str | None = None,
    tag: str | None = None,
    synthetic: bool = False,
) -> Stream:
    """Read the waveforms of an ASDF file.

    Parameters
    ----------
    path : str or Path
        The file.
    headonly : bool
        Headers only, traces without samples; ``stats.coordinates`` holds latitude,
        longitude and elevation where the file has StationXML of the station.
    start_ns, end_ns : int, optional
        Read only the samples of this time and one more at each end; nanoseconds since
        1970.
    channel_id : str, optional
        Read only this channel.
    tag : str, optional
        The tag of the waveforms to read, where a file has several versions of them. By
        default ``raw_recording``, or the only tag in the file, or the only one that
        does not begin with ``synthetic``.
    synthetic : bool
        Read synthetics: tags that begin with ``synthetic``, if there are any.

    Returns
    -------
    obspy.Stream
        Sorted by name and time.

    Raises
    ------
    DataError
        If the file cannot be read, or has several such tags and none is
        ``raw_recording``; `ReadFailed` if the operating system could not read it.
    """
    stream = Stream()
    try:
        with open_hdf5(path) as content:
            if _text(content.attrs.get("file_format", b"")) != "ASDF":
                raise DataError(f"{path}: HDF5, but not ASDF")
            waveforms = content.get("Waveforms", {})
            selected_tag = tag or _default_tag(path, waveforms, synthetic)
            for group in _stations(waveforms, channel_id):
                place = _coordinates(group) if headonly else {}
                for name in sorted(group):
                    if not _is_selected(name, channel_id, selected_tag):
                        continue
                    time = (start_ns, end_ns)
                    trace = _read_trace(name, group[name], headonly, time)
                    if trace is not None:
                        trace.stats.update(place)
                        stream.append(trace)
    except DataError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise DataError(f"{path}: ASDF: {reason_of(error)}") from error
    return stream


def _default_tag(path: str | Path, waveforms: Any, synthetic: bool) -> str:
    every = {
        name.rsplit("__", 1)[-1]
        for group in waveforms.values()
        for name in group
        if name.count("__") >= 3
    }
    tags = {t for t in every if t.startswith(SYNTHETIC) == synthetic} or every
    if len(tags) > 1 and RAW not in tags:
        raise DataError(
            f"{path}: has waveforms with the tags {', '.join(sorted(tags))} and none "
            f"with {RAW}; copy the waveforms of one tag into a new file"
        )
    return RAW if RAW in tags else next(iter(tags), "")


def _stations(waveforms: Any, channel_id: str | None) -> Iterator[Any]:
    if channel_id is None:
        yield from (waveforms[name] for name in sorted(waveforms))
        return
    name = ".".join(channel_id.split(".")[:2])
    if name in waveforms:
        yield waveforms[name]


def _is_selected(name: str, channel_id: str | None, tag: str) -> bool:
    parts = name.split("__")
    return (
        len(parts) >= 4
        and parts[0].count(".") == 3
        and parts[-1] == tag
        and channel_id in (None, parts[0])
    )


def _read_trace(
    name: str, dataset: Any, headonly: bool, time: tuple[int | None, int | None]
) -> Trace | None:
    """Return the trace of a dataset, cut to the time; None if no sample is left."""
    rate_hz = float(dataset.attrs["sampling_rate"])
    first_ns = int(dataset.attrs["starttime"])
    codes = name.split("__", 1)[0].split(".")
    header: dict[str, Any] = dict(
        zip(("network", "station", "location", "channel"), codes, strict=True)
    )
    low, high = 0, len(dataset)
    if rate_hz > 0 and math.isfinite(rate_hz):
        low, high = _sample_range(first_ns, rate_hz, high, *time)
        if low >= high:
            return None
        first_ns += round(Fraction(low * NS) / exact_rate(rate_hz))
    header |= {"starttime": UTCDateTime(ns=first_ns), "sampling_rate": rate_hz}
    if headonly:
        return Trace(header={**header, "npts": high - low})
    return Trace(np.asarray(dataset[low:high]), header)


def _sample_range(
    first_ns: int, rate_hz: float, n: int, start_ns: int | None, end_ns: int | None
) -> tuple[int, int]:
    """Return first and last+1 index of the samples of a time, one more at each end."""
    rate = exact_rate(rate_hz)
    low, high = 0, n
    if start_ns is not None:
        low = max(0, math.floor((start_ns - first_ns) * rate / NS) - 1)
    if end_ns is not None:
        high = min(n, math.ceil((end_ns - first_ns) * rate / NS) + 1)
    return low, high


def _coordinates(group: Any) -> dict[str, Any]:
    """Return the first coordinates in a station's metadata, as headers of a trace."""
    if "StationXML" not in group:
        return {}
    match = COORDINATES.search(group["StationXML"][()].tobytes())
    if match is None:
        return {}
    try:
        latitude, longitude, elevation_m = (float(text) for text in match.groups())
    except ValueError:
        return {}
    place = {"latitude": latitude, "longitude": longitude, "elevation": elevation_m}
    return {"coordinates": place}


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
