"""Calls of a run that are made again.

Each series of calls is made by an instance of its own. A call is made when its product
is needed, after all earlier calls of its series. So items that were used are not kept.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from dispel4py.description import describe
from dispel4py.errors import DataError, InputError
from dispel4py.files import is_file
from dispel4py.lineage import INPUTS, POSTPROCESS, PREPROCESS
from dispel4py.plan import InstanceSpec, Plan
from dispel4py.provenance.bounds import bounded_terms
from dispel4py.provenance.needed_calls import (
    CallId,
    Needed,
    Series,
    needed_calls,
)
from dispel4py.provenance.products import in_parts, load_json
from dispel4py.provenance.recorded_workflow import RecordedRun
from dispel4py.provenance.repeated_instance import (
    AT_THE_END,
    Item,
    RepeatedInstance,
    Replay,
)
from dispel4py.provenance.storable import json_text
from dispel4py.provenance.store import Store

__all__ = [
    "Item",
    "NotSent",
    "Replay",
    "make_product",
    "plan_instances",
    "product_content",
    "rerun_failed",
]


class NotSent(DataError):
    """A product is not sent again by the calls that sent it in the run."""


def make_product(store: Store, n: int, run: RecordedRun) -> Replay:
    """Make the calls again that a product was made by.

    If the elements do not send it without the items of other keys, they get these, too.

    Parameters
    ----------
    store : Store
    n : int
        The product, by its number in the store. For a part, the item is the part.
    run : RecordedRun

    Raises
    ------
    InputError
        If the graph has changed, or an input or the record of an item is missing.
    """
    sql = "SELECT owner, k, terms FROM product WHERE n = ?"
    owner, k, text = store.rows(sql, [n])[0]
    terms = load_json(text) or {}
    keeps = None if owner is None else run.workflow.ancestors_of_part(terms)
    for by_key in (True, False):
        needed = needed_calls(store, [n], by_key=by_key, keeps=keeps)
        making = _Making(store, run, needed)
        with making.closing(), contextlib.suppress(NotSent):
            making.result.item = making.item([n])
        if making.result.item is not None or not any(s.keys for s in needed.calls):
            break
    result = making.result
    if owner is not None and result.item is not None:
        part = run.workflow.part(result.item.value, k, terms)
        if part is None:
            result.part = k
        else:
            result.item = Item(part, {})
    return result


def product_content(store: Store, n: int, run: RecordedRun) -> Any:
    """Return the file of a product, or else its item, which is made again.

    Parameters
    ----------
    store, n, run
        As for `make_product`.

    Returns
    -------
    Path or object

    Raises
    ------
    DataError
        If the product cannot be made again.
    """
    location = store.value("SELECT location FROM product WHERE n = ?", [n])
    if location is not None and is_file(location):
        return Path(location)
    result = make_product(store, n, run)
    place = None if location is None else Path(run.workflow.place_of(location))
    if place is not None and is_file(place):
        return place
    if result.item is None:
        reasons = [failure.summary for failure in result.failures.values()]
        raise DataError("; ".join(["the product is not made again", *reasons]))
    return result.item.value


def rerun_failed(store: Store, n: int, run: RecordedRun) -> list[dict[str, Any]]:
    """Make the calls of a run again that failed, each with what it depends on.

    Parameters
    ----------
    store : Store
    n : int
        The run, by its number in the store.
    run : RecordedRun

    Returns
    -------
    list of dict
        For each call: id, failed, failure (text), n_sent (items that it sent).
    """
    rows = store.rows(
        "SELECT c.instance, c.number, instance.pe, instance.k FROM call c "
        "JOIN instance ON instance.n = c.instance WHERE instance.run = ? "
        "AND c.outcome IN ('failed', 'skipped') ORDER BY c.instance, c.number",
        [n],
    )
    run_id = store.value("SELECT id FROM run WHERE n = ?", [n])
    answers = []
    for instance, number, pe, k in rows:
        call = CallId(instance, number)
        needed = needed_calls(store, calls=[call])
        making = _Making(store, run, needed)
        with making.closing():
            making.make_all(instance)
        failure = making.result.failures.get(call)
        answers.append(
            {
                "id": f"{run_id}/{pe}/{k}/{number}",
                "failed": failure is not None,
                "failure": None if failure is None else failure.summary,
                "n_sent": making.result.n_sent[call],
            }
        )
    return answers


class _Making:
    """Makes calls again, and has the items that wait for other calls."""

    def __init__(self, store: Store, run: RecordedRun, needed: Needed) -> None:
        self._store, self._run, self._needed = store, run, needed
        specs = plan_instances(store, run.plan, {s.instance for s in needed.calls})
        self.result = Replay(needed.n_calls, sorted({s.pe_id for s in specs.values()}))
        #: How often each product is still needed.
        self._uses = Counter(
            parent
            for calls in needed.calls.values()
            for call in calls.values()
            for parent in call.parents
        )
        wanted: dict[Series, set[tuple[str, str | None]]] = {}
        for sent in needed.sent.values():
            wanted.setdefault(sent.series, set()).add((sent.port, sent.key))
        self._running = {
            series: RepeatedInstance(
                run.plan,
                specs[series.instance],
                series,
                wanted.get(series, set()),
                self.result,
            )
            for series in needed.calls
        }
        self._inputs: dict[frozenset[str], dict[str, list[Any]]] = {}

    @contextlib.contextmanager
    def closing(self) -> Any:
        """Let the elements release what they have opened, at the end."""
        try:
            yield
        finally:
            for running in self._running.values():
                running.close()

    def make_all(self, instance: int) -> None:
        """Make all needed calls of an instance."""
        for series, calls in self._needed.calls.items():
            if series.instance == instance:
                self._advance(series, max(calls, default=0))

    def item(self, products: Iterable[int]) -> Item:
        """Return the first of some products that is sent again.

        Raises
        ------
        NotSent
            If none is.
        """
        for n in products:
            sent = self._needed.sent[n]
            self._advance(sent.series, sent.number)
            running = self._running[sent.series]
            item = running.item(sent)
            if item is None and sent.series.keys:
                # it was sent because of another key, or at the end
                running.end()
                item = running.item(sent._replace(number=AT_THE_END))
            self._uses[n] -= 1
            if item is not None:
                if self._uses[n] <= 0:
                    running.forget(sent)
                return item
        raise NotSent("the calls that sent the product do not send it again")

    def _advance(self, series: Series, last: int) -> None:
        """Make the calls of a series up to a number."""
        running, calls = self._running[series], self._needed.calls[series]
        for number in running.take_up_to(calls, last):
            running.make(number, calls[number], self._given(series, number))

    def _given(self, series: Series, number: int) -> Any:
        """Return what a call got."""
        call = self._needed.calls[series][number]
        if call.phase in (PREPROCESS, POSTPROCESS):
            return None
        spec = self._running[series].spec
        if call.source is not None and call.source != INPUTS:
            if not call.parents:
                raise InputError(
                    f"the item of call {number} of {spec.pe_id}: the record of its "
                    "sender was lost with its process"
                )
            return self.item(call.parents).value
        if self._run.inputs is None:
            return self._input_with_terms(spec, CallId(series.instance, number))
        feed = self._run.inputs.get(spec.index, [{}])
        n = call.item or 0
        values = list(islice(iter(feed), n, n + 1))
        if not values:
            raise InputError(f"the run has no input {n} of {spec.pe_id}")
        return values[0]

    def _input_with_terms(self, spec: InstanceSpec, call: CallId) -> Any:
        """Return the input of a source whose terms are those of its product."""
        rows = self._store.rows(
            "SELECT terms FROM product WHERE instance = ? AND number = ? "
            "AND owner IS NULL ORDER BY port, k LIMIT 1",
            call,
        )
        terms = load_json(rows[0][0]) if rows else None
        if not terms:
            raise InputError(
                f"the record of {spec.pe_id} has no terms that tell which input call "
                f"{call.number} had"
            )
        names = frozenset(terms)
        if names not in self._inputs:
            table: dict[str, list[Any]] = {}
            for item in self._run.workflow.inputs:
                table.setdefault(_terms_text(describe(item), names), []).append(item)
            self._inputs[names] = table
        items = self._inputs[names].get(_terms_text(terms, names), [])
        if len(items) != 1:
            shown = ", ".join(f"{name} = {value}" for name, value in terms.items())
            number = "no input" if not items else f"{len(items)} inputs"
            raise InputError(
                f"the run would have {number} of {spec.pe_id} with {shown}"
            )
        (port,) = self._run.plan.pes[spec.pe_index].inputconnections
        return {port: items[0]}


def _terms_text(terms: Mapping[Any, Any], names: frozenset[str]) -> str:
    return json_text(sorted(bounded_terms(terms, names).items()))


def plan_instances(
    store: Store, plan: Plan, wanted: set[int]
) -> dict[int, InstanceSpec]:
    """Return the instances of the plan for those of the store.

    Parameters
    ----------
    store : Store
    plan : Plan
    wanted : set of int
        Instances, by their numbers in the store.

    Raises
    ------
    InputError
        If the graph has changed.
    """
    specs: dict[int, InstanceSpec] = {}
    for marks, part in in_parts(sorted(wanted)):
        for n, pe, number in store.rows(
            f"SELECT n, pe, number FROM instance WHERE n IN ({marks})", part
        ):
            if number is None or number >= len(plan.instances):
                raise InputError(f"the graph has no instance {number} of {pe}")
            spec = plan.instances[number]
            if spec.pe_id != pe:
                raise InputError(
                    f"the graph has changed: instance {number} was {pe}, and is now "
                    f"{spec.pe_id}"
                )
            specs[n] = spec
    return specs
