"""Reading the waveforms of one channel in one span of time, from several files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from obspy import Stream, Trace, UTCDateTime

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.traces import JITTER, cut, extent
from seismo_pes.items.waveforms import ChannelSpan, Waveforms
from seismo_pes.reading.formats.waveform_files import find_defect, read_file

__all__ = ["ReadWaveforms", "read_span"]


def read_span(span: ChannelSpan) -> tuple[Stream, list[Skipped]]:
    """Read the samples that the files of a span hold of its channel and time.

    Parameters
    ----------
    span : ChannelSpan
        Channel, time and files, from `Archive.spans`.

    Returns
    -------
    stream : obspy.Stream
        The channel's traces as they are in the files, neither merged nor converted.
        They hold the samples with start <= t < end, and one more if it lies less than
        half a sample interval before the start: a later step may round its time up to
        the start. Two adjacent spans can therefore share one sample.
    skipped : list of Skipped
        Files that could not be read or that hold another channel. If no sample is left,
        the last item says so: ``"no data from ... to ..."``.
    """
    stream = Stream()
    skipped: list[Skipped] = []
    formats = span.formats or ("",) * len(span.files)
    files = list(zip(span.files, formats, strict=True))
    n_files = len(files) - span.n_after
    for path, file_format in files[span.n_before : n_files]:
        stream.extend(_read_file_of_span(span, path, file_format, skipped))
    if span.n_before and _starts_late(stream, span):
        for path, file_format in files[: span.n_before]:
            stream.extend(_read_file_of_span(span, path, file_format, skipped))
    if span.n_after and _ends_early(stream, span):
        for path, file_format in files[n_files:]:
            stream.extend(_read_file_of_span(span, path, file_format, skipped))
    if not stream:
        start, end = UTCDateTime(ns=span.start_ns), UTCDateTime(ns=span.end_ns)
        reason = f"no data from {start} to {end}"
        skipped.append(Skipped("read", span.channel_id, reason))
    return stream, skipped


class ReadWaveforms(GenericPE):
    """Read spans of channels: `read_span` as a processing element.

    Ports
    -----
    input : ChannelSpan
        The channel, the time and the files to read.
    output : Waveforms
        The traces, as `read_span` returns them; one item for each span, without traces
        if there are no data.
    skipped : Skipped
        Files that could not be used, and spans without data.
    """

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input", tuple_type=ChannelSpan)
        self._add_output("output", tuple_type=Waveforms)
        self._add_output("skipped", tuple_type=Skipped)

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Read one span."""
        stream, skipped = read_span(inputs["input"])
        for item in skipped:
            yield {"skipped": item}
        yield {"output": Waveforms.of(inputs["input"], stream)}


def _read_file_of_span(
    span: ChannelSpan, path: str, file_format: str, skipped: list[Skipped]
) -> list[Trace]:
    """Read one file of a span; add its defects to ``skipped``."""
    try:
        stream = read_file(
            path,
            file_format,
            # one second more: the reader selects whole records, by their header times
            start_ns=span.start_ns - NS,
            end_ns=span.end_ns + NS,
            channel_id=None if span.one_channel else span.channel_id,
        )
    except DataError as error:
        skipped.append(Skipped("read", path, str(error).removeprefix(f"{path}: ")))
        return []
    other_ids = Counter(t.id for t in stream if t.id != span.channel_id)
    for other_id, count in other_ids.items():
        reason = f"left out: its header says {other_id}, not {span.channel_id}"
        skipped.append(Skipped("read", path, reason, count))
    traces = []
    for trace in stream:
        if trace.id != span.channel_id or not trace.stats.npts:
            continue
        if defect := find_defect(trace):
            skipped.append(Skipped("read", path, defect))
            continue
        if (part := cut(trace, span.start_ns, span.end_ns)) is not None:
            traces.append(part)
    return traces


def _starts_late(stream: Stream, span: ChannelSpan) -> bool:
    """Say whether at least one sample is missing between the start and the data."""
    extents = [extent(trace, span.start_ns, span.end_ns) for trace in stream]
    return all(position > 1 - JITTER for position, _ in extents)


def _ends_early(stream: Stream, span: ChannelSpan) -> bool:
    """Say whether at least one sample is missing between the data and the end."""
    for trace in stream:
        position, n_span = extent(trace, span.start_ns, span.end_ns)
        if position + trace.stats.npts >= n_span - JITTER:
            return False
    return True
