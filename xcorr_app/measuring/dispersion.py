"""Dispersion of surface waves: group and phase velocity of each pair."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import DataError, ParameterError, suggest
from seismo_pes.items.correlation import Correlation
from seismo_pes.measuring.dispersion import measure_dispersion
from seismo_pes.methods import DISPERSION_SIDES
from seismo_pes.signal.ftan import Dispersion
from xcorr_app.defaults import (
    DISP_SIDE,
    GROUP_VELOCITY_KM_S,
    MIN_PAIRS,
    MIN_SNR,
    MIN_WAVELENGTHS,
    N_PERIODS,
)
from xcorr_app.measuring.batches import (
    Measurement,
    MeasurePairs,
    Progress,
    measure_and_record,
)
from xcorr_app.measuring.dispersion_tables import PICK, CurveTable
from xcorr_app.measuring.frequencies import band_of, check_frequencies
from xcorr_app.pair_subsets import USUAL, chosen_pairs
from xcorr_app.store import Store

__all__ = [
    "DispSettings",
    "MeasureCurves",
    "choose_settings",
    "measure_curve",
    "measure_disp",
]

# Lags that are used, as a part of the longest lag: the slowest wave ends before it.
LAST_PART = 0.98


@dataclass(frozen=True)
class DispSettings:
    """Settings of a measurement of dispersion.

    Parameters
    ----------
    stack
        Name of the stack.
    period_s
        Centre periods, rising.
    velocity_km_s
        Slowest and fastest group velocity.
    side
        ``symmetric``, ``causal`` or ``acausal``.
    reference_km_s
        Approximate phase velocity at the longest period, which resolves the ambiguity
        of 2 pi; None: phase velocities are not measured.
    alpha
        Width of the filters; None: chosen from the distance.
    min_snr
        Least signal-to-noise ratio of an accepted pick.
    min_wavelengths
        Least distance of the stations of an accepted pick, in wavelengths.
    """

    stack: str
    period_s: tuple[float, ...]
    velocity_km_s: tuple[float, float] = GROUP_VELOCITY_KM_S
    side: str = DISP_SIDE
    reference_km_s: float | None = None
    alpha: float | None = None
    min_snr: float = MIN_SNR
    min_wavelengths: float = MIN_WAVELENGTHS


def choose_settings(
    store: Store,
    *,
    stack: str | None = None,
    period_s: tuple[float, float] | None = None,
    n_periods: int = N_PERIODS,
    **settings: Any,
) -> DispSettings:
    """Return the settings for a run; options that are not given follow from the run.

    Parameters
    ----------
    store
        Open results.
    stack
        Name of the stack; by default the stack of the whole run.
    period_s
        Shortest and longest period; by default from the band of the run.
    n_periods
        Number of periods, equally spaced in logarithm.
    settings
        Other fields of `DispSettings`.

    Raises
    ------
    ParameterError
        If there is no such stack, or periods or velocities are out of range.
    """
    name = store.default_stack if stack is None else stack
    store.windows(name)  # raises if there is no such stack
    if period_s is None:
        band = band_of(store, name)
        if band is None:
            raise ParameterError(
                f"{store.path}: the run has no filter band: give --period-s LO HI"
            )
        period_s = (1 / band[1], 1 / band[0])
    shortest_s = 2 / store.sampling_rate_hz
    if not shortest_s < period_s[0] < period_s[1]:
        raise ParameterError(
            f"--period-s {period_s[0]:g} {period_s[1]:g}: needs {shortest_s:g} < LO "
            "< HI, two samples"
        )
    periods_text = f"--period-s {period_s[0]:g} {period_s[1]:g}"
    check_frequencies(store, name, periods_text, 1 / period_s[1], 1 / period_s[0])
    if n_periods < 2:
        raise ParameterError(f"--periods {n_periods}: must be 2 or more")
    periods = np.geomspace(*period_s, n_periods)
    rounded_s = tuple(float(f"{period:.5g}") for period in periods)
    chosen = DispSettings(name, rounded_s, **settings)
    _check(chosen)
    return chosen


def _check(settings: DispSettings) -> None:
    slow, fast = settings.velocity_km_s
    if not 0 < slow < fast:
        raise ParameterError(f"--velocity-km-s {slow:g} {fast:g}: needs 0 < LO < HI")
    if settings.side not in DISPERSION_SIDES:
        raise ParameterError(
            f"--side {settings.side}: {suggest(settings.side, DISPERSION_SIDES)}"
        )
    for name in ("reference_km_s", "alpha"):
        value = getattr(settings, name)
        if value is not None and not value > 0:
            raise ParameterError(
                f"--{name.replace('_', '-')} {value:g}: must be above 0"
            )


def measure_curve(correlation: Correlation, settings: DispSettings) -> np.ndarray:
    """Measure the dispersion of one pair.

    Parameters
    ----------
    correlation
        Lags -K..K, with its distance.
    settings
        Periods, velocities and limits.

    Returns
    -------
    numpy.ndarray
        Rows of `PICK`, from the shortest period to the longest; ``pair`` is 0.

    Raises
    ------
    DataError
        If the lags end before the waves arrive.
    """
    slow, fast = settings.velocity_km_s
    distance_km = correlation.distance_km
    last_s = LAST_PART * float(correlation.lags_s[-1])
    slowest = max(slow, distance_km / last_s)
    if slowest > 0.8 * fast:
        raise DataError(
            f"the lags are too short for a wave of {0.8 * fast:g} km/s: correlate with "
            "a longer --max-lag-s"
        )
    dispersion = measure_dispersion(
        correlation,
        settings.period_s,
        (slowest, fast),
        settings.side,
        reference_km_s=settings.reference_km_s,
        alpha=settings.alpha,
    )
    return _picks(dispersion.picks, distance_km, settings)


def _picks(picks: Dispersion, distance_km: float, settings: DispSettings) -> np.ndarray:
    rows = np.zeros(len(picks.period_s), PICK)
    rows["distance_km"] = distance_km
    for name in picks._fields:
        rows[name] = getattr(picks, name)[::-1]
    wavelength_km = rows["group_km_s"] * rows["instantaneous_period_s"]
    with np.errstate(invalid="ignore"):
        rows["accepted"] = (
            np.isfinite(rows["group_km_s"])
            & ~(rows["snr"] < settings.min_snr)  # not known where the record ends
            & (distance_km >= settings.min_wavelengths * wavelength_km)
        )
    return rows


# ----------------------------------------------------------------- the workflow


class MeasureCurves(MeasurePairs):
    """Measures the dispersion of each pair of a batch.

    Parameters
    ----------
    out
        Folder of the run.
    settings
        Periods, velocities and limits.
    """

    stage = "disp"
    no_rows = np.zeros(0, PICK)

    def __init__(self, out: str, settings: DispSettings) -> None:
        super().__init__(out)
        self.settings = settings

    def measurements(
        self, store: Store, indices: np.ndarray
    ) -> Iterator[tuple[int, Callable[[], np.ndarray]]]:
        """Yield the index of each pair and a function that returns its picks."""
        for block, data in store.blocks(self.settings.stack, indices):
            for index, row in zip(block.tolist(), data, strict=True):
                yield index, partial(self._measure_pair, store, index, row)

    def _measure_pair(self, store: Store, index: int, row: np.ndarray) -> np.ndarray:
        correlation = make_correlation(store, index, row)
        if not np.isfinite(correlation.data).all() or not correlation.data.any():
            raise DataError(f"has no data in stack {self.settings.stack!r}")
        rows = measure_curve(correlation, self.settings)
        rows["pair"] = index
        return rows


def make_correlation(store: Store, index: int, row: np.ndarray) -> Correlation:
    """Return a row of a store as a correlation that elements take."""
    pair = store.pairs[index]
    return Correlation.of(
        str(pair["first_id"]),
        str(pair["second_id"]),
        row.astype(np.float64),
        store.sampling_rate_hz,
        distance_km=float(pair["distance_km"]),
    )


def measure_disp(
    store: Store,
    settings: DispSettings,
    folder: str | os.PathLike[str],
    *,
    pairs: Sequence[Sequence[str]] = (),
    components: str | None = None,
    min_pairs: int = MIN_PAIRS,
    label: str = "",
    mapping: str = "simple",
    processes: int | None = None,
    progress: Progress | None = None,
) -> Measurement[CurveTable] | None:
    """Measure the dispersion of pairs, and the median over the pairs.

    Parameters
    ----------
    store
        Open results.
    settings
        Made by `choose_settings`.
    folder
        Folder for ``disp.csv`` (each pair), ``disp_network.csv`` (the medians over the
        pairs) and ``disp.json`` (the settings).
    pairs
        Names of two channels each; by default all pairs with a distance above 0.
    components
        Only pairs of these components; by default ``ZZ``, if the results have it.
    min_pairs
        Least number of pairs of a median; if fewer pairs are measured in total, the
        number of these.
    label
        End of the names of the files, such as ``_0.1-0.2Hz``.
    mapping, processes, progress
        As for `run_batches`.

    Returns
    -------
    Measurement or None
        None in the processes of an MPI run that do not have the results.

    Raises
    ------
    ParameterError
        If no distances are known.
    """
    indices = chosen_pairs(store, pairs, [settings.stack], components, usual=USUAL)
    apart = store.pairs["distance_km"][indices] > 0
    if not apart.any():
        raise ParameterError(
            f"{store.path}: velocities need the coordinates of the stations "
            "(--inventory)"
        )
    indices = indices[apart]
    table = CurveTable(
        str(store.path),
        str(folder),
        settings.period_s,
        settings.velocity_km_s,
        min(min_pairs, len(indices)),
        label,
    )
    return measure_and_record(
        store,
        Path(folder, f"disp{label}.json"),
        asdict(settings) | {"min_pairs": min_pairs},
        MeasureCurves(str(store.path), settings),
        table,
        indices,
        n_stacks=1,
        mapping=mapping,
        processes=processes,
        progress=progress,
    )
