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
from dispel4py.mappings.base import Mapping as Runner
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
    compat: bool = False,
    provenance: Any = None,
    **options: Any,
) -> RunResult:
    """Run a workflow graph.

    Parameters
    ----------
    graph : WorkflowGraph
    inputs : dict, int or iterable of dict, optional
        The calls of the sources. A dict has for a source (the PE, its id or its name)
        an iterable of dicts ``{port: item}``, one for each call of ``process``, or a
        number of calls. A number is for every source. An iterable is for the only
        source. By default every source is called once. A source with input ports that
        a dict does not name is not called. An iterable that is not a list is read
        during the run and may be endless; a generator is closed at the end.
    mapping : str
        ``simple``, ``multi``, ``mpi``, or another that is installed.
    processes : int, optional
        How many processes to use; the default depends on the mapping.
    on_error : str
        ``stop``: the first failure ends the run. ``skip``: an item on which a PE fails
        is skipped, and the failure is added to ``failures``. ``retry:K``: the PE first
        tries the item K times more. The attribute ``on_error`` of a PE takes
        precedence.
    observers : iterable
        See `dispel4py.observe`.
    start_method : str, optional
        For the mapping ``multi``: how processes are started (fork, spawn, forkserver).
    dead_letters : str or Path, optional
        File for the skipped items; they are added to its content.
    letters : sequence of DeadLetter, optional
        Items that an earlier run skipped; they replace the inputs.
    item_timeout_s : float, optional
        A PE that works longer on one item fails on it.
    restart_workers : bool
        For the mapping ``multi``: start a killed worker again, if its PEs have no
        state. It gets its unfinished items again, so the items that it had sent may
        arrive twice.
    measure : bool
        Measure how long each PE is busy (``processes[k].instances[m].busy_s``).
    costs : mapping, optional
        Seconds of work of each PE, by id or name, for the layout on processes (see
        `dispel4py.cost.read_costs`).
    compat : bool
        Give each PE as many instances as dispel4py 1.2.1.
    provenance : path or Provenance, optional
        Folder for the records of provenance: what each product was made of. The
        results are the same as without. See `dispel4py.provenance`.
    **options : object
        Options of a mapping of another package.

    Returns
    -------
    RunResult

    Raises
    ------
    UserError
        If graph, inputs or options are invalid; nothing has started then.
    RunError
        If the run failed.

    Notes
    -----
    The mappings ``simple`` and ``mpi`` call the PEs of the graph itself: a second run
    starts with the attributes that the first run has left. Make a new graph for each
    run, or set the start values in ``preprocess``.

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
    runner = get_mapping(
        mapping,
        on_error=on_error,
        dead_letters=None if dead_letters is None else str(dead_letters),
        item_timeout_s=item_timeout_s,
        measure=measure,
        **options,
    )
    n = runner.processes(processes)
    plan = make_plan(graph, n, costs, compat, runner.apart)
    if runner.is_root:
        check_can_be_written("dead_letters", dead_letters)
    if letters is None:
        source_inputs = assign_inputs(plan, inputs)
    else:
        source_inputs = assign_letters(plan, letters)
    runner.check(plan)
    recorder = _recorder(provenance or graph.provenance, plan, runner)
    notifier = Observers([*observers, *([] if recorder is None else [recorder])])
    if runner.is_root:
        for note in plan.notes:
            _log.info("%s", note)
        notifier.notify("started", plan)
    try:
        result = runner.execute(plan, source_inputs, notifier)
    except BaseException as error:
        if runner.is_root:
            notifier.notify("interrupted", error)
        raise
    finally:
        close_feeds(source_inputs)
    if runner.is_root:
        notifier.notify("finished", result)
    return result


def _recorder(provenance: Any, plan: Plan, runner: Runner) -> Any:
    """Return the observer that records provenance; the same run in all processes."""
    if provenance is None:
        return None
    from dispel4py.provenance.recorder import Recorder
    from dispel4py.provenance.run_record import Provenance

    is_folder = isinstance(provenance, str | Path)
    settings = Provenance(provenance) if is_folder else provenance
    recorder = runner.share(lambda: Recorder(settings, runner.name))
    recorder.check(plan)
    return recorder


def share(mapping: str, make: Callable[[], Shared]) -> Shared:
    """Call ``make`` once and return its value, in every process of a run.

    Under some mappings every process runs the whole program. Use this function for work
    that only one process should do before the run, such as searching an archive or
    making a folder. The first process does it, and all processes get the value, or the
    exception.

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
    """Distribute the inputs of each source over its instances.

    Parameters
    ----------
    plan : Plan
        Has the sources and their instances.
    inputs : dict, int or iterable of dict, optional
        As for `run`.

    Raises
    ------
    InputError
        If inputs name a PE that is not a source, or have the wrong form.
    """
    roots = plan.roots()
    if isinstance(inputs, int) and inputs < 0:
        raise InputError(f"inputs: {inputs} calls; use 0 or more")
    calls = dict.fromkeys(roots, inputs if isinstance(inputs, int) else 1)
    if isinstance(inputs, Mapping):
        for name, value in inputs.items():
            for root in _find_roots(plan, roots, name):
                calls[root] = _check_inputs(plan.pes[root], value)
        for root in roots:
            has_inputs = any(root in _find_roots(plan, roots, name) for name in inputs)
            if not has_inputs and plan.pes[root].inputconnections:
                calls[root] = 0  # it needs items for its inputs
    elif inputs is not None and not isinstance(inputs, int):
        (root,) = _only_root(plan, roots, inputs)
        calls[root] = _check_inputs(plan.pes[root], inputs)
    assigned: SourceInputs = {}
    for root, value in calls.items():
        instances = plan.instances_of(root)
        for instance in instances:
            if isinstance(value, Feed):
                assigned[instance.index] = value
                continue
            items = range(value) if isinstance(value, int) else value
            assigned[instance.index] = items[instance.number :: len(instances)]
    return assigned


def _only_root(plan: Plan, roots: list[int], inputs: Any) -> list[int]:
    """Return the only source of a graph, for inputs that name no source."""
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
    """Distribute dead letters over the instances of the PEs that skipped their items.

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
        index, inputs = failure.instance % len(instances), item
        if failure.port is not None:
            inputs = {failure.port: item}
            for route in plan.routes:
                leads_here = (route.destination_pe, route.input) == (
                    number,
                    failure.port,
                )
                if leads_here and route.grouping.kind == GROUP_BY:
                    (index,) = route.grouping.select(item, len(instances))
        queue = queues.setdefault(instances[index].index, [])
        assert isinstance(queue, list)
        queue.append(inputs)
    return queues


def _find_roots(plan: Plan, roots: list[int], name: Any) -> list[int]:
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


def _check_inputs(pe: GenericPE, value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise InputError(f"inputs of {pe.id}: {value} calls; use 0 or more")
        return value
    is_unfit = isinstance(value, str | bytes | bool | Mapping)
    if is_unfit or not isinstance(value, Iterable):
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
