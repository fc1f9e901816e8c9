"""The state of a PE as bytes, so that another worker can continue its work."""

from __future__ import annotations

import pickle
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.failure import root_cause

#: Attributes that every instance of the PE has from the plan, or from its worker.
_OF_THE_ENGINE = frozenset(
    (
        *("inputconnections", "outputconnections", "id", "name", "numprocesses"),
        *("rank", "wrapper", "pickleIgnore", "_writer", "_call_again_s", "_is_fed"),
        "write",
    )
)
_FIXED = FunctionType, BuiltinFunctionType, ModuleType, type
#: A larger state stays at its worker. The server accepts 512 MB in a value.
_MOST_BYTES = 256_000_000


def attributes(pe: GenericPE) -> Any:
    """Return the attributes of a PE that are its state, as its class pickles them."""
    state: Any = pe.__getstate__()
    if isinstance(state, dict):
        return {k: v for k, v in state.items() if k not in _OF_THE_ENGINE}
    return state


def save(pe: GenericPE, at_start: Any) -> tuple[bytes, str]:
    """Return the state of a PE; or no bytes, and why it cannot be saved.

    Functions that the PE had at the start are left out: the plan has them, too.

    Parameters
    ----------
    pe : GenericPE
    at_start : object
        Its `attributes` after ``preprocess``.
    """
    state = attributes(pe)
    if isinstance(state, dict) and isinstance(at_start, dict):
        state = {
            name: value
            for name, value in state.items()
            if not (isinstance(value, _FIXED) and value is at_start.get(name))
        }
    try:
        content = pickle.dumps(state, 5)
    except Exception as error:  # noqa: BLE001 - pickling runs code of its classes
        return b"", f"the state of {pe.id} cannot be saved: {root_cause(error)}"
    if len(content) > _MOST_BYTES:
        size = len(content) // 1_000_000
        return b"", f"the state of {pe.id} is too large to be saved: {size} MB"
    return content, ""


def restore(pe: GenericPE, content: bytes) -> None:
    """Give a PE the state that `save` returned.

    Parameters
    ----------
    pe : GenericPE
        It has been started.
    content : bytes
    """
    state = pickle.loads(content)
    set_state = getattr(pe, "__setstate__", None)
    if set_state is not None:
        set_state(state)
    else:
        vars(pe).update(state)
