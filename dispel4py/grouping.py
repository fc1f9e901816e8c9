"""Groupings: the choice of the instances that get an item, and a stable hash."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import hashlib
import sys
import types
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence, Set
from numbers import Complex, Integral, Number, Real
from typing import Any

from dispel4py.errors import GraphError, ItemError

SHUFFLE = "shuffle"
GROUP_BY = "group-by"
ALL = "all"
GLOBAL = "global"
CUSTOM = "custom"

Select = Callable[[Any, int], Sequence[int]]


@dataclasses.dataclass(frozen=True)
class Grouping:
    """A grouping as declared on an input port, checked.

    Attributes
    ----------
    kind : str
        One of ``shuffle``, ``group-by``, ``all``, ``global``, ``custom``.
    keys : tuple
        For group-by: indices, dict keys or attribute names of the item.
    function : callable, optional
        For custom: ``(item, n_instances) -> index or indices``.
    """

    kind: str = SHUFFLE
    keys: tuple[Any, ...] = ()
    function: Callable[[Any, int], Any] | None = None

    @classmethod
    def of(cls, declared: Any, where: str = "input") -> Grouping:
        """Read a grouping as users write it.

        None or ``'none'`` means round robin. ``'all'`` and ``'global'`` are the names
        of their kinds. A list of indices or keys means group-by, a callable means
        custom.

        Parameters
        ----------
        declared : object
            The grouping of an input port.
        where : str
            Name of the port, for the message.

        Raises
        ------
        GraphError
            If it is none of these.
        """
        if declared in (None, "", [], (), "none", SHUFFLE):
            return cls()
        if isinstance(declared, Grouping):
            return declared
        if isinstance(declared, str) and declared in (ALL, GLOBAL):
            return cls(declared)
        if isinstance(declared, list | tuple) and declared:
            return cls(GROUP_BY, tuple(declared))
        if callable(declared):
            return cls(CUSTOM, function=declared)
        raise GraphError(
            f"{where}: {declared!r} is not a grouping; use None, 'all', 'global', "
            "a list of indices or keys, or a function (item, n) -> index"
        )

    def select(self, item: Any, n: int) -> Sequence[int]:
        """Return the instances that get an item, for every kind except a shuffle.

        Parameters
        ----------
        item : object
        n : int
            Number of instances.

        Raises
        ------
        ItemError
            If the item has no key to group by, or a function chose an instance that
            does not exist.
        """
        if self.kind == GROUP_BY:
            if n == 1:  # without a choice the item needs no key
                return (0,)
            return (stable_hash(self.key(item)) % n,)
        if self.kind == ALL:
            return range(n)
        if self.kind == GLOBAL:
            return (0,)
        assert self.function is not None
        return self._check_indices(self.function(item, n), n)

    def key(self, item: Any) -> Any:
        """Return the part of an item by which it is grouped.

        Raises
        ------
        ItemError
            If the item does not have it.
        """
        try:
            if len(self.keys) == 1:
                return _field(item, self.keys[0])
            return tuple(_field(item, key) for key in self.keys)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ItemError(
                f"cannot group by {list(self.keys)}: the item is "
                f"{type(item).__name__} ({type(error).__name__}: {error})"
            ) from error

    def _check_indices(self, selection: Any, n: int) -> Sequence[int]:
        indices = [selection] if isinstance(selection, Integral) else list(selection)
        for index in indices:
            if not isinstance(index, Integral) or not 0 <= int(index) < n:
                raise ItemError(
                    f"the grouping function chose instance {index!r} out of {n}; "
                    f"allowed are 0 to {n - 1}"
                )
        return [int(index) for index in indices]


def _field(item: Any, key: Any) -> Any:
    """Return ``item[key]``, or the attribute of that name."""
    if not isinstance(key, str) or isinstance(item, Mapping):
        return item[key]
    try:
        return item[key]
    except (TypeError, IndexError):
        return getattr(item, key)


def stable_hash(value: Any) -> int:
    """Hash ``value`` to a non-negative integer, equal in every process, on every host.

    Equal values have equal hashes across int, float, bool and numpy scalars. The
    hash of an integer is its magnitude, so that consecutive keys are distributed
    evenly. Dicts, sets, ranges, arrays, dataclasses and enums may be nested.

    Raises
    ------
    ItemError
        If the value has no content that is stable between processes, or a hash of its
        own that is not.

    >>> stable_hash("KEY") == stable_hash("KEY"), stable_hash(7), stable_hash(7.0)
    (True, 7, 7)
    """
    if _compares_itself(value):
        return abs(_own_hash(value))
    if isinstance(value, str):
        return zlib.crc32(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Integral):
        return abs(int(value))
    if isinstance(value, Real) and float(value).is_integer():
        return abs(int(float(value)))
    if _is_whole(value):
        return abs(int(value))
    if getattr(value, "shape", None) == () and type(value.item()) is not type(value):
        return stable_hash(value.item())  # a numpy bool, or an array of one number
    digest = hashlib.blake2b(canonical_bytes(value), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def canonical_bytes(value: Any) -> bytes:
    """Encode ``value`` so that equal values, and only those, have equal bytes."""
    if value is None:
        return b"N"
    if _compares_itself(value):
        return _encode("h", str(_own_hash(value)).encode())
    if isinstance(value, str):
        return _encode("s", value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes | bytearray | memoryview):
        return _encode("b", bytes(value))
    if isinstance(value, Integral):
        return _encode("i", str(int(value)).encode())
    if isinstance(value, Real):
        number = float(value)
        if number.is_integer():
            return _encode("i", str(int(number)).encode())
        return _encode("f", number.hex().encode())
    if isinstance(value, enum.Enum):
        return _encode("E", type(value).__qualname__.encode(), value.name.encode())
    if isinstance(value, Complex):
        value = complex(value)
        return _encode("c", value.real.hex().encode(), value.imag.hex().encode())
    if isinstance(value, Number) and hasattr(value, "is_finite"):
        return _canonical_decimal(value)
    return _canonical_container(value)


def _is_whole(value: Any) -> bool:
    """Return whether this is a decimal number with an integer value."""
    if not isinstance(value, Number) or not hasattr(value, "is_finite"):
        return False
    return bool(value.is_finite() and value == int(value))  # type: ignore[call-overload]


def _canonical_decimal(value: Any) -> bytes:
    if _is_whole(value):
        return canonical_bytes(int(value))
    if value.is_finite() and value == float(value):
        return canonical_bytes(float(value))
    return _encode("n", str(value).encode())


def _canonical_container(value: Any) -> bytes:
    if isinstance(value, Mapping):
        pairs = (canonical_bytes((k, v)) for k, v in value.items())
        return _encode("d", *sorted(pairs))
    if isinstance(value, Set):
        return _encode("S", *sorted(map(canonical_bytes, value)))
    if isinstance(value, range):
        # two ranges with equal numbers are equal, also if their stops differ
        first, step = value[0] if value else 0, value.step if len(value) > 1 else 0
        return _encode("r", *map(canonical_bytes, (len(value), first, step)))
    if isinstance(value, list | tuple):
        tag = "l" if isinstance(value, list) else "t"
        return _encode(tag, *map(canonical_bytes, value))
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):
        if getattr(value, "shape", None) == ():
            return canonical_bytes(value.item())
        shape = str(getattr(value, "shape", ())).encode()
        return _encode("a", str(value.dtype).encode(), shape, value.tobytes())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        compared = [f.name for f in dataclasses.fields(value) if f.compare]
        fields = [getattr(value, name) for name in compared]
        return _encode("D", type(value).__qualname__.encode(), canonical_bytes(fields))
    if hasattr(value, "isoformat"):
        return _encode("T", _in_utc(value).isoformat().encode())
    if hasattr(value, "__fspath__"):
        return _encode("p", str(value).encode())
    if isinstance(value, uuid.UUID):
        return _encode("u", value.bytes)
    if isinstance(value, datetime.timedelta):
        return _encode("dt", str(value / datetime.timedelta(microseconds=1)).encode())
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        return _encode("o", f"{value.__module__}.{value.__qualname__}".encode())
    return _encode("h", str(_own_hash(value)).encode())


def _compares_itself(value: Any) -> bool:
    kind: Any = type(value)
    return kind not in _BUILT_IN and _has_own_equality(kind)


@functools.lru_cache(maxsize=1024)
def _has_own_equality(kind: Any) -> bool:
    """Return whether a class that users wrote has its own ``__eq__`` and ``__hash__``.

    Then equal objects may have different content. The ``__eq__`` of a dataclass is made
    by the decorator, so it has no file, and compares the content.
    """
    owner = next(base for base in kind.__mro__ if "__eq__" in vars(base))
    method = vars(owner)["__eq__"]
    if not isinstance(method, types.FunctionType) or kind.__hash__ is None:
        return False
    is_made = (
        dataclasses.is_dataclass(owner) and "<string>" in method.__code__.co_filename
    )
    is_standard = owner.__module__.partition(".")[0] in sys.stdlib_module_names
    return not (is_made or is_standard or hasattr(kind, "isoformat"))


def _in_utc(value: Any) -> Any:
    """Return a date with time zone in UTC: equal times have different zones."""
    is_aware = isinstance(value, datetime.datetime) and value.utcoffset() is not None
    return value.astimezone(datetime.UTC) if is_aware else value


#: Whether all processes of the run have the same hashes of objects.
_shares_hashes = False


def share_hashes(are_equal: bool) -> None:
    """Note whether the processes of a run have equal hashes of texts; mappings call it.

    Then an item can be grouped by an object with methods ``__hash__`` and ``__eq__``.

    Parameters
    ----------
    are_equal : bool
        True if there is one process, or all have the same seed of hashes.
    """
    global _shares_hashes
    _shares_hashes = are_equal


def _own_hash(value: Any) -> int:
    kind: Any = type(value)
    if kind.__hash__ is None or kind.__hash__ is object.__hash__:
        raise ItemError(
            f"cannot group by a {kind.__name__}: it has no content that is equal "
            "in every process; group by a number, text, tuple, dict or dataclass"
        )
    if not _shares_hashes:
        raise ItemError(
            f"cannot group by a {kind.__name__}: its hash differs between processes; "
            "set PYTHONHASHSEED=0 in all of them"
        )
    return hash(value)


#: Classes without an equality of users.
_BUILT_IN = frozenset({str, int, float, bool, bytes, tuple, list, dict})


def _encode(tag: str, *parts: bytes) -> bytes:
    body = b"".join(b"%d:%b" % (len(part), part) for part in parts)
    return b"%b%d(%b)" % (tag.encode(), len(parts), body)
