"""Elements that keep a state for each channel, for records that come in pieces."""

from __future__ import annotations

import inspect
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from obspy import Stream, Trace, UTCDateTime
from obspy.core import Stats

from dispel4py.errors import DataError
from seismo_pes.element import FunctionElement, element
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import Waveforms, samples, with_header
from seismo_pes.signal.continuous import Method, State
from seismo_pes.signal.rates import exact_rate

__all__ = ["any_parameters", "continuous_element"]

PARAMETER = """
continuous : bool
        Process the traces of each channel as pieces of one record, with a state between
    them. Output is emitted when it is final, the last part at the end of the input."""
_PARAMETERS = "\nParameters\n----------\n"
_NEXT_SECTION = re.compile(r"\n\n(?=\w+\n-{3,}\n)")


def continuous_element(
    function: Callable[..., Any],
    name: str,
    method: Callable[..., Method],
    check: Callable[..., None],
    per: str = "trace",
    margin: Callable[..., float] | None = None,
) -> type[FunctionElement]:
    """Make the PE class of a function that has a form for records in pieces.

    Like `seismo_pes.element.element`, with the additional parameter ``continuous``. If
    it is True, an instance keeps the state of each channel between items. A trace
    begins a new record if it does not begin where the last trace of its channel ended
    (to half a sample), or has another rate; the last output of the old record is
    emitted first.

    Parameters
    ----------
    function : callable
        See `element`; with a section ``Parameters`` in its docstring.
    name : str
        Name of the class, and of the variable that it is assigned to.
    method : callable
        Takes the first trace of a record and the parameters of the function; returns
        the `Method` for records in pieces.
    check : callable
        Takes the parameters of the function; raises `ParameterError` if they do not
        allow records in pieces.
    per : str
        See `element`.
    margin : callable, optional
        See `element`.
    """
    base = element(function, name, per, margin)
    parameters = list(inspect.signature(base).parameters.values())
    switch = inspect.Parameter(
        "continuous", inspect.Parameter.KEYWORD_ONLY, default=False, annotation="bool"
    )
    text = inspect.getdoc(base) or ""
    members = {
        "__doc__": _with_parameter(text),
        "__module__": function.__module__,
        "__signature__": inspect.Signature([*parameters, switch]),
        "method": staticmethod(method),
        "check": staticmethod(check),
    }
    return type(name, (_Continuous, base), members)


def any_parameters(**options: object) -> None:
    """Accept all parameters: each allows records in pieces."""


def _with_parameter(text: str) -> str:
    """Return a docstring with ``continuous`` as the last of its parameters."""
    section = _NEXT_SECTION.search(text, text.index(_PARAMETERS) + len(_PARAMETERS))
    end = section.start() if section else len(text)
    return text[:end] + PARAMETER + text[end:]


