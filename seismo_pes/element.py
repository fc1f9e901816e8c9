"""Turn a function on traces, streams or other items into a PE, in one line."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from obspy import Stream, Trace

from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError, suggest
from seismo_pes.full_disk import DiskFull
from seismo_pes.items.losses import covered_times
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.items.waveforms import RECORDS, AnyRecord, Waveforms
from seismo_pes.regular_file import ReadFailed
from seismo_pes.signal.errors import ParameterError as SignalError

__all__ = [
    "Element",
    "FunctionElement",
    "ItemElement",
    "dated",
    "element",
    "item_element",
]


class _Refusing(GenericPE):
    """An element with a port for items that it cannot use."""

    stage: str = ""
    cause: str = ""
    takes: Any = None
    gives: Any = None

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input", tuple_type=self.takes)
        self._add_output("output", tuple_type=self.gives)
        self._add_output("skipped", tuple_type=Skipped)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "stage" not in vars(cls):
            cls.stage = cls.__name__.lower()
        if "cause" not in vars(cls):
            cls.cause = cls.stage

    def skip(self, name: str, error: Exception) -> Skipped:
        """Return the report of data that could not be used.

        Raises
        ------
        DiskFull
            If the disk is the cause: other data would not be written either.
        """
        if isinstance(error, DiskFull):
            raise error
        stage = FAILED_READ if isinstance(error, ReadFailed) else self.stage
        return Skipped(stage, name, str(error).removeprefix(f"{name}: "))


class Element(_Refusing):
    """An element that makes new traces from traces: override `transform`.

    Ports
    -----
    input : obspy.Stream, obspy.Trace or Waveforms
        The input stays unchanged.
    output : the same type
        New traces. A trace for which `transform` returns None is left out.
    skipped : Skipped
        Traces that `transform` refused by a `DataError`, with its reason.

    Attributes
    ----------
    per : str
        The argument of `transform`: ``trace``, ``stream``, or ``station``, a Stream of
        the components of one instrument (ids that differ in the last letter only).
    stage : str
        Name of the stage in each `Skipped`; by default the class name in lower case.
    cause : str
        Why windows are lost whose samples the element removes, see
        `seismo_pes.items.account.CAUSES`; by default the stage. Empty for an element
        that moves samples or removes only what is no data.
    """

    per = "trace"
    takes = RECORDS
    gives = AnyRecord

    def margin_s(self, rate_hz: float) -> float:
        """Return how far from a sample its neighbours have an effect on it, seconds.

        Near the ends of a trace, closer than this, results differ from those of a
        longer trace. It is 0 for an element whose effect is defined over the trace as a
        whole, such as the removal of a mean.

        Parameters
        ----------
        rate_hz : float
            Sampling rate of the input.
        """
        return 0.0

    def output_hz(self, rate_hz: float) -> float:
        """Return the sampling rate of the output.

        Parameters
        ----------
        rate_hz : float
            Sampling rate of the input.
        """
        return rate_hz

    def transform(self, part: Any) -> Any:
        """Make a new trace (or stream) from one trace (or stream, with ``per``)."""
        raise NotImplementedError

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Transform one input."""
        item = inputs["input"]
        stream = item.stream if isinstance(item, Waveforms) else item
        if isinstance(item, Trace):
            stream = [item]
        skipped: list[Skipped] = []
        results = self._transformed(stream, skipped)
        if isinstance(item, Waveforms):
            span = item.spans[0]
            skipped = [report.within(span.start_ns, span.end_ns) for report in skipped]
        yield from ({"skipped": report} for report in skipped)
        if isinstance(item, Waveforms):
            yield {"output": item.with_stream(results, self.cause)}
        elif isinstance(item, Stream):
            yield {"output": results}
        else:
            yield from ({"output": trace} for trace in results)

    def _parts(self, traces: list[Trace]) -> list[Any]:
        if self.per == "trace":
            return traces
        if self.per == "stream":
            return [Stream(traces)] if traces else []
        instruments: dict[str, Stream] = {}
        for trace in traces:
            instruments.setdefault(trace.id[:-1], Stream()).append(trace)
        return list(instruments.values())

    def _transformed(self, stream: Iterable[Trace], skipped: list[Skipped]) -> Stream:
        results = Stream()
        for part in self._parts([trace for trace in stream if len(trace)]):
            try:
                result = self.transform(part)
            except (DataError, SignalError) as error:
                name = part[0].id if isinstance(part, Stream) else part.id
                skipped.append(dated(self.skip(name, error), part))
                continue
            if isinstance(result, Stream):
                results.extend(result)
            elif result is not None:
                results.append(result)
        return results


