"""Templates of scripts, a file for each scheduler: names in braces get values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from dispel4py.errors import ParameterError, suggest
from dispel4py.file_search import files_named

_FOLDER = Path(__file__).with_name("templates")
#: The known schedulers: the names of the templates.
SCHEDULERS = tuple(path.stem for path in files_named(_FOLDER, "*.sh"))
_NAME = re.compile(r"\{\{(\w+)\}\}")
_SUBMIT = re.compile(r"^# Submit: (.+)$", re.MULTILINE)


def template_text(name: str) -> str:
    """Return a template.

    Parameters
    ----------
    name : str
        A scheduler, or the file of a template.

    Raises
    ------
    ParameterError
        If there is neither.
    """
    path = _FOLDER / f"{name}.sh" if name in SCHEDULERS else Path(name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"the template {name} cannot be read ({error}): give a file, or "
            f"{', '.join(SCHEDULERS)}"
        ) from error


def filled(text: str, values: Mapping[str, str | Sequence[str]]) -> str:
    """Put values into a template.

    A line all of whose names have no value is left out. If a name has several values,
    the line is repeated for each.

    Parameters
    ----------
    text : str
        The template.
    values : mapping of str to str or sequence of str
        The value, or the values, of each name.

    Raises
    ------
    ParameterError
        If the template has a name without an entry in ``values``.

    Examples
    --------
    >>> filled("run {{what}}\\n#opt {{more}}\\n", {"what": "a b", "more": ["-x", "-y"]})
    'run a b\\n#opt -x\\n#opt -y\\n'
    >>> filled("run {{what}}\\n#opt {{more}}\\n", {"what": "a b", "more": ""})
    'run a b\\n'
    """
    lines: list[str] = []
    for line in text.splitlines():
        names = _NAME.findall(line)
        for name in names:
            if name not in values:
                hint = suggest(name, values)
                raise ParameterError(f"the template has an unknown {name!r}: {hint}")
        if not names:
            lines.append(line)
            continue
        several = [name for name in names if not isinstance(values[name], str)]
        for value in values[several[0]] if several else [""]:
            texts = {name: str(values[name]) for name in names} | dict.fromkeys(
                several, value
            )
            if any(texts.values()):
                lines.append(_NAME.sub(partial(_value, texts), line))
    return "\n".join(lines) + "\n"


def _value(values: Mapping[str, str], match: re.Match[str]) -> str:
    return values[match[1]]


def submit_command(script: str) -> str:
    """Return the command that submits a script: its line ``# Submit:``.

    Raises
    ------
    ParameterError
        If the script has no such line.
    """
    line = _SUBMIT.search(script)
    if line is None:
        raise ParameterError(
            "the template has no line '# Submit: COMMAND {{script}}', so the script "
            "cannot be submitted: add it, or leave out --submit"
        )
    return line[1]
