"""The exceptions of the suite.

Dispel4pyError
├── UserError                 a mistake that one line explains (exit status 2)
│   ├── ParameterError        an option or argument out of range     (ValueError)
│   ├── GraphError            a workflow that cannot be built or run (ValueError)
│   │   └── PortError         a port that does not exist             (KeyError)
│   ├── InputError            inputs that do not fit the graph       (ValueError)
│   ├── PlanError             a graph that does not fit the processes (ValueError)
│   └── MappingUnavailable    a mapping that cannot run here         (RuntimeError)
├── DataError                 a file or trace that cannot be used    (ValueError)
├── ItemError                 an item that cannot be sent            (TypeError) └──
RunError                  a run that failed (exit status 1)      (RuntimeError)
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from dispel4py.failure import Failure


class Dispel4pyError(Exception):
    """Root of all exceptions of the suite; commands exit with ``exit_status``."""

    exit_status = 1


class UserError(Dispel4pyError):
    """A mistake of the caller that one line explains; commands exit with 2."""

    exit_status = 2


class ParameterError(UserError, ValueError):
    """An option or argument has a value that makes no sense."""


class GraphError(UserError, ValueError):
    """The workflow graph cannot be built or run."""


class PortError(GraphError, KeyError):
    """A processing element has no port of that name."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class InputError(UserError, ValueError):
    """The inputs given to a run do not fit its graph."""


class PlanError(UserError, ValueError):
    """The graph cannot be laid out on the requested number of processes."""


class MappingUnavailable(UserError, RuntimeError):
    """The mapping is unknown, or a package that it needs is not installed."""


class DataError(Dispel4pyError, ValueError):
    """A file or trace cannot be used."""


class ItemError(Dispel4pyError, TypeError):
    """An item cannot be sent to another process."""


class RunError(Dispel4pyError, RuntimeError):
    """A run failed; ``failures`` name the instances, the inputs and the causes."""

    def __init__(self, failures: Iterable[Failure]) -> None:
        self.failures = tuple(failures)
        super().__init__("\n".join(f.summary for f in self.failures))


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that was probably meant.

    Parameters
    ----------
    name : str
        The unknown name.
    known : iterable of str

    >>> suggest("ouput", ["output", "skipped"])
    "did you mean 'output'? (known: output, skipped)"
    """
    names = sorted(map(str, known))
    if not names:
        return "there are none"
    listing = f"known: {', '.join(names)}"
    close = difflib.get_close_matches(str(name), names, n=1)
    return f"did you mean {close[0]!r}? ({listing})" if close else listing


def is_misspelt(name: str, known: Iterable[str]) -> bool:
    """Return whether a name is probably a known name with a mistake in it.

    Names that differ in their numbers only are different names.

    Parameters
    ----------
    name : str
        The unknown name.
    known : iterable of str

    >>> is_misspelt("ouput", ["output"]), is_misspelt("output2", ["output1"])
    (True, False)
    """
    letters = [re.sub(r"\d", "", str(text)) for text in known]
    plain = re.sub(r"\d", "", str(name))
    close = difflib.get_close_matches(plain, letters, n=1, cutoff=0.75)
    return bool(close) and plain not in letters
