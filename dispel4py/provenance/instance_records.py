"""The records of one instance: its calls, and the items that it sends."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.description import describe
from dispel4py.failure import Failure
from dispel4py.lineage import DONE, PROCESS, Call, Key
from dispel4py.provenance.bounds import bounded_table, bounded_terms, bounded_value
from dispel4py.provenance.derivation import Derivation
from dispel4py.provenance.expression import names_in
from dispel4py.provenance.files import FileNotes, file_record
from dispel4py.provenance.model import CALLS_PER_START, Writer, line_of
from dispel4py.provenance.selection import Selection

__all__ = ["InstanceRecords", "error_record", "terms_of_notes"]

_log = logging.getLogger(__name__)

#: Products of a call that has not ended are written in groups: at least so many, or
#: after so many seconds. This bounds the memory, and what a killed process loses.
MOST_PRODUCTS, LONGEST_WAIT_S = 64, 0.5
#: Largest number of characters of a traceback.
LONGEST_TRACEBACK = 8000
#: Largest number of names that a PE gives to items, and of parents of a product by
#: their names: more would take more memory than the PE itself.
MOST_NAMES, MOST_PARENTS = 100_000, 1000


#: Port and type in the records of files that no sent item describes.
FILE = "file"
#: Names that are no terms, see `dispel4py.description`.
_RESERVED = frozenset(("files", "location", "format", "parts", "sha256"))


class InstanceRecords:
    """The provenance of one instance.

    Parameters
    ----------
    pe : GenericPE
        Describes its items.
    index : int
        The instance in the plan.
    writer : Writer
        The segment of its process.
    files : FileNotes
        The files that this process read.
    selection : Selection
        Which terms to store.
    start : int
        How often the instance was started before.
    is_kept : bool
        Whether records wait until the work is settled, see `Observer.settled`.
    """

    def __init__(
        self,
        pe: GenericPE,
        index: int,
        writer: Writer,
        files: FileNotes,
        selection: Selection,
        start: int = 0,
        is_kept: bool = False,
    ) -> None:
        self.index, self.writer, self._files = index, writer, files
        self._pe_id = pe.id
        self.n, self.n_undescribed = start * CALLS_PER_START, 0
        #: Records that wait: whether they are of calls, and the lines.
        self._waiting: list[tuple[bool, bytes]] | None = [] if is_kept else None
        self._describe_item = pe.describe_item
        function = getattr(pe.describe_item, "__func__", None)
        self._is_by_class = function is GenericPE.describe_item
        rule = selection.rule_of(pe)
        self._wanted = None if rule.terms is None else frozenset(rule.terms)
        self._condition = rule.condition()
        self._parts, self._digests = rule.parts, rule.digests
        self._derivation = Derivation(pe, self.n - 1)
        self._products: list[dict[str, Any]] = []
        self._counts: dict[str, int] = {}
        self._prefixes: dict[Key, str] = {}
        #: Of each class of items its name, and the function that describes it.
        self._types: dict[type, tuple[str, Callable[[Any], Any] | None]] = {}
        self._waits_since = 0.0
        self._notes: Mapping[str, Any] = {}
        #: Calls by the names that the PE gave to their items.
        self._named_calls: dict[Any, list[int]] = {}

    # -- work that other processes may repeat ----------------------------------------

    def memory(self) -> Any:
        """Return what another process needs to continue these records."""
        return self._derivation.memory(), self._named_calls, self.n

    def remember(self, memory: Any) -> None:
        """Continue records of another process.

        Parameters
        ----------
        memory : object
            From `memory` there.
        """
        derivation, self._named_calls, past = memory
        self._derivation.remember(derivation)
        if past % CALLS_PER_START:  # that process made calls
            self.writer.write({"kind": "earlier", "i": self.index, "past": past})

    def settle(self, is_done: bool) -> None:
        """Write records that waited.

        Parameters
        ----------
        is_done : bool
            Whether to write those of calls, too, and products between two calls.
        """
        # an item that is being sent has no names yet
        n = len(self._products) if is_done else len(self._products) - 1
        if n > 0:
            self._write_products(n)
        waiting, self._waiting = self._waiting or [], []
        for is_call, line in waiting:
            if is_done or not is_call:
                self.writer.write_line(line)
            else:
                self._waiting.append((is_call, line))

    # -- products --------------------------------------------------------------------

    def note(self, port: str, notes: Mapping[str, Any]) -> None:
        """Keep the notes about the next product, or name the item of this call.

        Parameters
        ----------
        port : str
            The output; "" for a name or a file.
        notes : mapping
            See `dispel4py.observe.Observer.noted`.
        """
        if port:
            self._notes = notes
        elif "file" in notes:
            self._add_file(notes["file"])
        elif len(self._named_calls) < MOST_NAMES:
            calls = self._named_calls.setdefault(bounded_value(notes["state"]), [])
            if len(calls) < MOST_PARENTS and self.n not in calls[-1:]:
                calls.append(self.n)

    def describe(self, port: str, item: Any) -> None:
        """Begin the record of a product.

        Parameters
        ----------
        port : str
            The output.
        item : object
            The item.
        """
        kind = type(item)
        if kind not in self._types:
            by_class = describe.dispatch(kind) if self._is_by_class else None
            self._types[kind] = _type_name(kind), by_class
        name, by_class = self._types[kind]
        product = self._begin(port, name)
        notes, self._notes = self._notes, {}
        try:
            described = by_class(item) if by_class else self._describe_item(port, item)
            if notes:
                described = described | terms_of_notes(notes)
                self._add_calls(product, notes.get("dep"))
                if notes.get("ignore_inputs"):
                    product["since"] = self.n  # no call is after this one
            self._add_terms(product, described)
            if not self._derivation.is_plain:
                key = self._derivation.key_of_product(port, item)
                product |= {} if key is None else {"key": key}
        except (Exception, SystemExit):  # noqa: BLE001 - must not change the run
            self._note_undescribed()

    def _add_file(self, described: Mapping[str, Any]) -> None:
        """Add the record of a file that the PE has written."""
        product = self._begin(FILE, FILE)
        product["items"] = []
        try:
            self._add_terms(product, described)
        except (Exception, SystemExit):  # noqa: BLE001 - must not change the run
            self._note_undescribed()

    def _begin(self, port: str, kind: str) -> dict[str, Any]:
        """Add a record with its place among the products of a port."""
        k = self._counts.get(port, 0)
        self._counts[port] = k + 1
        product = (
            {"port": port, "k": k, "type": kind} if k else {"port": port, "type": kind}
        )
        self._products.append(product)
        return product

    def _add_terms(self, product: dict[str, Any], described: Mapping[Any, Any]) -> None:
        if _RESERVED.isdisjoint(described) and self._condition is None:
            terms = bounded_terms(described, self._wanted)
            if terms:
                product["terms"] = terms
            return
        described = dict(described)
        files, location = described.pop("files", ()), described.pop("location", None)
        digest = described.pop("sha256", None)
        form, parts = described.pop("format", None), described.pop("parts", None)
        if files:
            product["files"] = [self._files.note(path, self._digests) for path in files]
        if self._condition is not None:
            named = _named_or_plain(described, self._condition)
            if not self._condition.holds(bounded_terms(described, named)):
                return
        terms = bounded_terms(described, self._wanted)
        if terms:
            product["terms"] = terms
        if location is not None:
            about = file_record(os.fspath(location), self._digests and digest is None)
            about |= {"sha256": str(digest)} if digest else {}
            product["location"] = about.pop("path")
            product["format"] = bounded_value(form)
            product |= {k: about[k] for k in ("size", "sha256") if k in about}
        if self._parts and callable(parts):
            product["parts"] = bounded_table(parts())

    def _add_calls(self, product: dict[str, Any], names: Any) -> None:
        """Add the calls whose items the PE names as parents."""
        names = names if isinstance(names, list | tuple) else [names]
        calls: list[int] = []
        for name in names:
            calls += self._named_calls.get(bounded_value(name), [])
        if calls:
            product["calls"] = sorted(set(calls))[:MOST_PARENTS]

    def _note_undescribed(self) -> None:
        self.n_undescribed += 1
        if self.n_undescribed == 1:
            _log.warning(
                "provenance of %s: an item cannot be described; its record has no "
                "terms (reported once)",
                self._pe_id,
                exc_info=True,
            )

    def name(self, names: list[tuple[Key, int]]) -> None:
        """Add the names of the last product in its channels."""
        self._products[-1]["items"] = [
            f"{self._prefix(key)}{number}" for key, number in names
        ]
        n = len(self._products)
        if n == 1:
            self._waits_since = time.monotonic()
        elif (
            n >= MOST_PRODUCTS or time.monotonic() > self._waits_since + LONGEST_WAIT_S
        ):
            self._write_products(n)

    def _write_products(self, n: int) -> None:
        """Write the first products of a call that has not ended."""
        products, self._products = self._products[:n], self._products[n:]
        if not self._derivation.is_plain:
            self._derivation.complete(self.n, products)
        self._write({"kind": "products", "i": self.index, "n": self.n, "out": products})

    def _prefix(self, key: Key) -> str:
        prefix = self._prefixes.get(key)
        if prefix is None:
            source, route, destination = key
            prefix = self._prefixes[key] = f"{source}.{route}.{destination}."
        return prefix

    # -- calls -----------------------------------------------------------------------

    def write(self, call: Call) -> None:
        """Write the record of a call."""
        site, n = call.site, self.n
        record: dict[str, Any] = {"kind": "call", "i": self.index, "n": n}
        record["t"] = (call.began, call.ended)
        if site.channel is not None:
            record["got"] = (site.port, f"{self._prefix(site.channel)}{call.number}")
        if site.phase != PROCESS:
            record["phase"] = site.phase
        if call.ending.outcome != DONE or call.ending.attempts != 1:
            record |= _outcome(call)
        if not self._derivation.is_plain:
            self._add_key(record, call)
        if self._products:
            record["out"] = self._products
            self._products = []
        if self._counts:
            self._counts.clear()
        self.n = n + 1
        self._write(record)

    def _add_key(self, record: dict[str, Any], call: Call) -> None:
        try:
            port = None if call.site.channel is None else call.site.port
            key = self._derivation.end_call(self.n, port, call.item, self._products)
        except (Exception, SystemExit):  # noqa: BLE001 - must not change the run
            self._note_undescribed()
            return
        if key is not None:
            record["key"] = key

    def _write(self, record: dict[str, Any]) -> None:
        try:
            line = line_of(record)
        except (TypeError, ValueError):  # a text that cannot be written in UTF-8
            self.writer.n_lost += 1
            self._note_undescribed()
            return
        if self._waiting is None:
            self.writer.write_line(line)
        else:
            self._waiting.append((record["kind"] == "call", line))


def terms_of_notes(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the terms in the arguments of ``write``, as of dispel4py 1.x."""
    metadata = notes.get("metadata") or {}
    terms: dict[str, Any] = {}
    for entry in metadata if isinstance(metadata, list | tuple) else [metadata]:
        if isinstance(entry, Mapping):
            terms |= entry
    location = notes.get("location")
    if location and isinstance(location, str | os.PathLike):
        terms |= {"location": location, "format": notes.get("format")}
    return terms


def _named_or_plain(described: Mapping[Any, Any], condition: Any) -> list[str]:
    """Return the terms of a condition, which may take time, and all others."""
    plain = [name for name, value in described.items() if not callable(value)]
    return [*plain, *names_in(condition)]


def _type_name(kind: type) -> str:
    module = kind.__module__
    return (
        kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
    )


def _outcome(call: Call) -> dict[str, Any]:
    record: dict[str, Any] = {}
    if call.outcome != DONE:
        record["outcome"] = call.outcome
    if call.attempts != 1:
        record["attempts"] = call.attempts
    if call.failure is not None:
        record["error"] = error_record(call.failure)
    return record


def error_record(failure: Failure) -> dict[str, Any]:
    """Return the record of the error of a failed call."""
    kind, _, message = failure.cause.partition(": ")
    if not kind.isidentifier():  # no exception: the process died
        kind, message = "ProcessDied", failure.cause
    error = {
        "type": kind,
        "message": message[:LONGEST_TRACEBACK],
        "item": failure.item,
        "traceback": failure.traceback[-LONGEST_TRACEBACK:],
    }
    return {name: _clean(text) for name, text in error.items() if text}


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
