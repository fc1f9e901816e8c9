"""The command ``xcorr-app check``: whether the files of a run are intact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import command_option
from seismo_pes.application.shared_options import ResultsOptions
from xcorr_app.config import PROG

if TYPE_CHECKING:
    from seismo_pes.application.integrity import CheckedFiles
    from xcorr_app.running.damage import CheckedFile

__all__ = ["CheckOptions", "check"]

ABOUT = f"""\
Read all files of a run, compare them with their checksums, and report damage.
The exit status is 1 if a file is damaged.

examples:
  {PROG} check results
  {PROG} check results --repair && {PROG} --out results --resume
"""


@dataclass(frozen=True, kw_only=True)
class CheckOptions(ResultsOptions):
    """Options of ``xcorr-app check``."""

    repair: bool = command_option(
        "flag",
        "mark what is damaged as unfinished, so that --resume computes it again",
        default=False,
    )


def check(words: list[str]) -> tuple[str, bool]:
    """``xcorr-app check OUT``: return the text, and whether all files are usable."""
    options = parse_command(f"{PROG} check", ABOUT, CheckOptions, words)
    from seismo_pes.application.integrity import check_run

    advice = "marks this as unfinished; --resume computes it again"
    out, repair = Path(options.out), options.repair
    return check_run(out, PROG, _checked, repair, advice)


def _checked(out: Path) -> CheckedFiles:
    from dispel4py.errors import DataError
    from seismo_pes.application.integrity import CheckedFiles
    from xcorr_app.results.runfile import read_run
    from xcorr_app.running.damage import check_files, mark_for_resume

    def repair(damaged: list[CheckedFile]) -> list[str]:
        again = f"{PROG} --out {out} --resume computes the rest again"
        return [*mark_for_resume(out, damaged), again]

    files, repairs = list(check_files(out)), repair
    try:
        run = read_run(out)
    except (DataError, OSError):  # it is among the damaged files
        run = None
    if run is not None and run.division.get("live"):
        from xcorr_app.live.damage import check_live, repair_live

        files += check_live(out, run)
        repairs = partial(repair_live, out)
    n_rows = sum(file.n_rows for file in files)
    return CheckedFiles(files, f"{len(files):,} files with {n_rows:,} rows", repairs)
