"""Turn a function on traces or streams into a processing element, in one line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from obspy import Stream, Trace

from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError, suggest
from seismo_pes.report import Skipped
from seismo_pes.signal.errors import ParameterError as SignalError
from seismo_pes.waveforms import Waveforms

__all__ = ["Element", "FunctionElement", "element"]


class Element(GenericPE):
    """A PE that makes new traces of those that pass through it: override `transform`.

    Ports
    -----
    input : obspy.Stream, obspy.Trace or Waveforms
        What comes in stays as it is.
    output : the same type
        New traces. A trace for which `transform` returns None is left out.
    skipped : Skipped
        Traces that `transform` refused by a `DataError`, with its reason.
    """

    per = "trace"

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self._add_output("skipped")

    def transform(self, part: Any) -> Any:
        """Make a new trace (or stream) of one trace (or stream, with ``per``)."""
        raise NotImplementedError

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Transform what came in."""
        item = inputs["input"]
        stream = item.stream if isinstance(item, Waveforms) else item
        if isinstance(item, Trace):
            stream = [item]
        skipped: list[Skipped] = []
        found = self._transformed(stream, skipped)
        yield from ({"skipped": one} for one in skipped)
        if isinstance(item, Waveforms):
            yield {"output": item.with_stream(found)}
        elif isinstance(item, Stream):
            yield {"output": found}
        else:
            yield from ({"output": trace} for trace in found)

    def _transformed(self, stream: Any, skipped: list[Skipped]) -> Stream:
        parts = [Stream(list(stream))] if self.per == "stream" else list(stream)
        found = Stream()
        for part in parts:
            if not len(part):
                continue
            try:
                made = self.transform(part)
            except (DataError, SignalError) as error:
                name = part[0].id if isinstance(part, Stream) else part.id
                reason = str(error).removeprefix(f"{name}: ")
                skipped.append(Skipped(type(self).__name__.lower(), name, reason))
                continue
            if isinstance(made, Stream):
                found.extend(made)
            elif made is not None:
                found.append(made)
        return found


class FunctionElement(Element):
    """An element that calls a function; made by `element`."""

    function: Callable[..., Any]

    def __init__(self, **parameters: Any) -> None:
        super().__init__()
        known = [p.name for p in _parameters(type(self).function)]
        for name in parameters:
            if name not in known:
                raise ParameterError(
                    f"{type(self).__name__} has no parameter {name!r}: "
                    f"{suggest(name, known)}"
                )
        self.parameters = parameters

    def transform(self, part: Any) -> Any:
        """Call the function."""
        return type(self).function(part, **self.parameters)


def element(
    function: Callable[..., Any], name: str, per: str = "trace"
) -> type[FunctionElement]:
    """Make the PE class that applies ``function``.

    Parameters
    ----------
    function : callable
        Takes an `obspy.Trace` (or, with ``per="stream"``, a Stream) and parameters;
        returns a new one, or None to drop it. It raises `DataError` for data that it
        cannot use.
    name : str
        Of the class; assign it to a variable of that name, so that it can be pickled.
    per : str
        ``trace`` or ``stream``.

    Examples
    --------
    >>> import numpy as np
    >>> def scale(trace, factor):
    ...     "Multiply by a factor."
    ...     return Trace(trace.data * factor, header=trace.stats.copy())
    >>> Scale = element(scale, "Scale")
    >>> (made,) = Scale(factor=2).process({"input": Trace(np.ones(2))})
    >>> made["output"].data
    array([2., 2.])
    """
    signature = ", ".join(str(p) for p in _parameters(function))
    doc = f"{inspect.getdoc(function) or name}\n\nParameters: {signature or 'none'}."
    return type(
        name,
        (FunctionElement,),
        {
            "__doc__": doc,
            "__module__": function.__module__,
            "function": staticmethod(function),
            "per": per,
        },
    )


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())[1:]
