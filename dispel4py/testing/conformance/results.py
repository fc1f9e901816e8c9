"""The results of a run as texts, which are equal for equal results."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


def freeze(item: Any) -> str:
    """Return a text that is equal for equal items, also for arrays and waveforms."""
    if isinstance(item, np.ndarray):
        digest = hashlib.blake2b(item.tobytes(), digest_size=8).hexdigest()
        return f"{item.dtype}{item.shape}{digest}"
    if isinstance(item, dict):
        pairs = sorted(f"{freeze(k)}: {freeze(v)}" for k, v in item.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(item, set | frozenset):
        return f"set({sorted(map(freeze, item))})"
    if isinstance(item, list | tuple):
        return f"{type(item).__name__}({', '.join(map(freeze, item))})"
    if type(item).__name__ == "Stream":
        return (
            f"Stream({[(t.id, str(t.stats.starttime), freeze(t.data)) for t in item]})"
        )
    return repr(item)


def multisets(result: Any) -> dict[str, list[str]]:
    """Return the items of each unconnected output, without their order."""
    return {
        f"{pe_id}.{port}": sorted(map(freeze, items))
        for pe_id, ports in result.outputs.items()
        for port, items in ports.items()
    }


def sequences(result: Any) -> dict[str, list[str]]:
    """Return the items of each unconnected output, in their order."""
    return {
        f"{pe_id}.{port}": [freeze(item) for item in items]
        for pe_id, ports in result.outputs.items()
        for port, items in ports.items()
    }


def distinct(result: Any) -> dict[str, list[str]]:
    """Return the items of each unconnected output, without order and repetition."""
    return {key: sorted(set(items)) for key, items in multisets(result).items()}


def with_failures(result: Any) -> dict[str, list[str]]:
    """Return the items, and the failures of skipped items: PE, input and cause."""
    lost = sorted(f"{f.pe_id} {f.port} {f.item} {f.cause}" for f in result.failures)
    return {**multisets(result), "failures": lost}
