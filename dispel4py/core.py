"""The processing element: its ports and its life cycle."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dispel4py.description import describe
from dispel4py.errors import GraphError, ParameterError, PortError, suggest

NAME = "name"
TYPE = "type"
DESCRIPTION = "descr"
META = "meta"
GROUPING = "grouping"
WRITER = "writer"

Writer = Callable[..., None]

#: Methods that a PE may override under either of two names.
_SPELLINGS = (
    ("set_input_types", "setInputTypes"),
    ("get_output_types", "getOutputTypes"),
)


class GenericPE:
    """A processing element (PE): named input ports, named output ports, `process`.

    A subclass declares its ports in ``__init__`` and overrides `process` (or
    `_process`). A mapping then calls, for each instance of the PE, `preprocess` once,
    `process` once per item with ``{input_port: item}``, and `postprocess` once when
    all inputs have ended. An item is sent in the dict that `process` returns, in dicts
    that it yields, or by `write`, which may be called any number of times, also from
    `postprocess`.

    Parameters
    ----------
    numprocesses : int
        Requested number of instances. 1 (the default) means a share of the available
        processes.

    Attributes
    ----------
    name : str
        The class name unless set. Several PEs of a graph may share a name.
    id : str
        Unique in its graph: ``name`` and a counter, given by `WorkflowGraph.add`.
    rank : int
        The process that runs this instance, given by the mapping.
    single : bool
        Set it if one instance must get all items.
    stateful : bool, optional
        Whether an instance keeps data of earlier items, so that a new instance cannot
        replace it. If it is
        None, `Plan.is_restartable` decides by the methods and groupings.
    derives : str
        What an item that it sends is derived from, for provenance. ``each``: from the
        item that it received in the same call (or, if it received none, from all
        items). ``last 3``: from the last 3 items. ``batch``: from the items since its
        last output. ``accumulate``: from its last output, and the items since then.
        ``matching``: from all items so far. Items with different
        `derivation_key` are kept apart.
    wrapper, pickleIgnore
        Attributes of dispel4py 1.x; without effect here.

    Examples
    --------
    >>> class Square(GenericPE):
    ...     def __init__(self):
    ...         GenericPE.__init__(self)
    ...         self._add_input("input")
    ...         self._add_output("output")
    ...     def process(self, inputs):
    ...         return {"output": inputs["input"] ** 2}
    >>> Square().process({"input": 3})
    {'output': 9}
    """

    single = False
    stateful: bool | None = None
    derives = "each"
    _call_again_s: float | None = None
    _is_fed = False
    _stop_stream: Callable[[], None] | None = None
    _noter: Callable[[str, Mapping[str, Any]], None] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        methods = vars(cls)
        for name, old_name in _SPELLINGS:
            if name in methods and old_name not in methods:
                setattr(cls, old_name, methods[name])
            elif old_name in methods and name not in methods:
                setattr(cls, name, methods[old_name])

    def __init__(self, numprocesses: int = 1) -> None:
        self.inputconnections: dict[str, dict[str, Any]] = {}
        self.outputconnections: dict[str, dict[str, Any]] = {}
        self.wrapper: Any = "simple"
        self.pickleIgnore = list(vars(self))
        self.numprocesses = numprocesses
        self.name = type(self).__name__
        self.id = f"{self.name}{uuid.uuid4().hex}"
        self.rank = 0
        self._writer: Writer | None = None

    # -- ports -----------------------------------------------------------------

    def _add_input(
        self,
        name: str,
        grouping: Any = None,
        tuple_type: Any = None,
    ) -> None:
        """Declare an input port; declaring it again replaces it."""
        port: dict[str, Any] = {NAME: name}
        if grouping:
            port[GROUPING] = grouping
        if tuple_type is not None:
            port[TYPE] = tuple_type
        self._declare("inputconnections", port)

    def _add_output(self, name: str, tuple_type: Any = None) -> None:
        """Declare an output port; declaring it again replaces it."""
        port: dict[str, Any] = {NAME: name}
        if tuple_type is not None:
            port[TYPE] = tuple_type
        self._declare("outputconnections", port)

    def _declare(self, ports: str, port: dict[str, Any]) -> None:
        try:
            declared = getattr(self, ports)
        except AttributeError:
            raise GraphError(
                f"{type(self).__name__}.__init__ must call GenericPE.__init__(self) "
                "before it declares ports"
            ) from None
        declared[port[NAME]] = port

    def set_input_types(self, types: Mapping[str, Any]) -> None:
        """Receive the types that arrive at the inputs (see `get_output_types`)."""

    def get_output_types(self) -> dict[str, Any]:
        """Return the declared type of each output that has one."""
        return {n: p[TYPE] for n, p in self.outputconnections.items() if TYPE in p}

    # -- life cycle ------------------------------------------------------------

    def preprocess(self) -> None:
        """Prepare this instance; called once in the process that runs it."""
        self._preprocess()

    def _preprocess(self) -> None:
        """Override to prepare this instance."""

    def process(
        self, inputs: dict[str, Any]
    ) -> dict[str, Any] | Iterable[dict[str, Any]] | None:
        """Work on one item: ``inputs`` has exactly one port, or none for a source."""
        outputs: dict[str, Any] | Iterable[dict[str, Any]] | None
        outputs = self._process(inputs)
        return outputs

    def _process(self, inputs: Any) -> Any:
        """Override to work on one item."""
        return None

    def postprocess(self) -> None:
        """Finish this instance; called once when all its inputs have ended."""
        self._postprocess()

    def _postprocess(self) -> None:
        """Override to finish this instance; it may still `write`."""

    def teardown(self) -> None:
        """Override to release resources of this instance, such as open files.

        It is called once at the end of every run, if `preprocess` was called: after
        `postprocess`, after a failure, and after an interrupt. It is not called if the
        process is killed. It cannot write.
        """

    def stop_stream(self) -> None:
        """End the stream early; the run continues to its end without a failure.

        The sources whose items reach this PE are not called again, and a source that is
        in a call ends at the next item that it writes. Items on their way are still
        processed, so this PE may get more items. Then every PE finishes as usual.

        Raises
        ------
        GraphError
            If the PE is not running.
        """
        if self._stop_stream is None:
            raise GraphError(
                f"{self.id} can only stop a stream while a mapping runs it"
            )
        self._stop_stream()

    # -- provenance ------------------------------------------------------------

    def describe_item(self, port: str, item: Any) -> dict[str, Any]:
        """Return terms that describe an item which it sends.

        By default the class of the item decides, see `dispel4py.description`.

        Parameters
        ----------
        port : str
            The output.
        item : object
            The item. Do not change it.
        """
        return describe(item)

    def derivation_key(self, port: str, item: Any) -> Any:
        """Return the key by which items belong together; see the attribute ``derives``.

        Parameters
        ----------
        port : str
            The input of a received item, or the output of a sent item.
        item : object
            The item. Do not change it.

        Returns
        -------
        object
            A text or a number, or a list of them for an item that belongs to several.
            Without a key, None, a sent item has that of the item received in its call.
        """
        return None

    def note_file(self, path: Any, form: str = "", **terms: Any) -> None:
        """Note in provenance that this call has written a file.

        For files that no sent item describes. Without provenance it has no effect.

        Parameters
        ----------
        path : path
            The complete file.
        form : str
            Its format.
        **terms : object
            Terms that describe it, see `dispel4py.description`.
        """
        if self._noter is not None:
            described = terms | {"location": path, "format": form}
            self._noter("", {"file": described})

    def update_prov_state(self, name: str, *data: Any, **options: Any) -> None:
        """Name the item of this call, for ``write(..., dep=[name])`` in later calls.

        Parameters
        ----------
        name : str
            The name.
        *data, **options : object
            Arguments of dispel4py 1.x; without effect here.
        """
        if self._noter is not None:
            self._noter("", {"state": name})

    # -- writing and logging ----------------------------------------------------

    def write(self, name: str, data: Any, **options: Any) -> None:
        """Send an item from an output port.

        Parameters
        ----------
        name : str
            The output port.
        data : object
            The item.
        **options : object
            Notes about the item for provenance, as in dispel4py 1.x: ``metadata`` (a
            dict of terms), ``location`` and ``format`` of a file, ``dep`` (a list of
            names from `update_prov_state`), ``ignore_inputs`` (whether the item is
            derived from those only).

        Raises
        ------
        PortError
            If there is no such output.
        GraphError
            If the PE is not running.
        """
        if self._writer is not None:
            self._writer(name, data, **options)
            return
        if name not in self.outputconnections:
            raise PortError(
                f"{self.id} has no output {name!r}: "
                f"{suggest(name, self.outputconnections)}"
            )
        port = self.outputconnections[name]
        if WRITER not in port:
            raise GraphError(f"{self.id} can only write while a mapping runs it")
        port[WRITER].write(data)

    _write = write

    def call_again(self, after_s: float = 0.0) -> None:
        """Ask for one more call of `process` with the same inputs; for sources only.

        A source that waits for data asks for another call and returns, so that its
        process can do other work meanwhile. If a source returns without this request,
        it is called with its next inputs; without further inputs it has ended.

        Parameters
        ----------
        after_s : float
            Seconds from the end of this call to the next call.

        Raises
        ------
        ParameterError
            If the time is negative.
        GraphError
            If another PE feeds this one.
        """
        if not after_s >= 0:
            raise ParameterError(
                f"{self.id}: call_again after {after_s} s: use 0 or more"
            )
        if self._is_fed:
            raise GraphError(f"{self.id} is fed by another PE: only sources call again")
        self._call_again_s = after_s

    def log(self, message: object) -> None:
        """Log ``message`` at level INFO with the PE and its process."""
        logging.getLogger("dispel4py.pe").info("%s@%s: %s", self.id, self.rank, message)

    # The names of dispel4py 1.x.
    setInputTypes = set_input_types
    getOutputTypes = get_output_types

    def __getstate__(self) -> dict[str, Any]:
        # exist only while a mapping runs the PE
        writers = ("_writer", "write", "_stop_stream", "_noter")
        return {k: v for k, v in self.__dict__.items() if k not in writers} | {
            "_writer": None
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"
