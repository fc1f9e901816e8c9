"""The names that workflows of dispel4py 1.x import from ``dispel4py.provenance``.

They are a thin layer: they declare what the elements of a graph are derived from, which
terms their items have and where provenance is stored. The recording is that of this
package, and it changes no result.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from dispel4py.base import IterativePE, SimpleFunctionPE
from dispel4py.core import GenericPE
from dispel4py.description import describe
from dispel4py.errors import ParameterError
from dispel4py.files import exists
from dispel4py.provenance.bounds import bounded_terms
from dispel4py.provenance.model import RUN_SEGMENT, Writer, read_records, run_folders
from dispel4py.provenance.run_record import Provenance
from dispel4py.workflow_graph import WorkflowGraph

__all__ = [
    "ASTGrouped",
    "AccumulateFlow",
    "AccumulateStateTrace",
    "CommandLineInputs",
    "ForceStateless",
    "IntermediateStatefulOut",
    "Nby1Flow",
    "ProvenanceIterativePE",
    "ProvenanceSimpleFunctionPE",
    "ProvenanceType",
    "SingleInvocationFlow",
    "SlideFlow",
    "configure_prov_run",
    "getUniqueId",
    "init_provenance_config",
    "injectProv",
    "update_prov_run",
]

#: The folder if a workflow and the environment name none.
FOLDER = "provenance"
#: Comparisons in rules of selection.
_SIGNS = {"$eq": "=", "$gt": ">", "$lt": "<", "$gte": ">=", "$lte": "<="}
#: Keys of a configuration, and the parameters of `configure_prov_run`.
_KEYS = {
    "provone:User": "username",
    "s-prov:run-id": "runId",
    "s-prov:description": "description",
    "s-prov:workflowName": "workflowName",
    "s-prov:workflowId": "workflowId",
    "s-prov:workflowType": "workflowType",
    "s-prov:WFExecutionInputs": "input",
    "s-prov:save-mode": "save_mode",
    "s-prov:componentsType": "componentsType",
    "s-prov:sel-rules": "sel_rules",
}


class ProvenanceType(GenericPE):
    """The base of types of provenance; a subclass adds terms to products.

    Attributes
    ----------
    PROV_PATH : str
        Folder of the records.
    REPOS_URL, PROV_EXPORT_URL, BULK_SIZE, SAVE_MODE_SERVICE, SAVE_MODE_FILE
        Without effect: records go to the folder.
    """

    SAVE_MODE_SERVICE = "service"
    SAVE_MODE_FILE = "file"
    SAVE_MODE_SENSOR = "sensor"
    PROV_PATH: ClassVar[str] = ""
    REPOS_URL: ClassVar[str] = ""
    PROV_EXPORT_URL: ClassVar[str] = ""
    BULK_SIZE: ClassVar[int] = 1

    def extractItemMetadata(self, data: Any, port: str) -> Any:
        """Override to return the terms of an item: a dict, or a list of dicts.

        Parameters
        ----------
        data : object
            The item.
        port : str
            The output.
        """
        return {}

    def describe_item(self, port: str, item: Any) -> dict[str, Any]:
        """Return the terms of the class of an item, and those of this type."""
        return describe(item) | _terms(self.extractItemMetadata(item, port))


class AccumulateFlow(ProvenanceType):
    """A product is derived from the items since the last product."""

    derives = "batch"


class Nby1Flow(ProvenanceType):
    """A product is derived from one item of each input, in their order."""

    derives = "batch"


class SlideFlow(ProvenanceType):
    """A product is derived from the last items; ``wlength`` is their number."""

    derives = "last 1"


class ASTGrouped(ProvenanceType):
    """A product is derived from all items of the same group as the current item."""

    derives = "matching"


class SingleInvocationFlow(ProvenanceType):
    """A product is derived from the item of the same call."""


class AccumulateStateTrace(ProvenanceType):
    """A product is derived from the last product and the items since then."""

    derives = "accumulate"


class IntermediateStatefulOut(ProvenanceType):
    """A product is derived from the last product and the items since then."""

    derives = "accumulate"


class ForceStateless(ProvenanceType):
    """A product is derived from the item of the same call."""


class ProvenanceIterativePE(ProvenanceType, IterativePE):
    """An `IterativePE` with the terms of `ProvenanceType`."""


class ProvenanceSimpleFunctionPE(ProvenanceType, SimpleFunctionPE):
    """A `SimpleFunctionPE` with the terms of `ProvenanceType`."""


class CommandLineInputs:
    """What dispel4py 1.x takes from its command line; without effect here."""

    inputs: ClassVar[dict[str, Any]] = {}
    provenanceCommandLineConfigPresent = False
    inline_prov_config: ClassVar[dict[str, Any]] = {}
    inline_graph: Any = None
    module: Any = None


def getUniqueId(data: Any = None) -> str:
    """Return a text that no other call returns."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4()}"


