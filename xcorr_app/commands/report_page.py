"""The command ``xcorr-app report``: one HTML page about a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import command_option
from seismo_pes.application.shared_options import ResultsOptions
from xcorr_app.commands.shared_options import (
    ComponentsOptions,
    FigureOptions,
    StackOptions,
)
from xcorr_app.config import PROG

__all__ = ["ReportOptions", "report"]

ABOUT = f"""\
Write one HTML page about a run: figures, pairs, skipped data, settings and
versions, all in one file.

examples:
  {PROG} report results
  {PROG} report results --velocity 2 3 --max-lag-s 60 --output page.html
"""


@dataclass(frozen=True, kw_only=True)
class ReportOptions(ResultsOptions, FigureOptions, ComponentsOptions, StackOptions):
    """Options of ``xcorr-app report``."""

    output: str | None = command_option(
        "text", "the page", metavar="FILE", otherwise="report.html in OUT"
    )
    force: bool = command_option("flag", "replace the page", default=False)


def report(words: list[str]) -> str:
    """``xcorr-app report OUT``: one HTML page about a run."""
    options = parse_command(f"{PROG} report", ABOUT, ReportOptions, words)
    from xcorr_app import store
    from xcorr_app.pair_subsets import shown_components
    from xcorr_app.reporting.report import write_report
    from xcorr_app.results.stack_names import file_label

    with store.open(options.out) as results:
        stack = options.stack_in(results)
        components, choice = shown_components(results, options.components)
        name = f"report{file_label(results, stack, components)}.html"
        path = Path(options.output or Path(options.out) / name)
        choices = [*options.band_choice(results), *([choice] if choice else [])]
        write_report(
            results,
            path,
            **options.lines,
            stack=stack,
            components=options.components,
            force=options.force,
        )
    return "\n".join([*choices, str(path)])
