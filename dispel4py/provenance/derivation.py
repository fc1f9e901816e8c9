"""What the products of an instance are derived from: the attribute ``derives`` of a PE.

An instance counts its calls. A product that was not derived from the item of its own
call has the range of calls whose items it was derived from, see
`dispel4py.provenance.model`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError
from dispel4py.provenance.bounds import bounded_value

__all__ = ["Derivation", "check_derives"]

PATTERNS = ("each", "last N", "batch", "accumulate", "matching")


def check_derives(pe: GenericPE) -> tuple[str, int]:
    """Return the kind of derivation of a PE, and the N of ``last N``.

    Raises
    ------
    ParameterError
        If ``derives`` is none of `PATTERNS`.
    """
    match = re.fullmatch(r"last ([1-9]\d{0,8})", str(pe.derives))
    if match:
        return "last", int(match[1])
    if pe.derives not in PATTERNS or pe.derives == "last N":
        raise ParameterError(
            f"{pe.id}: derives = {pe.derives!r}; use one of {', '.join(PATTERNS)}"
        )
    return str(pe.derives), 0


class Derivation:
    """Tells for each product of an instance which calls it was derived from.

    Parameters
    ----------
    pe : GenericPE
        Declares ``derives`` and, if it overrides it, ``derivation_key``.
    before : int
        Number of the last call that has nothing to do with these products.
    """

    def __init__(self, pe: GenericPE, before: int = -1) -> None:
        self._kind, self._n_last = check_derives(pe)
        self._pe, self._before = pe, before
        function = getattr(pe.derivation_key, "__func__", None)
        self._has_keys = function is not GenericPE.derivation_key
        #: Whether products are derived from the item of their own call.
        self.is_plain = self._kind == "each" and not self._has_keys
        # of each key: the last call with a product, this product, the recent calls
        self._last_call: dict[Any, int] = {}
        self._last_product: dict[Any, str] = {}
        self._recent: dict[Any, deque[int]] = {}
        self._of_this_call: dict[Any, str] = {}

    def memory(self) -> Any:
        """Return what another process needs to continue."""
        return self._before, self._last_call, self._last_product, self._recent

    def remember(self, memory: Any) -> None:
        """Continue with what `memory` returned in another process.

        Parameters
        ----------
        memory : object
        """
        self._before, self._last_call, self._last_product, self._recent = memory

    def key_of_product(self, port: str, item: Any) -> Any:
        """Return the key of a sent item; None if the PE gives none.

        Parameters
        ----------
        port : str
            The output.
        item : object
            The item.
        """
        if not self._has_keys:
            return None
        return _as_key(self._pe.derivation_key(port, item))

    def complete(
        self,
        n: int,
        products: Iterable[dict[str, Any]],
        key: Any = None,
        has_item: bool = True,
    ) -> None:
        """Add ``since`` and ``previous`` to products of a call.

        Parameters
        ----------
        n : int
            Number of the call.
        products : iterable of dict
            The records of its products.
        key : object, optional
            The key of products without a key of their own.
        has_item : bool
            Whether the call received an item.
        """
        for product in products:
            if key is not None:
                product.setdefault("key", key)
            known = _hashable(product.get("key"))
            if self._kind == "matching":
                product["since"] = -1
            elif self._kind == "last":
                recent = self._recent.get(known, ())
                n_before = self._n_last if has_item else self._n_last + 1
                is_full = len(recent) >= n_before
                product["since"] = recent[-n_before] if is_full else self._before
            elif self._kind != "each":
                product["since"] = self._last_call.get(known, self._before)
                if self._kind == "accumulate" and known in self._last_product:
                    product["previous"] = self._last_product[known]
                name = f"{n}/{product['port']}/{product.get('k', 0)}"
                self._of_this_call[known] = name

    def end_call(
        self, n: int, port: str | None, item: Any, products: list[dict[str, Any]]
    ) -> Any:
        """Complete the products of a call; note its item.

        Parameters
        ----------
        n : int
            Number of the call.
        port : str or None
            The input; None if the call received no item.
        item : object
            The received item.
        products : list of dict
            The records of its products.

        Returns
        -------
        object
            The key of the received item; None if it has none.
        """
        key = None
        if self._has_keys and port is not None:
            key = _as_key(self._pe.derivation_key(port, item))
        self.complete(n, products, key, port is not None)
        for known, product in self._of_this_call.items():
            self._last_call[known], self._last_product[known] = n, product
        self._of_this_call.clear()
        if self._kind == "last" and port is not None:
            length = self._n_last + 1
            self._recent.setdefault(_hashable(key), deque(maxlen=length)).append(n)
        return key


def _as_key(key: Any) -> Any:
    """Return a key as a text or a number, or a list of several."""
    if not isinstance(key, list | tuple | set):
        return bounded_value(key)
    keys = [bounded_value(entry) for entry in key]
    return keys[0] if len(keys) == 1 else keys or None


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
