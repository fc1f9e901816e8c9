"""The command ``misfit-app check``: whether the files of a run are intact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from misfit_app.config import PROG
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import command_option
from seismo_pes.application.shared_options import ResultsOptions

if TYPE_CHECKING:
    from misfit_app.damage import CheckedFile
    from seismo_pes.application.integrity import CheckedFiles

__all__ = ["CheckOptions", "check"]

ABOUT = f"""\
Read all files of a run, compare them with their checksums, and report damage.
The exit status is 1 if a file is damaged.

examples:
  {PROG} check results
  {PROG} check results --repair && {PROG} --config misfit.toml --out results --resume
"""


@dataclass(frozen=True, kw_only=True)
class CheckOptions(ResultsOptions):
    """Options of ``misfit-app check``."""

    repair: bool = command_option(
        "flag",
        "mark the stations and pairs of damaged files as not done, so that --resume "
        "measures them again",
        default=False,
    )


def check(words: list[str]) -> tuple[str, bool]:
    """``misfit-app check OUT``: return the text, and whether all files are usable."""
    options = parse_command(f"{PROG} check", ABOUT, CheckOptions, words)
    from seismo_pes.application.integrity import check_run

    advice = "marks this as not done; --resume measures it again"
    out, repair = Path(options.out), options.repair
    return check_run(out, PROG, _checked, repair, advice)


def _checked(out: Path) -> CheckedFiles:
    from misfit_app.damage import check_files, check_tables, mark_for_resume
    from seismo_pes.application.integrity import CheckedFiles

    files = list(check_files(out))
    if not any(file.problem for file in files):
        files += check_tables(out)

    def repair(damaged: list[CheckedFile]) -> list[str]:
        again = "the same command with --resume measures the rest again"
        return [*mark_for_resume(out, damaged), again]

    return CheckedFiles(files, f"{len(files):,} files", repair)
