"""Run a workflow from Python."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.dead_letters import DeadLetter
from dispel4py.errors import InputError, ParameterError, suggest
from dispel4py.grouping import GROUP_BY
from dispel4py.mappings import get_mapping
from dispel4py.mappings.base import Shared, SourceInputs
from dispel4py.mappings.feeding import Feed, check_inputs, close_feeds
from dispel4py.observe import Observers
from dispel4py.outputs import check_can_be_written
from dispel4py.plan import Plan, make_plan
from dispel4py.result import RunResult
from dispel4py.workflow_graph import WorkflowGraph

_log = logging.getLogger(__name__)

__all__ = ["RunResult", "run", "share"]

Inputs = Mapping[Any, Any] | Iterable[Mapping[str, Any]] | int | None


def run(
    graph: WorkflowGraph,
    inputs: Inputs = None,
    mapping: str = "simple",
    processes: int | None = None,
    on_error: str = "stop",
    observers: Iterable[Any] = (),
    start_method: str | None = None,
    dead_letters: str | Path | None = None,
    letters: Sequence[DeadLetter] | None = None,
    item_timeout_s: float | None = None,
    restart_workers: bool = False,
    measure: bool = False,
    costs: Mapping[str, float] | None = None,
    **options: Any,
) -> RunResult:
    """Run a workflow graph.

    Parameters
    ----------
    graph : WorkflowGraph
    inputs : dict, int or iterable of dict, optional
        For sources: the PE, or its id or name, to an iterable of dicts
        ``{port: item}`` (each is one call of ``process``) or to a number of calls. A
        number alone stands for every source, an iterable for the only one. Default:
        every source is called once; in a dict, a source with input ports that is not
        named is not called. An iterable that is no list is read while the run lasts,
        and may be endless; a generator is closed at the end.
    mapping : str
        ``simple``, ``multi``, ``mpi``, or another that is installed.
    processes : int, optional
        How many processes to use; the default depends on the mapping.
    on_error : str
        ``stop``: the first failure ends the run. ``skip``: an item on which a PE
        fails is given up and listed in ``failures``. ``retry:K``: it is tried K times
        more before that. The attribute ``on_error`` of a PE takes precedence.
    observers : iterable
        See `dispel4py.observe`.
    start_method : str, optional
        Of the mapping ``multi``: how processes are started (fork, spawn, forkserver).
    dead_letters : str or Path, optional
        File for the items that are given up; they are added to its content.
    letters : sequence of DeadLetter, optional
        Items that an earlier run gave up; they are run in place of the inputs.
    item_timeout_s : float, optional
        A PE that works longer on one item fails on it.
    restart_workers : bool
        Of the mapping ``multi``: start a killed worker again, if its PEs have no state.
        The items that it had not finished are given again, so the items that it had
        sent may arrive twice.
    measure : bool
        Measure how long each PE is busy (``processes[k].instances[m].busy_s``).
    costs : mapping, optional
        Seconds of work of each PE, by id or name, for the layout on processes (see
        `dispel4py.cost.read_costs`).
    **options : object
        Further options, of a mapping of another package.

    Returns
    -------
    RunResult

    Raises
    ------
    UserError
        If graph, inputs or options are impossible; nothing has started then.
    RunError
        If the run failed.

    Examples
    --------
    >>> from dispel4py.base import SimpleFunctionPE
    >>> graph, double = WorkflowGraph(), SimpleFunctionPE(lambda x: 2 * x)
    >>> _ = graph.add(double)
    >>> run(graph, {double: [{"input": 1}, {"input": 2}]}).output(double.id)
    [2, 4]
    """
    if processes is not None and processes < 1:
        raise ParameterError(f"processes={processes}: use 1 or more")
    if start_method is not None:
        options["start_method"] = start_method
    if restart_workers:
        options["restart_workers"] = True
    chosen = get_mapping(
        mapping,
        on_error=on_error,
        dead_letters=None if dead_letters is None else str(dead_letters),
        item_timeout_s=item_timeout_s,
        measure=measure,
        **options,
    )
    plan = make_plan(graph, chosen.processes(processes), costs)
    if chosen.is_root:
        check_can_be_written("dead_letters", dead_letters)
    if letters is None:
        source_inputs = assign_inputs(plan, inputs)
    else:
        source_inputs = assign_letters(plan, letters)
    chosen.check(plan)
    watching = Observers(observers)
    if chosen.is_root:
        for note in plan.notes:
            _log.info("%s", note)
        watching.tell("started", plan)
    try:
        result = chosen.execute(plan, source_inputs, watching)
    finally:
        close_feeds(source_inputs)
    if chosen.is_root:
        watching.tell("finished", result)
    return result


def share(mapping: str, make: Callable[[], Shared]) -> Shared:
    """Call ``make`` once and return its value, in every process of a run.

    Under some mappings every process runs the whole program. What only one of them
    should do before the run (look through an archive, make a folder) goes through here:
    the first process does it, and all get the value, or the exception.

    Parameters
    ----------
    mapping : str
        Name of the mapping of the run.
    make : callable

    >>> share("simple", lambda: 42)
    42
    """
    return get_mapping(mapping).share(make)


def assign_inputs(plan: Plan, inputs: Inputs) -> SourceInputs:
    """Deal the inputs of each source out to its instances.

    Parameters
    ----------
    plan : Plan
        Has the sources and their instances.
    inputs : dict, int or iterable of dict, optional
        As of `run`.

    Raises
    ------
    InputError
        If inputs name a PE that is not a source, or have the wrong form.
    """
    roots = plan.roots()
    if isinstance(inputs, int) and inputs < 0:
        raise InputError(f"inputs: {inputs} calls make no sense")
    given = dict.fromkeys(roots, inputs if isinstance(inputs, int) else 1)
    if isinstance(inputs, Mapping):
        for name, value in inputs.items():
            for root in _roots_named(plan, roots, name):
                given[root] = _checked(plan.pes[root], value)
        for root in roots:
            named = any(root in _roots_named(plan, roots, name) for name in inputs)
            if not named and plan.pes[root].inputconnections:
                given[root] = 0  # it works on items, and has none
    elif inputs is not None and not isinstance(inputs, int):
        (root,) = _only_root(plan, roots, inputs)
        given[root] = _checked(plan.pes[root], inputs)
    assigned: SourceInputs = {}
    for root, value in given.items():
        instances = plan.instances_of(root)
        for instance in instances:
            if isinstance(value, Feed):
                assigned[instance.index] = value
                continue
            items = range(value) if isinstance(value, int) else value
            assigned[instance.index] = items[instance.number :: len(instances)]
    return assigned


def _only_root(plan: Plan, roots: list[int], inputs: Any) -> list[int]:
    """Return the only source of a graph, for inputs that name none."""
    if not isinstance(inputs, Iterable) or isinstance(inputs, str | bytes):
        raise InputError(
            f"inputs must be a dict or a number, not {type(inputs).__name__}; or an "
            "iterable of dicts"
        )
    if len(roots) != 1:
        sources = ", ".join(plan.pes[root].id for root in roots)
        raise InputError(f"inputs must be a dict that names a source: {sources}")
    return roots


def assign_letters(plan: Plan, letters: Sequence[DeadLetter]) -> SourceInputs:
    """Deal letters out to instances of the PEs that gave their items up.

    Parameters
    ----------
    plan : Plan
    letters : sequence of DeadLetter

    Raises
    ------
    InputError
        If the graph has no such PE, or a letter lacks its item.
    """
    queues: SourceInputs = {
        spec.index: [] for root in plan.roots() for spec in plan.instances_of(root)
    }
    numbers = {pe.id: k for k, pe in enumerate(plan.pes)}
    for letter in letters:
        failure, item = letter.failure, letter.item()
        if failure.pe_id not in numbers:
            raise InputError(
                f"a dead letter of {failure.pe_id!r}, which is not in this graph: "
                f"{suggest(failure.pe_id, numbers)}"
            )
        number = numbers[failure.pe_id]
        instances = plan.instances_of(number)
        chosen, given = failure.instance % len(instances), item
        if failure.port is not None:
            given = {failure.port: item}
            for route in plan.routes:
                here = (route.destination_pe, route.input) == (number, failure.port)
                if here and route.grouping.kind == GROUP_BY:
                    (chosen,) = route.grouping.select(item, len(instances))
        queue = queues.setdefault(instances[chosen].index, [])
        assert isinstance(queue, list)
        queue.append(given)
    return queues


def _roots_named(plan: Plan, roots: list[int], name: Any) -> list[int]:
    pes = plan.pes
    if isinstance(name, GenericPE):
        matches = [k for k in roots if pes[k] is name]
        label = name.id
    else:
        matches = [k for k in roots if pes[k].id == name]
        matches = matches or [k for k in roots if pes[k].name == name]
        label = str(name)
    if matches:
        return matches
    if any(label in (pe.id, pe.name) for pe in pes):
        raise InputError(f"{label} is fed by another PE: only sources take inputs")
    known = [pes[k].id for k in roots]
    raise InputError(
        f"inputs for {label!r}, which is no source: {suggest(label, known)}"
    )


def _checked(pe: GenericPE, value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise InputError(f"inputs of {pe.id}: {value} calls make no sense")
        return value
    refused = isinstance(value, str | bytes | bool | Mapping)
    if refused or not isinstance(value, Iterable):
        raise InputError(
            f"inputs of {pe.id} must be a list of dicts or a number of calls, "
            f"not {type(value).__name__}; or an iterable of dicts"
        )
    check = functools.partial(check_inputs, pe.id, list(pe.inputconnections))
    if not isinstance(value, list | tuple):
        return Feed(pe.id, value, check)
    for item in value:
        check(item)
    return list(value)