def dated(report: Skipped, part: Trace | Stream) -> Skipped:
    """Return a report with the time of the trace or stream that it is about.

    A report that has a time keeps it.
    """
    if report.start_ns is not None:
        return report
    times = covered_times([part] if isinstance(part, Trace) else part)
    if not times:
        return report
    start_ns, end_ns = min(start for start, _ in times), max(end for _, end in times)
    return replace(report, start_ns=start_ns, end_ns=end_ns)


class ItemElement(_Refusing):
    """An element that makes new items from single items: override `transform`.

    Ports
    -----
    input : object
        The input stays unchanged.
    output : object
        What `transform` returns: each item of a list; no output for None.
    skipped : Skipped
        Items that `transform` refused by a `DataError`, with its reason.

    Attributes
    ----------
    takes, gives : type, optional
        Types of the items at input and output; a connection that does not fit is
        refused.
    """

    def transform(self, item: Any) -> Any:
        """Make a new item, or a list of them."""
        raise NotImplementedError

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Transform one input."""
        item = inputs["input"]
        try:
            result = self.transform(item)
        except (DataError, SignalError) as error:
            name = getattr(item, "id", None) or type(item).__name__
            yield {"skipped": self.skip(str(name), error)}
            return
        if isinstance(result, list):
            yield from ({"output": entry} for entry in result)
        elif result is not None:
            yield {"output": result}


class _Calling(_Refusing):
    """The base of elements made of functions: it keeps the function's parameters."""

    function: Callable[..., Any]

    def __init__(self, *values: Any, **parameters: Any) -> None:
        super().__init__()
        self.parameters = _bound(type(self), values, parameters)

    def transform(self, part: Any) -> Any:
        """Call the function."""
        return type(self).function(part, **self.parameters)


class FunctionElement(_Calling, Element):
    """An element that calls a function; made by `element`.

    Parameters
    ----------
    *values, **parameters : Any
        Parameters of the function, except the trace or stream.
    """

    margin: Callable[..., float] | None = None

    def margin_s(self, rate_hz: float) -> float:
        """Return the margin of the function in seconds, see `element`.

        Parameters
        ----------
        rate_hz : float
            Sampling rate of the input.
        """
        margin = type(self).margin
        return 0.0 if margin is None else margin(rate_hz, **self.parameters)

    def output_hz(self, rate_hz: float) -> float:
        """Return the rate of the parameters ``rate_hz`` or ``factor``, else the same.

        Parameters
        ----------
        rate_hz : float
            Sampling rate of the input.
        """
        if "factor" in self.parameters:
            return rate_hz / float(self.parameters["factor"])
        return float(self.parameters.get("rate_hz", rate_hz))


class FunctionItemElement(_Calling, ItemElement):
    """An element on single items that calls a function; made by `item_element`.

    Parameters
    ----------
    *values, **parameters : Any
        Parameters of the function, except the item.
    """


TRACE_PORTS = """
Ports
-----
input : obspy.Stream, obspy.Trace or Waveforms
    The input stays unchanged.
output : the same type
    The result of the function.
skipped : Skipped
    Inputs that the function refused, with the reason.
"""

ITEM_PORTS = """
Ports
-----
input : {input_type}
    The input stays unchanged.
output : {output_type}
    The results of the function; each item of a list.
skipped : Skipped
    Inputs that the function refused, with the reason.
"""


