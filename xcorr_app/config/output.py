"""Options of the table ``[output]``: the folder of the results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import option

_output = partial(option, "output")


@dataclass(frozen=True, kw_only=True)
class OutputOptions(Configuration):
    """The folder of the results, and the use of earlier results in it."""

    out: str = _output(
        "text",
        "folder for the results, made by the run",
        metavar="OUT",
        required=True,
        example='"results"',
    )
    resume: bool = _output(
        "flag",
        "continue the interrupted run in OUT",
        default=False,
        excludes=("update", "force"),
    )
    update: bool = _output(
        "flag",
        "add new days and stations to the results in OUT; only new correlations are "
        "computed",
        default=False,
        excludes=("force",),
    )
    force: bool = _output("flag", "replace earlier results in OUT", default=False)
    dtype: str = _output(
        "choice",
        "precision of the computation and of the stored correlations",
        default="float32",
        choices=("float32", "float64"),
    )
