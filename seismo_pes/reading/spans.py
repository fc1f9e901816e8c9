"""Reading the waveforms of one channel in one span of time, from several files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from obspy import Stream, Trace

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from seismo_pes.items.losses import Loss, covered_times
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import (
    JITTER,
    ChannelSpan,
    ChannelTraces,
    Waveforms,
    cut,
    extent,
    with_header,
)
from seismo_pes.reading.formats.waveform_files import find_defect, read_file
from seismo_pes.regular_file import ReadFailed

__all__ = ["ReadWaveforms", "read_span"]

NO_DATA = "no data"


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
        They hold the samples with start <= t < end and those of the margins, and one
        more if it lies less than half a sample interval before them: a later step may
        round its time up to the start. Two adjacent spans can therefore share one
        sample. Without samples between start and end the stream is empty.
    skipped : list of Skipped
        Files that could not be read or that hold another channel. If no sample is left,
        the last item says so: ``"no data"``.
    """
    stream = Stream()
    skipped: list[Skipped] = []
    formats = span.formats or ("",) * len(span.files)
    files = list(zip(span.files, formats, strict=True))
    n_files = len(files) - span.n_after
    parts = []
    for path, file_format in files[span.n_before : n_files]:
        reports: list[Skipped] = []
        parts.append((_read_file_of_span(span, path, file_format, reports), reports))
    for k, (traces, reports) in enumerate(parts):
        stream.extend(traces)
        if reports:
            times = _between(
                [t for t, _ in parts[:k]], [t for t, _ in parts[k + 1 :]], span
            )
            skipped += [report.within(*times) for report in reports]
    if span.n_before and _starts_late(stream, span):
        for path, file_format in files[: span.n_before]:
            stream.extend(_read_file_of_span(span, path, file_format, skipped, True))
    if span.n_after and _ends_early(stream, span):
        for path, file_format in files[n_files:]:
            stream.extend(_read_file_of_span(span, path, file_format, skipped, True))
    if not any(cut(trace, span.start_ns, span.end_ns) for trace in stream):
        stream = Stream()
        skipped.append(Skipped("read", span.channel_id, NO_DATA))
    return stream, [entry.within(span.start_ns, span.end_ns) for entry in skipped]


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
        span: ChannelSpan = inputs["input"]
        stream, skipped = read_span(span)
        for item in skipped:
            yield {"skipped": item}
        own = span.files[span.n_before : len(span.files) - span.n_after]
        losses = [
            Loss(item.start_ns, item.end_ns, "unreadable")
            for item in skipped
            if item.what in own and item.start_ns is not None and item.end_ns
        ]
        channel = ChannelTraces(span, tuple(stream), losses=tuple(losses))
        yield {"output": Waveforms((channel,))}


def _read_file_of_span(
    span: ChannelSpan,
    path: str,
    file_format: str,
    skipped: list[Skipped],
    few: bool = False,
) -> list[Trace]:
    """Read one file of a span; add its defects to ``skipped``.

    With ``few`` only few of its records lie in the span and its margins.
    """
    start_ns, end_ns = span.read_limits
    # one second more: the reader selects whole records, by their header times
    times: dict[str, Any] = {"start_ns": start_ns - NS, "end_ns": end_ns + NS}
    times["few"] = few
    measured_hz = dict(span.measured_hz).get(path)
    if span.recorded_hz is not None or measured_hz is not None:
        times = {}  # at a wrong rate, times of records may be wrong
    channel_id = None if span.one_channel else span.channel_id
    try:
        stream = read_file(path, file_format, channel_id=channel_id, **times)
    except DataError as error:
        stage = FAILED_READ if isinstance(error, ReadFailed) else "read"
        skipped.append(Skipped(stage, path, str(error).removeprefix(f"{path}: ")))
        return []
    other_ids = Counter(t.id for t in stream if t.id != span.channel_id)
    for other_id, count in other_ids.items():
        reason = f"left out: its header has {other_id}, not {span.channel_id}"
        skipped.append(Skipped("read", path, reason, count))
    traces = []
    for trace in stream:
        if trace.id != span.channel_id or not trace.stats.npts:
            continue
        if defect := find_defect(trace):
            skipped.append(Skipped("read", path, defect))
            continue
        if "header_rate_hz" in trace.stats:  # measured from the records of the file
            measured_hz = None
        true = _at_rate(trace, span.recorded_hz or measured_hz)
        if (part := cut(true, start_ns, end_ns)) is not None:
            traces.append(part)
    return traces


def _at_rate(trace: Trace, recorded_hz: float | None) -> Trace:
    """Return a trace with its true rate; it keeps that of its header beside it."""
    if recorded_hz is None or trace.stats.sampling_rate == recorded_hz:
        return trace
    header_hz = trace.stats.get("header_rate_hz", trace.stats.sampling_rate)
    true = with_header(trace.stats, trace.data, sampling_rate=recorded_hz)
    true.stats.header_rate_hz = float(header_hz)
    return true


def _between(
    before: list[list[Trace]], after: list[list[Trace]], span: ChannelSpan
) -> tuple[int, int]:
    """Return the time that a file may hold, by the data of files before and after."""
    ends = [end for traces in before for _, end in covered_times(traces)]
    starts = [start for traces in after for start, _ in covered_times(traces)]
    start_ns, end_ns = max([span.start_ns, *ends]), min([span.end_ns, *starts])
    return (start_ns, end_ns) if start_ns < end_ns else (span.start_ns, span.end_ns)


def _starts_late(stream: Stream, span: ChannelSpan) -> bool:
    """Return whether at least one sample is missing between the start and the data."""
    extents = [extent(trace, *span.read_limits) for trace in stream]
    return all(position > 1 - JITTER for position, _ in extents)


def _ends_early(stream: Stream, span: ChannelSpan) -> bool:
    """Return whether at least one sample is missing between the data and the end."""
    for trace in stream:
        position, n_span = extent(trace, *span.read_limits)
        if position + trace.stats.npts >= n_span - JITTER:
            return False
    return True
