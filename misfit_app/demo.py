"""The demonstration: measured time shifts and amplitudes beside the true ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dispel4py.errors import ParameterError
from dispel4py.files import exists
from misfit_app.synthetic import StationTruth, scene_inputs
from seismo_pes.application.run_record import RUN_FILE
from seismo_pes.plotting import save
from seismo_pes.plotting.figure import LINES, SOFT, add_heading, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RESULTS", "Fit", "check_folder", "draw", "measured_and_true", "run_words"]

RESULTS = "results"
PERIODS = "4-20"
MEASURES = ("cc_time", "cc_amplitude", "tf_envelope", "tf_phase")
# The two quantities whose true values are known, with the measure of each.
QUANTITIES = {"dt_s": "cc_time", "dlna": "cc_amplitude"}
LABELS = {
    "dt_s": ("Time shift", "T_obs - T_syn (s)"),
    "dlna": ("Amplitude", "ln(A_obs / A_syn)"),
}
COMPONENTS = "ZRT"
SIZES = (5, 9, 14)  # of the markers of the components, in points
BESIDE = 0.012  # distance of the markers of a station, as a part of their range

Pairs = dict[str, tuple[np.ndarray, np.ndarray]]


def check_folder(folder: Path) -> None:
    """Check that no demonstration is in a folder.

    Raises
    ------
    ParameterError
        If there is one.
    """
    if exists(folder / RESULTS / RUN_FILE):
        raise ParameterError(
            f"{folder} has the results of a demo: choose another --out"
        )


def run_words(folder: Path, options: Sequence[str]) -> list[str]:
    """Return the command line that measures the event.

    Parameters
    ----------
    folder
        The files of the event.
    options
        Further words.
    """
    return [
        *(w for name, at in scene_inputs(folder).items() for w in (f"--{name}", at)),
        *("--periods-s", PERIODS, "--measures", *MEASURES, "--figures"),
        *("--out", str(folder / RESULTS)),
        *options,
    ]


def measured_and_true(
    rows: Iterable[Mapping[str, Any]], truths: Sequence[StationTruth], name: str
) -> Pairs:
    """Return measured and true values of a quantity, by component.

    Parameters
    ----------
    rows
        The ledger.
    truths
        The true values of each station.
    name
        ``dt_s`` or ``dlna``.
    """
    true = {truth.station: getattr(truth, name) for truth in truths}
    pairs: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["status"] == "measured" and row["measure"] == QUANTITIES[name]:
            values = row[name], true[row["station"]]
            pairs.setdefault(row["component"], []).append(values)
    columns = {key: np.array(values).T for key, values in pairs.items()}
    return {key: (measured, known) for key, (measured, known) in columns.items()}


@dataclass(frozen=True)
class Fit:
    """Differences between measured and true values.

    Attributes
    ----------
    n_windows : int
    dt_s, dlna : (float, float)
        Median and largest absolute difference of the time shift and of the logarithm
        of the amplitude.
    """

    n_windows: int
    dt_s: tuple[float, float]
    dlna: tuple[float, float]

    @classmethod
    def of(
        cls, rows: Sequence[Mapping[str, Any]], truths: Sequence[StationTruth]
    ) -> Fit:
        """Compare all windows of a ledger with the truth."""
        both = {}
        for name in QUANTITIES:
            pairs = measured_and_true(rows, truths, name).values()
            parts = [np.abs(measured - true) for measured, true in pairs]
            differences = np.concatenate([*parts, np.zeros(0)])
            both[name] = differences if len(differences) else np.array([np.nan])
        n_windows = int(np.isfinite(both["dt_s"]).sum())
        sizes = {k: (float(np.median(v)), float(v.max())) for k, v in both.items()}
        return cls(n_windows, **sizes)

    def __str__(self) -> str:
        return (
            f"Measured and true values in {self.n_windows} windows:\n"
            f"  time shift: median difference {1000 * self.dt_s[0]:.2f} ms, "
            f"largest {1000 * self.dt_s[1]:.2f} ms\n"
            f"  ln(amplitude): median difference {self.dlna[0]:.5f}, "
            f"largest {self.dlna[1]:.5f}"
        )


def draw(
    rows: Sequence[Mapping[str, Any]], truths: Sequence[StationTruth], path: Path
) -> Path:
    """Draw measured against true values, and their differences.

    Parameters
    ----------
    rows
        The ledger.
    truths
        The true values of each station.
    path
        The figure.
    """
    with style():
        figure = new_figure(10.5, 7.0)
        panels = figure.subplots(2, 2, sharex="col", height_ratios=(2, 1))
        for column, name in enumerate(QUANTITIES):
            pairs = measured_and_true(rows, truths, name)
            title, label = LABELS[name]
            _draw_pairs(panels[:, column], pairs)
            panels[0, column].set_ylabel(f"measured {label}")
            panels[1, column].set_ylabel("measured - true")
            panels[1, column].set_xlabel(f"true {label}")
            note = f"{len(truths)} stations, components {' '.join(pairs)}"
            add_heading(panels[0, column], title, note)
        return save(figure, path)


def _draw_pairs(panels: Sequence[Axes], pairs: Pairs) -> None:
    upper, lower = panels
    upper.axline((0, 0), slope=1, color=SOFT, lw=0.8)
    lower.axhline(0, color=SOFT, lw=0.8)
    values = [true for _, true in pairs.values()]
    step = np.ptp(np.concatenate(values)) * BESIDE if values else 0.0
    for component, (measured, true) in sorted(
        pairs.items(), key=lambda pair: COMPONENTS.find(pair[0])
    ):
        number = COMPONENTS.find(component)
        colour, marker = LINES[number], "osD"[number]
        # rings of different sizes around the same point
        upper.plot(true, measured, marker, ms=SIZES[number], mfc="none", mec=colour,
                   mew=1.5, label=component)  # fmt: skip
        # the components of a station stand beside each other
        lower.plot(true + (number - 1) * step, measured - true, marker, ms=6,
                   color=colour, mec="w")  # fmt: skip
    lower.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
    if pairs:
        upper.legend(loc="upper left")