class _Continuous(FunctionElement):
    """A function element that can keep the state of each channel."""

    method: Callable[..., Method]
    check: Callable[..., None]

    def __init__(self, *values: Any, **parameters: Any) -> None:
        super().__init__(*values, **parameters)
        self.continuous = bool(self.parameters.pop("continuous", False))
        self._records: dict[str, _Record] = {}
        self._container: Any = None
        if self.continuous:
            type(self).check(**self.parameters)
            self.stateful = True
            self.derives = "accumulate"
            self.cause = ""  # samples that are not emitted yet are not lost
            self._add_input("input", grouping=_instrument, tuple_type=self.takes)

    def derivation_key(self, port: str, item: Any) -> list[str] | None:
        """Return the channels of an item, if each has a state.

        Parameters
        ----------
        port : str
            Input or output.
        item : object
            The item.
        """
        if not self.continuous or port == "skipped":
            return None
        stream = getattr(item, "stream", item)
        traces = [stream] if isinstance(stream, Trace) else stream
        return list(dict.fromkeys(trace.id for trace in traces))

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Transform one input."""
        self._container = _without_traces(inputs["input"])
        yield from super().process(inputs)

    def transform(self, part: Any) -> Any:
        """Call the function, or continue the records of the traces."""
        if not self.continuous:
            return super().transform(part)
        traces = Stream()
        for trace in part if isinstance(part, Stream) else [part]:
            traces.extend(self._advance(trace))
        return traces

    def _advance(self, trace: Trace) -> list[Trace]:
        data = samples(trace)
        if not np.isfinite(data).all():
            raise DataError(f"{trace.id}: has samples that are not finite")
        last_output = None
        record = self._records.get(trace.id)
        if record is not None and not record.is_followed_by(trace):
            last_output, record = record.flush(), None
        if record is None:
            method = type(self).method(trace, **self.parameters)
            record = _Record(method, trace.stats)
            self._records[trace.id] = record
        record.container = self._container
        final = record.advance(trace, data)
        return [piece for piece in (last_output, final) if piece is not None]

    def _postprocess(self) -> None:
        for record in self._records.values():
            last_output = record.flush()
            if last_output is not None:
                self.write("output", _with_trace(record.container, last_output))
        self._records.clear()


@dataclass
class _Record:
    """A record without a gap, and its state after the last piece.

    Attributes
    ----------
    method : Method
        The method with its parameters.
    header : obspy.core.Stats
        Header of the last piece; the output gets it.
    state : State, optional
        None before the first piece.
    container : object
        The kind of item that contained the last piece, see `_without_traces`.
    """

    method: Method
    header: Stats
    state: State | None = None
    container: Any = None

    def __post_init__(self) -> None:
        self.rate = exact_rate(self.header.sampling_rate)
        self.step = self.method.position(1) - self.method.position(0)
        self.next_ns = self.header.starttime.ns

    def is_followed_by(self, trace: Trace) -> bool:
        """Whether a trace begins where the record ends, to half a sample."""
        if exact_rate(trace.stats.sampling_rate) != self.rate:
            return False
        return 2 * abs(trace.stats.starttime.ns - self.next_ns) * self.rate < NS

    def advance(self, trace: Trace, data: np.ndarray) -> Trace | None:
        """Return the output that is final after a piece, None if there is none."""
        n_before = 0 if self.state is None else self.state.n_out
        out, self.state = self.method.advance(data, self.state)
        self.header = trace.stats
        start_ns = trace.stats.starttime.ns
        self.next_ns = start_ns + round(len(data) * NS / self.rate)
        return self._trace(out, n_before)

    def flush(self) -> Trace | None:
        """Return the last output at the end of the record, None if there is none."""
        if self.state is None:
            return None
        return self._trace(self.method.flush(self.state), self.state.n_out)

    def _trace(self, out: np.ndarray, n_before: int) -> Trace | None:
        """Return a trace of output samples, which follow `n_before` earlier samples."""
        if self.state is None or not len(out):
            return None
        # counted from the end of the last piece: errors of the rate do not add up
        place = self.method.position(n_before) - self.state.n_in
        start_ns = self.next_ns + round(place * NS / self.rate)
        changes: dict[str, Any] = {}
        if start_ns != self.header.starttime.ns:
            changes["starttime"] = UTCDateTime(ns=start_ns)
        if self.step != 1:
            changes["sampling_rate"] = float(self.rate / self.step)
        return with_header(self.header, out, **changes)


def _instrument(item: Any, n: int) -> int:
    """Choose the instance: the same one for all components of an instrument."""
    if isinstance(item, Waveforms):
        channel_id = item.spans[0].channel_id
    elif isinstance(item, Stream):
        channel_id = item[0].id if item else ""
    else:
        channel_id = item.id
    return zlib.crc32(channel_id[:-1].encode()) % n


def _without_traces(item: Any) -> Any:
    """Return an item of the same kind without traces; None for a single trace."""
    if isinstance(item, Waveforms):
        return item.with_stream(())
    return Stream() if isinstance(item, Stream) else None


def _with_trace(container: Any, trace: Trace) -> Any:
    if isinstance(container, Waveforms):
        return container.with_stream(Stream([trace]))
    return trace if container is None else Stream([trace])
