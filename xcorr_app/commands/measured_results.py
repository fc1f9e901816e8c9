"""The common part of all commands that measure: results, files and report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seismo_pes.application.progress import progress_display
from xcorr_app.commands.shared_options import table_folder

if TYPE_CHECKING:
    from xcorr_app.measuring.batches import Measurement
    from xcorr_app.store import Store

__all__ = ["MeasuredResults", "open_measured", "report_measurement"]


@dataclass(frozen=True)
class MeasuredResults:
    """The results that a command measures.

    Attributes
    ----------
    store : Store
        The open results.
    stack : str or None
        The chosen stack.
    components : str
        The measured components; "" for all.
    note : str
        The components in words, for figures.
    label : str
        End of the names of the files.
    folder : pathlib.Path
        Folder of the files.
    remarks : list of str
        Lines about choices that the user has not specified.
    arguments : dict of str to object
        Arguments of all functions that measure: pairs, components, smallest number of
        pairs, label, mapping, processes and progress.
    """

    store: Store
    stack: str | None
    components: str
    note: str
    label: str
    folder: Path
    remarks: list[str]
    arguments: dict[str, Any]

    def path(self, name: str) -> Path:
        """Return the path of a figure, such as ``dvv`` for ``dvv.png``."""
        return self.folder / f"{name}{self.label}.png"


@contextmanager
def open_measured(
    options: Any, command: str, usual: str = ""
) -> Iterator[MeasuredResults]:
    """Open the results that a command measures, and show its progress.

    Parameters
    ----------
    options : EndedRunOptions, MeasuringOptions and ComponentsOptions
        Options of the command, with a stack and ``min_pairs``.
    command : str
        Begin of the names of its tables.
    usual : str
        Components that are measured by default; "": all.

    Raises
    ------
    ParameterError
        If there are no such results, or the table exists and ``--force`` is not given.
    """
    from xcorr_app.pair_subsets import shown_components
    from xcorr_app.results.stack_names import file_label

    with (
        options.open_results() as results,
        progress_display(options.quiet) as progress,
    ):
        stack = options.stack_in(results)
        components, choice = shown_components(results, options.components, usual=usual)
        label = file_label(results, stack, components)
        folder = table_folder(options, f"{command}{label}.csv")
        remarks = options.band_choice(results)
        remarks += [choice] if choice and not options.pair else []
        arguments = {
            "pairs": options.pair,
            "components": options.components,
            "min_pairs": options.min_pairs,
            "label": label,
            "mapping": options.mapping,
            "processes": options.processes,
            "progress": None if progress is None else partial(progress.update, "pairs"),
        }
        note = components or choice.partition(";")[0]
        yield MeasuredResults(
            results, stack, components, note, label, folder, remarks, arguments
        )


def report_measurement(
    measured: MeasuredResults,
    measurement: Measurement[Any],
    summary: Sequence[str],
    figures: Sequence[Path],
) -> str:
    """Return the text of a command that has measured.

    Parameters
    ----------
    measured : MeasuredResults
    measurement : Measurement
    summary : sequence of str
        Lines about the values.
    figures : sequence of pathlib.Path
        The figures, besides the tables of the measurement.
    """
    from xcorr_app.measuring.batches import describe_skipped

    table, n_pairs, skipped = measurement
    lines = [*measured.remarks, *describe_skipped(skipped, n_pairs), *summary]
    return "\n".join([*lines, *map(str, [*table.paths, *figures])])