# ------------------------------------------------------------------ configuration


def configure_prov_run(
    graph: WorkflowGraph,
    provRecorderClass: Any = None,
    provImpClass: Any = ProvenanceType,
    sprovConfig: Mapping[str, Any] | None = None,
    **options: Any,
) -> str:
    """Let runs of a graph record provenance.

    Parameters
    ----------
    graph : WorkflowGraph
        Its elements get the types of provenance, and itself the attribute
        ``provenance``.
    provRecorderClass : object
        Without effect.
    provImpClass : type or tuple of type
        Types of the elements that ``componentsType`` does not name.
    sprovConfig : mapping, optional
        The options under their names in a configuration file.
    **options : object
        ``componentsType``, ``sel_rules``, ``runId``, ``workflowName``, and more, which
        are recorded.

    Returns
    -------
    str
        The run id of the workflow; it is recorded in the configuration of the run.
    """
    for key, value in (sprovConfig or {}).items():
        options[_KEYS.get(key, key)] = value
    run_id = str(options.get("runId") or getUniqueId())
    injectProv(graph, provImpClass, componentsType=options.pop("componentsType", None))
    rules = options.pop("sel_rules", None) or {}
    graph.provenance = Provenance(
        _folder(),
        {name: {"when": _condition(rule)} for name, rule in rules.items()},
        name=str(options.get("workflowName") or ""),
        configuration=options | {"runId": run_id},
    )
    return run_id


