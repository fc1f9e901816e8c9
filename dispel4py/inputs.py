"""Inputs of a run, from the options of a command."""

from __future__ import annotations

import json
from typing import Any

from dispel4py.errors import InputError


def read_inputs(
    file: str | None, data: str | None, iterations: int | None
) -> dict[str, Any] | int | None:
    """Return the inputs of the sources: a file, or else JSON, or else a number.

    Parameters
    ----------
    file : str or None
        Path of a JSON file.
    data : str or None
        JSON text.
    iterations : int or None
        Number of calls of each source.

    Raises
    ------
    InputError
        If they cannot be read.

    >>> read_inputs(None, '{"Reader": [{"input": 1}]}', 5)
    {'Reader': [{'input': 1}]}
    """
    if file is not None:
        try:
            with open(file, encoding="utf-8") as stream:
                return _object(stream.read(), f"-f {file}")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise InputError(f"-f {file}: {reason}") from None
    if data is not None:
        return _object(data, "-d")
    if iterations is not None and iterations < 0:
        raise InputError(f"-i {iterations}: use 0 or more")
    return iterations


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        inputs = json.loads(text)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{where}: not JSON: {error.msg} ({at})") from None
    if not isinstance(inputs, dict):
        raise InputError(
            f"{where}: give an object of PE names, each with a list of inputs or a "
            f"number of calls, not {type(inputs).__name__}"
        )
    return inputs
