"""The records of provenance of a run, joined by the names of items."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dispel4py.provenance.model import read_records, run_folders, segments


@dataclass
class Seen:
    """All records of one run."""

    run: dict[str, Any] = field(default_factory=dict)
    end: dict[str, Any] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    products: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    n_cut: int = 0
    #: Instances of processes that have not ended, by their numbers in the plan.
    unended: set[str] = field(default_factory=set)

    def of(self, pe: str) -> list[dict[str, Any]]:
        """Return the products of a PE, in the order of calls."""
        own = [p for p in self.products if p["pe"] == pe]
        return sorted(own, key=lambda p: (p["instance"], p["n"], p.get("k", 0)))

    def calls_of(self, pe: str) -> list[dict[str, Any]]:
        return [call for call in self.calls if call["pe"] == pe]

    def parents(self, product: dict[str, Any]) -> list[str]:
        """Return the names of the items that a product was derived from."""
        own = [
            call
            for call in self.calls
            if (call["pe"], call["instance"]) == (product["pe"], product["instance"])
            and "got" in call
        ]
        n, key, since = product["n"], product.get("key"), product.get("since")
        (this,) = (call for call in own if call["n"] == n) if since is None else (None,)
        if this is not None:
            return [this["got"][1]]
        keys = key if isinstance(key, list) else [key]
        return [
            call["got"][1]
            for call in sorted(own, key=lambda call: call["n"])
            if since < call["n"] <= n and (key is None or call.get("key") in keys)
        ]


def read(folder: Path) -> Seen:
    """Read the only run of a folder."""
    (run,) = run_folders(folder)
    seen = Seen()
    for path in segments(run):
        instances: dict[str, Any] = {}
        has_ended = False
        for record, _ in read_records(path):
            if record is None:
                seen.n_cut += 1
                continue
            kind = record["kind"]
            if kind == "process":
                instances = record["instances"]
            elif kind == "process_end":
                has_ended = True
            elif kind in ("run", "end"):
                setattr(seen, kind, record)
            elif kind == "failure":
                seen.failures.append(record)
            elif kind == "file":
                seen.files[record["path"]] = record
            elif kind in ("call", "products"):
                pe, number = instances[str(record["i"])]
                place = {"pe": pe, "instance": number, "n": record["n"]}
                seen.products += [product | place for product in record.get("out", [])]
                if kind == "call":
                    seen.calls.append(record | place)
        seen.unended |= set() if has_ended else set(instances)
    return seen


def check(seen: Seen, lost: bool = False) -> None:
    """Check that products and calls have unique names, and that they join."""
    calls = Counter((c["pe"], c["instance"], c["n"]) for c in seen.calls)
    assert not [name for name, n in calls.items() if n > 1]
    ids = Counter(
        (p["pe"], p["instance"], p["n"], p["port"], p.get("k", 0))
        for p in seen.products
    )
    assert not [name for name, n in ids.items() if n > 1]
    sent = Counter(name for p in seen.products for name in p["items"])
    received = Counter(c["got"][1] for c in seen.calls if "got" in c)
    outer = {name for name in received if name.startswith("-2.")}
    if not lost:
        assert max(sent.values(), default=1) == 1
        assert max(received.values(), default=1) == 1
        assert set(received) - outer <= set(sent)
        results = {name for name in sent if name.split(".")[2] == "-1"}
        assert set(sent) - results == set(received) - outer
