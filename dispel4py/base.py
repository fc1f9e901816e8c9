"""PEs with ready-made ports, and PEs made of functions or of other PEs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dispel4py.core import NAME, GenericPE
from dispel4py.workflow_graph import WorkflowGraph

__all__ = [
    "NAME",
    "BasePE",
    "CompositePE",
    "ConsumerPE",
    "GenericPE",
    "IterativePE",
    "ProducerPE",
    "SimpleFunctionPE",
    "WorkflowGraph",
    "create_iterative_chain",
]


class BasePE(GenericPE):
    """A PE whose ports are given as lists, or as numbers: ``input0``, ``input1``...

    Parameters
    ----------
    inputs, outputs : iterable of str
        Port names.
    num_inputs, num_outputs : int
        Number of numbered ports to add.
    """

    INPUT_NAME = "input"
    OUTPUT_NAME = "output"

    def __init__(
        self,
        inputs: Iterable[str] = (),
        outputs: Iterable[str] = (),
        num_inputs: int = 0,
        num_outputs: int = 0,
    ) -> None:
        super().__init__()
        for name in [*inputs, *_number_names(self.INPUT_NAME, num_inputs)]:
            self._add_input(name)
        for name in [*outputs, *_number_names(self.OUTPUT_NAME, num_outputs)]:
            self._add_output(name)


class IterativePE(GenericPE):
    """A PE with one ``input`` and one ``output``.

    Override ``_process(data)``. If it returns None, no item is sent.

    >>> class Double(IterativePE):
    ...     def _process(self, data):
    ...         return 2 * data
    >>> Double().process({"input": 4})
    {'output': 8}
    """

    INPUT_NAME = "input"
    OUTPUT_NAME = "output"

    def __init__(self, numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        self._add_input(self.INPUT_NAME)
        self._add_output(self.OUTPUT_NAME)

    def process(self, inputs: dict[str, Any]) -> Any:
        """Call ``_process`` with the item, and send its result from ``output``."""
        result = self._process(inputs[self.INPUT_NAME])
        return None if result is None else {self.OUTPUT_NAME: result}

    def shortcut(self) -> tuple[Callable[[Any], Any] | None, str]:
        """Return a function from item to result with the effect of `process`.

        Returns
        -------
        function : callable or None
            None if a subclass has a ``process`` of its own.
        output : str
            The port of its results; "" if there is none.
        """
        is_own = type(self).process is IterativePE.process
        if not is_own or "process" in vars(self):
            return None, ""
        return self._process, self.OUTPUT_NAME


class ProducerPE(GenericPE):
    """A source: no input, one ``output``; override ``_process(inputs)``."""

    OUTPUT_NAME = "output"

    def __init__(self, numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        self._add_output(self.OUTPUT_NAME)

    def process(self, inputs: dict[str, Any]) -> Any:
        """Call ``_process``, and send its result from ``output``."""
        result = self._process(inputs)
        return None if result is None else {self.OUTPUT_NAME: result}


class ConsumerPE(GenericPE):
    """A sink: one ``input``, no output; override ``_process(data)``."""

    INPUT_NAME = "input"

    def __init__(self, numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        self._add_input(self.INPUT_NAME)

    def process(self, inputs: dict[str, Any]) -> None:
        """Call ``_process`` with the item."""
        self._process(inputs[self.INPUT_NAME])

    def shortcut(self) -> tuple[Callable[[Any], Any] | None, str]:
        """Return a function of the item with the effect of `process`."""
        is_own = type(self).process is ConsumerPE.process
        if not is_own or "process" in vars(self):
            return None, ""
        return self._process, ""


class SimpleFunctionPE(IterativePE):
    """An `IterativePE` that applies a function.

    Parameters
    ----------
    compute_fn : callable
        Called as ``compute_fn(data, **params)``; no item is sent if it
        returns None.
    params : mapping
        Keyword arguments for every call.

    >>> SimpleFunctionPE(round, {"ndigits": 1}).process({"input": 2.345})
    {'output': 2.3}
    """

    def __init__(
        self,
        compute_fn: Callable[..., Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.compute_fn = compute_fn
        self.params = dict(params or {})
        if compute_fn is not None:
            self.name = f"PE_{getattr(compute_fn, '__name__', 'function')}"

    def _process(self, data: Any) -> Any:
        assert self.compute_fn is not None, f"{self.id} has no function"
        return self.compute_fn(data, **self.params)

    def shortcut(self) -> tuple[Callable[[Any], Any] | None, str]:
        """Return the function itself, if a subclass does not override its call."""
        function, output = super().shortcut()
        is_own = type(self)._process is SimpleFunctionPE._process
        if function is None or not is_own or "_process" in vars(self):
            return function, output
        if self.compute_fn is None or not self.params:
            return self.compute_fn or function, output
        return functools.partial(self.compute_fn, **self.params), output


class CompositePE(WorkflowGraph):
    """A graph that is used like one PE.

    Subclass it and connect PEs in ``__init__``, or pass a function that does so, then
    name the outer ports with `_map_input` and `_map_output`.

    Parameters
    ----------
    create_graph : callable, optional
        Called as ``create_graph(composite, **params)``.
    params : mapping
        Keyword arguments for ``create_graph``.
    """

    def __init__(
        self,
        create_graph: Callable[..., None] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        if create_graph is not None:
            create_graph(self, **(params or {}))

    def _map_input(
        self, input_name: str, internal_pe: Any, internal_input: str
    ) -> None:
        """Give an inner input an outer name; one name may lead to several inputs."""
        self._map_port(
            self.inputmappings, input_name, internal_pe, internal_input, "in"
        )

    def _map_output(
        self, output_name: str, internal_pe: Any, internal_output: str
    ) -> None:
        """Give an inner output an outer name."""
        self._map_port(
            self.outputmappings, output_name, internal_pe, internal_output, "out"
        )


def create_iterative_chain(
    functions: Iterable[Any],
    FunctionPE_class: Callable[[], Any] = SimpleFunctionPE,
    name_prefix: str = "PE_",
    name_suffix: str = "",
    *,
    function_pe_class: Callable[[], Any] | None = None,
) -> CompositePE:
    """Make a pipeline of functions, used as one PE with ``input`` and ``output``.

    Parameters
    ----------
    functions : iterable
        Each a callable, or ``(callable, params)``.
    FunctionPE_class : type
        The PE class that wraps each function. It is called without arguments, and
        gets the attributes ``compute_fn`` and ``params``.
    name_prefix, name_suffix : str
        Text before and after the name of each function in the name of its PE.
    function_pe_class : type, optional
        Another name of ``FunctionPE_class``.

    Returns
    -------
    CompositePE

    Raises
    ------
    ValueError
        If there is no function.

    Examples
    --------
    >>> chain = create_iterative_chain([abs, (round, {"ndigits": 1})])
    >>> [pe.name for pe in chain.pes]
    ['PE_abs', 'PE_round']
    """
    chain = CompositePE()
    previous: GenericPE | None = None
    for entry in functions:
        function, params = entry if isinstance(entry, tuple | list) else (entry, {})
        pe = (function_pe_class or FunctionPE_class)()
        pe.compute_fn, pe.params = function, dict(params)
        label = getattr(function, "__name__", type(function).__name__)
        pe.name = f"{name_prefix}{label}{name_suffix}"
        if previous is None:
            chain.add(pe)
            chain._map_input("input", pe, "input")
        else:
            chain.connect(previous, "output", pe, "input")
        previous = pe
    if previous is None:
        raise ValueError("a chain needs at least one function")
    chain._map_output("output", previous, "output")
    return chain


def _number_names(name: str, n: int) -> list[str]:
    return [f"{name}{k}" for k in range(n)]