def injectProv(
    object: Any,
    provType: Any,
    active: bool = True,
    componentsType: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Give the elements of a graph their types of provenance.

    Parameters
    ----------
    object : WorkflowGraph or GenericPE
    provType : type or tuple of type
        The types of elements that have none of their own.
    active : bool
        Without effect.
    componentsType : mapping, optional
        For the name of an element ``s-prov:type``, a type or several, and ``wlength``.
    **options : object
        Without effect.
    """
    pes = object.pes if isinstance(object, WorkflowGraph) else [object]
    for pe in pes:
        if isinstance(pe, WorkflowGraph):
            injectProv(pe, provType, componentsType=componentsType)
            continue
        own = (componentsType or {}).get(pe.name, {})
        _give_types(pe, _as_tuple(own.get("s-prov:type") or provType), own)


def _give_types(pe: GenericPE, types: tuple[Any, ...], own: Mapping[str, Any]) -> None:
    for kind in types:
        if not (isinstance(kind, type) and issubclass(kind, ProvenanceType)):
            raise ParameterError(
                f"{pe.name}: {kind!r} is no type of provenance: name the class, a "
                "subclass of ProvenanceType"
            )
    declared = [kind for kind in types if kind.derives != ProvenanceType.derives]
    if declared:
        pe.derives = declared[0].derives
    if "wlength" in own:
        pe.derives = f"last {int(own['wlength'])}"
    if any(issubclass(kind, ASTGrouped) for kind in types):
        pe.derivation_key = _GroupKey(pe)  # type: ignore[method-assign]
    extracts = [
        kind.extractItemMetadata
        for kind in types
        if kind.extractItemMetadata is not ProvenanceType.extractItemMetadata
    ]
    if extracts:
        pe.describe_item = _Description(pe, extracts)  # type: ignore[method-assign]
    if isinstance(pe, SimpleFunctionPE) and pe.compute_fn is not None:
        pe.compute_fn = _Function(pe, pe.compute_fn)


class _Description:
    """The terms of items of a PE, by functions of its types of provenance."""

    def __init__(self, pe: GenericPE, extracts: Iterable[Callable[..., Any]]) -> None:
        self._pe, self._extracts = pe, list(extracts)

    def __call__(self, port: str, item: Any) -> dict[str, Any]:
        terms = describe(item)
        for extract in self._extracts:
            terms = terms | _terms(extract(self._pe, item, port))
        return terms


class _GroupKey:
    """The key of the group of a received item; a sent item has none of its own."""

    def __init__(self, pe: GenericPE) -> None:
        self._groupings = {
            name: port.get("grouping") for name, port in pe.inputconnections.items()
        }

    def __call__(self, port: str, item: Any) -> Any:
        grouping = self._groupings.get(port)
        if not isinstance(grouping, list | tuple):
            return None
        return repr([item[index] for index in grouping])


class _Function:
    """The function of an element, whose results may have notes for provenance."""

    def __init__(self, pe: SimpleFunctionPE, function: Callable[..., Any]) -> None:
        self._pe, self._function = pe, function
        self.__name__ = getattr(function, "__name__", "function")
        self.__wrapped__ = function

    def __call__(self, data: Any, **params: Any) -> Any:
        result = self._function(data, **params)
        if isinstance(result, dict) and "_d4p_prov" in result:
            self._pe.write("output", result["_d4p_data"], **result["_d4p_prov"])
            return None
        return result


def _terms(extracted: Any) -> dict[str, Any]:
    """Return terms from a dict, or from a list of dicts."""
    entries = extracted if isinstance(extracted, list | tuple) else [extracted]
    return {
        name: value
        for entry in entries
        if isinstance(entry, Mapping)
        for name, value in entry.items()
    }


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _condition(rule: Mapping[str, Any]) -> str:
    """Return the condition of a rule such as ``{"rules": {"rho": {"$gt": 0}}}``."""
    parts = []
    for term, comparisons in rule.get("rules", {}).items():
        for sign, value in comparisons.items():
            if sign not in _SIGNS:
                raise ParameterError(
                    f"rule of {term}: {sign!r}; use one of {', '.join(_SIGNS)}"
                )
            parts.append(f"`{term}` {_SIGNS[sign]} {json.dumps(value)}")
    return " and ".join(parts)


def init_provenance_config(args: Any) -> tuple[Any, list[str]]:
    """Return the configuration of provenance, and the other words of a command line.

    Parameters
    ----------
    args : object
        ``provenance`` is the path of a JSON file, or ``inline``.

    Returns
    -------
    configuration : dict or bool
        False if there is none.
    words : list of str
        Words that are no options of provenance.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--provenance-path")
    parser.add_argument("--provenance-runid")
    parser.add_argument("--provenance-userid")
    given, words = parser.parse_known_args(sys.argv[1:])
    if given.provenance_path:
        ProvenanceType.PROV_PATH = given.provenance_path
    source = getattr(args, "provenance", None)
    configuration = dict(CommandLineInputs.inline_prov_config)
    if source and source != "inline":
        configuration = json.loads(Path(source).read_text(encoding="utf-8"))
    if not configuration:
        return False, words
    for key, value in (
        ("s-prov:run-id", given.provenance_runid),
        ("provone:User", given.provenance_userid),
    ):
        if value:
            configuration[key] = value
    return configuration, words


def update_prov_run(
    runId: str,
    save_mode: str = "file",
    dic: Mapping[str, Any] | None = None,
) -> None:
    """Add a note to the records of a run.

    Parameters
    ----------
    runId : str
        The run id of the workflow, from `configure_prov_run`.
    save_mode : str
        Without effect.
    dic : mapping, optional
        The note.

    Raises
    ------
    ParameterError
        If there is no such run.
    """
    folder = Path(_folder())
    for run in reversed(run_folders(folder)):
        records = read_records(run / RUN_SEGMENT)
        first = next(records, (None, 0)) if exists(run / RUN_SEGMENT) else (None, 0)
        configuration = (first[0] or {}).get("configuration", {})
        if configuration.get("runId") == runId:
            writer = Writer(run / f"prov-note-{uuid.uuid4().hex}.jsonl")
            content = bounded_terms(dic or {})
            writer.write({"kind": "note", "time": time.time(), "content": content})
            writer.close()
            return
    raise ParameterError(f"{folder}: no records of the run {runId!r}")


def _folder() -> str:
    return ProvenanceType.PROV_PATH or os.environ.get("PROV_PATH") or FOLDER