def element(
    function: Callable[..., Any],
    name: str,
    per: str = "trace",
    margin: Callable[..., float] | None = None,
) -> type[FunctionElement]:
    """Make the class of an element that applies ``function``.

    Parameters
    ----------
    function : callable
        Takes an `obspy.Trace` (or, with ``per``, a Stream) and parameters; returns a
        new one, or None to drop it. It raises `DataError` for data that it cannot use.
        Its docstring becomes the docstring of the class.
    name : str
        Name of the class; it can be pickled if a variable of this name holds it.
    per : str
        ``trace``, ``stream`` or ``station``; see `Element`.
    margin : callable, optional
        Takes the sampling rate and the parameters of the function; returns the margin
        of the element, see `Element.margin_s`. By default 0.

    Examples
    --------
    >>> import numpy as np
    >>> def scale(trace, factor):
    ...     "Multiply by a factor."
    ...     return Trace(trace.data * factor, header=trace.stats.copy())
    >>> Scale = element(scale, "Scale")
    >>> (outputs,) = Scale(factor=2).process({"input": Trace(np.ones(2))})
    >>> outputs["output"].data
    array([2., 2.])
    """
    members = {} if margin is None else {"margin": staticmethod(margin)}
    return _element_class(
        FunctionElement, function, name, TRACE_PORTS, per=per, **members
    )


def item_element(
    function: Callable[..., Any], name: str, input_type: str, output_type: str
) -> type[FunctionItemElement]:
    """Make the class of an element that applies ``function`` to items of any type.

    Parameters
    ----------
    function : callable
        Takes an item and parameters; returns a new one, a list of new ones, or None.
        The annotations of the item and of the result become the types of the ports, so
        that a connection that does not fit is refused.
    name : str
        Name of the class, and of the variable that it is assigned to.
    input_type, output_type : str
        Types of the items at its input and its output, for the docs.

    Examples
    --------
    >>> def halves(number, n=1):
    ...     "Halve n times."
    ...     return number / 2**n
    >>> Halves = item_element(halves, "Halves", "float", "float")
    >>> list(Halves(n=2).process({"input": 8.0}))
    [{'output': 2.0}]
    """
    ports = ITEM_PORTS.format(input_type=input_type, output_type=output_type)
    takes, gives = _item_types(function)
    return _element_class(
        FunctionItemElement, function, name, ports, takes=takes, gives=gives
    )


def _item_types(function: Callable[..., Any]) -> tuple[Any, Any]:
    """Return the types of a function's first parameter, and of one returned item."""
    try:
        hints = typing.get_type_hints(function)
    except NameError:  # imported for type checkers only
        return None, None
    first = next(iter(inspect.signature(function).parameters))
    result = hints.get("return")
    if isinstance(result, types.UnionType):
        members = [kind for kind in typing.get_args(result) if kind is not type(None)]
        result = members[0] if len(members) == 1 else result
    if typing.get_origin(result) is list:
        (result,) = typing.get_args(result)
    return hints.get(first), None if result is type(None) else result


def _element_class(
    base: type, function: Callable[..., Any], name: str, ports: str, **members: Any
) -> Any:
    # the examples run as doctests of the function; here they would run twice
    description = (inspect.getdoc(function) or name).partition("\nExamples\n---")[0]
    fixed = {
        "__doc__": f"{description.rstrip()}\n{ports}",
        "__module__": function.__module__,
        "__signature__": inspect.Signature(_parameters(function)),
        "function": staticmethod(function),
    }
    return type(name, (base,), fixed | members)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())[1:]


def _bound(
    element: type, values: tuple[Any, ...], parameters: dict[str, Any]
) -> dict[str, Any]:
    """Return the parameters by name, or raise if one is unknown or missing."""
    name = element.__name__
    signature = inspect.signature(element)
    known = list(signature.parameters)
    # a function checks its **options itself
    open_end = [
        p.name for p in signature.parameters.values() if p.kind == p.VAR_KEYWORD
    ]
    for name_given in parameters:
        if name_given not in known and not open_end:
            raise ParameterError(
                f"{name} has no parameter {name_given!r}: {suggest(name_given, known)}"
            )
    try:
        bound = dict(signature.bind(*values, **parameters).arguments)
    except TypeError as error:
        raise ParameterError(f"{name}: {error}") from None
    for options in open_end:
        bound |= bound.pop(options, {})
    return bound
