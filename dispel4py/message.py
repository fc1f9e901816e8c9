"""Messages between processes: frames of bytes, and the encoding of items."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dispel4py.errors import ItemError

#: Buffers of at least this size, in bytes, are sent beside the pickle, not within it.
#: Below it a copy costs less than the handling of one more buffer.
LARGE_BUFFER = 64 * 1024

#: Types of small immutable items: they enter a batch without further checks.
NUMBERS = frozenset({int, float, bool, complex})
#: Types of immutable items: they need no copy, and are pickled with their batch.
ATOMS = frozenset({int, float, str, bytes, bool, complex, type(None), frozenset})


@dataclass(frozen=True)
class Frame:
    """One message between processes: a head, and large buffers beside it."""

    source: int
    head: bytes
    buffers: Sequence[Any] = ()


class Unreadable:
    """Stands for an item that cannot be unpickled by its receiver.

    Parameters
    ----------
    error : Exception
        The error of its class.
    n_bytes : int
        Bytes of the item.
    """

    def __init__(self, error: Exception, n_bytes: int) -> None:
        self.error, self._n_bytes = error, n_bytes

    def __repr__(self) -> str:
        return f"<an item of {self._n_bytes} bytes that cannot be unpickled>"

    def __reduce__(self) -> Any:
        raise TypeError("the item cannot be unpickled")


#: An object in a frame, without its buffers: a pickle, or type and shape of an array.
Head = bytes | tuple[str, tuple[int, ...]]


def encode(obj: Any) -> tuple[Head, list[memoryview]]:
    """Pickle ``obj``; its large contiguous buffers are returned, not copied.

    Raises
    ------
    ItemError
        If the object cannot be pickled.
    """
    if _is_large_array(obj):  # five times as fast as pickle
        return (obj.dtype.str, obj.shape), [pickle.PickleBuffer(obj).raw()]
    large: list[memoryview] = []

    def keep_inside(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:  # not contiguous: pickle makes a contiguous copy
            return True
        if raw.nbytes < LARGE_BUFFER:
            return True
        large.append(raw)
        return False

    try:
        return pickle.dumps(obj, 5, buffer_callback=keep_inside), large
    except Exception as error:
        raise ItemError(
            f"a {type(obj).__name__} cannot be sent to another process: "
            f"{type(error).__name__}: {error}"
        ) from error


def decode(head: Head, buffers: Sequence[Any] = ()) -> Any:
    """Rebuild the object that `encode` took apart.

    Parameters
    ----------
    head : bytes
    buffers : sequence of buffers
        The object uses the memory of these buffers.
    """
    if isinstance(head, bytes):
        return pickle.loads(head, buffers=buffers)
    import numpy as np  # loaded already where arrays are sent

    dtype, shape = head
    return np.frombuffer(buffers[0], dtype).reshape(shape)


def _is_large_array(obj: Any) -> bool:
    """Return whether ``obj`` is a contiguous array of numbers, and large."""
    kind = type(obj)
    return (
        kind.__name__ == "ndarray"
        and kind.__module__ == "numpy"
        and obj.nbytes >= LARGE_BUFFER
        and obj.dtype.isbuiltin == 1
        and obj.dtype.kind in "biufc"
        and obj.flags.c_contiguous
    )


def private_copy(item: Any) -> Any:
    """Return ``item``, or a copy of it if a receiver could change it.

    A class whose objects never change has a ``__deepcopy__`` that returns self. An
    array that owns its data and is not writeable is shared as well, unless it is of
    objects.
    """
    if type(item) in ATOMS:
        return item
    flags: Any = getattr(item, "flags", None)
    if hasattr(flags, "owndata") and not item.dtype.hasobject:
        return item if flags.owndata and not flags.writeable else item.copy()
    return copy.deepcopy(item)
