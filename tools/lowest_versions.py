"""Print the lowest versions that pyproject.toml allows, as constraints for pip.

``make test-lowest`` tests the suite with them, in an environment of its own.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
# The extras that a user may have; those of developers are tools.
EXTRAS = ("mpi", "graph", "mseed3", "live", "cloud", "xarray")
REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,]+\])?\s*>=\s*([\w.]+)")


def lowest(requirements: list[str]) -> list[str]:
    """Return the lowest version of each requirement.

    >>> lowest(["numpy>=2.0", "moto[s3,server]>=5.0"])
    ['numpy==2.0', 'moto==5.0']
    """
    pinned = []
    for requirement in requirements:
        match = REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise SystemExit(f"{PROJECT}: {requirement!r} has no lower bound")
        pinned.append("==".join(match.groups()))
    return pinned


def main() -> None:
    """Write a line for each requirement."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    requirements = list(project["dependencies"])
    for extra in EXTRAS:
        requirements += project["optional-dependencies"].get(extra, [])
    sys.stdout.writelines(f"{line}\n" for line in lowest(requirements))


if __name__ == "__main__":
    main()
