"""Values as both databases accept them: without NUL, NaN and half characters."""

from __future__ import annotations

from typing import Any

import orjson

__all__ = ["clean_text", "json_text", "key_json", "key_texts", "whole"]

#: The largest integer and the largest number that both databases hold.
_LARGEST, _LARGEST_FLOAT = 2**63 - 1, 1.7976931348623157e308


def json_text(value: Any) -> str:
    """Return JSON that both databases accept.

    Characters are kept as they are: SQLite finds no name that is written as \\u00e9.
    """
    try:
        text = orjson.dumps(value).decode()
    except (TypeError, ValueError):  # half characters, or numbers that are no JSON
        text = ""
    if not text or "\\u0000" in text:
        text = orjson.dumps(_plain(value)).decode()
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(_plain(name)): _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and not abs(value) <= _LARGEST_FLOAT:
        return None
    if isinstance(value, int) and abs(value) > _LARGEST:
        return float(value)
    return clean_text(value) if isinstance(value, str) else value


def clean_text(value: Any) -> str | None:
    """Return a text that both databases accept: without NUL and half characters."""
    if value is None:
        return None
    text = str(value)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "\ufffd")


def integer(value: Any) -> int:
    """Return an integer that fits a column.

    Raises
    ------
    ValueError
        If it does not fit.
    """
    number = int(value)
    if number >> 63 not in (0, -1):
        raise ValueError(f"{value!r} does not fit a column")
    return number


def whole(value: Any) -> int | None:
    """Return an integer that fits a column, or None."""
    if value is None or not -_LARGEST <= value <= _LARGEST:
        return None
    return int(value)


def real(value: Any) -> float | None:
    """Return a floating-point number, or None."""
    return None if value is None else float(value)


def key_json(value: Any) -> str | None:
    """Return the key or the keys of a product as JSON; None without a key."""
    return None if value is None else json_text(value)


def key_texts(value: Any) -> list[str]:
    """Return each key of a call or product as JSON, once.

    >>> key_texts("FMP"), key_texts([1, "1"]), key_texts(None)
    (['"FMP"'], ['1', '"1"'], [])
    """
    keys = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(json_text(key) for key in keys if key is not None))
