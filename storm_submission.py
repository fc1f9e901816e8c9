"""Submit a graph to Storm, with the words of earlier versions of dispel4py.

``python storm_submission.py MODULE [NAME] -m local|remote|create`` is the same as
``dispel4py storm MODULE --run-name NAME -m ...``, which has more options.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dispel4py.cli import main


def translate(words: Sequence[str]) -> list[str]:
    """Return the words of the command ``dispel4py``.

    >>> translate(["graphs.words", "counts", "-m", "remote"])
    ['storm', 'graphs.words', '-m', 'remote', '--run-name', 'counts']
    """
    parser = argparse.ArgumentParser(
        prog="storm_submission.py",
        description="Submit a graph to Storm.",
        allow_abbrev=False,
    )
    parser.add_argument("module", help="module with the graph")
    parser.add_argument("name", nargs="?", help="name of the topology")
    parser.add_argument(
        "-m", "--mode", required=True, choices=["local", "remote", "create"]
    )
    parser.add_argument("-r", "--resources", help="folder of local modules")
    parser.add_argument("-s", "--save", action="store_true", help="keep the package")
    given, more = parser.parse_known_args(words)
    result = ["storm", given.module, "-m", given.mode]
    if given.name is not None:
        result += ["--run-name", given.name]
    if given.resources is not None:
        result += ["--resources", given.resources]
    if given.save:
        stem = given.name or given.module.rpartition(".")[2]
        result += ["--package", f"{stem}.zip"]
    return result + more


if __name__ == "__main__":
    sys.exit(main(translate(sys.argv[1:])))
