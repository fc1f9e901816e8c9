"""The figures and the summary of dispersion."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting import curves_figure, ftan_figure, save
from seismo_pes.signal.folding import sides
from seismo_pes.signal.ftan_image import ftan_image
from xcorr_app.measuring.dispersion import DispSettings, make_correlation
from xcorr_app.measuring.dispersion_tables import CurveTable
from xcorr_app.measuring.tables import read_table, split_by_pair
from xcorr_app.store import Store

__all__ = ["clearest_pair", "draw_curves", "draw_ftan", "summary"]

# A larger table of pairs is not read for the figure, which then has the medians alone.
MOST_BYTES = 40 << 20
MOST_LINES = 300  # curves of pairs in a figure
N_VELOCITIES, N_PERIODS = 300, 120  # of the image of one pair

Columns = dict[str, np.ndarray]


def draw_curves(
    table: CurveTable, path: str | os.PathLike[str], notes: Sequence[str] = ()
) -> Path:
    """Draw the curves of the pairs, and the medians of the network.

    Parameters
    ----------
    table
        Of the measurement.
    path
        The figure: .png, .pdf or .svg.
    notes
        Band, stack and components, for the note; empty texts are left out.

    Raises
    ------
    ParameterError
        If no pick was accepted.
    """
    pairs_file, network_file = table.paths
    network = read_table(network_file)
    if not network["n_group"].any():
        raise ParameterError(
            f"{pairs_file}: no pick is clear enough; lower --min-snr or "
            "--min-wavelengths"
        )
    names = [name for name in ("group", "phase") if network[f"n_{name}"].any()]
    curves = []
    if pairs_file.stat().st_size < MOST_BYTES:
        curves = split_by_pair(read_table(pairs_file))
    curves = curves[:: -(-len(curves) // MOST_LINES) or 1]
    lines = {
        name: [_select_accepted(curve, f"{name}_km_s") for curve in curves]
        for name in names
    }
    columns = ("{}_p16_km_s", "{}_km_s", "{}_p84_km_s", "n_{}")
    medians = {
        name: np.stack([network[column.format(name)] for column in columns], axis=1)
        for name in names
    }
    n_pairs = int(network["n_group"].max())
    figure = curves_figure(
        network["period_s"],
        medians,
        lines=lines,
        title=f"Dispersion, up to {n_pairs:,} pair{'' if n_pairs == 1 else 's'}"
        " per period",
        note=", ".join(
            [
                *filter(None, notes),
                "accepted picks, at their instantaneous periods",
                f"medians of {table.min_pairs:,} pairs or more",
            ]
        ),
    )
    return save(figure, Path(path))


def _select_accepted(curve: Columns, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the periods of a curve, and its velocities with NaN where not accepted."""
    accepted = curve["accepted"] > 0
    return curve["instantaneous_period_s"], np.where(accepted, curve[name], np.nan)


def clearest_pair(table: CurveTable) -> Columns | None:
    """Return the picks of the pair with the most accepted picks; None without pairs.

    Of pairs with the same number, the pair with the highest signal-to-noise ratios.
    Only the first 40 MB of the table are read.
    """
    pairs_file, _ = table.paths
    curves = split_by_pair(read_table(pairs_file, most_bytes=MOST_BYTES))
    if not curves:
        return None

    def clearness(curve: Columns) -> tuple[float, float]:
        accepted = curve["accepted"] > 0
        return float(accepted.sum()), float(np.nansum(curve["snr"][accepted]))

    return max(curves, key=clearness)


def draw_ftan(
    store: Store,
    settings: DispSettings,
    picks: Columns,
    path: str | os.PathLike[str],
) -> Path:
    """Draw the frequency-time analysis of one pair, with its picks."""
    first, second = str(picks["first"][0]), str(picks["second"][0])
    index = store.pair_index(first, second)
    ((_, data),) = store.blocks(settings.stack, [index])
    correlation = make_correlation(store, index, data[0])
    slow, fast = settings.velocity_km_s
    phase = picks["phase_km_s"][picks["accepted"] > 0]
    fastest = max([fast, *(1.05 * phase[np.isfinite(phase)]).tolist()])
    velocity = np.linspace(slow, fastest, N_VELOCITIES)
    period = np.geomspace(settings.period_s[0], settings.period_s[-1], N_PERIODS)
    image = ftan_image(
        getattr(sides(correlation.data), settings.side),
        correlation.rate_hz,
        correlation.distance_km,
        period,
        velocity,
        settings.alpha,
    )
    figure = ftan_figure(
        image,
        period,
        velocity,
        picks,
        title=f"{first} – {second}",
        note=f"{correlation.distance_km:.3f} km, {settings.side} lags, "
        f"stack {settings.stack!r}",
    )
    return save(figure, Path(path))


def summary(table: CurveTable, n_pairs: int) -> list[str]:
    """Return lines of text about the medians of the network."""
    network = read_table(table.paths[1])
    known = network["n_group"] > 0
    if not known.any():
        return ["no pick is clear enough: lower --min-snr or --min-wavelengths"]
    lines, thin = [], []
    for name in ("group", "phase"):
        counts = network[f"n_{name}"]
        measured = np.flatnonzero(np.isfinite(network[f"{name}_km_s"]))
        n_thin = int(((counts > 0) & (counts < table.min_pairs)).sum())
        what = f"median {name} velocity" if n_pairs > 1 else f"{name} velocity"
        if len(measured):
            ends = [
                _describe_end(network, name, at, n_pairs) for at in measured[[0, -1]]
            ]
            lines.append(f"{what} {' to '.join(ends)}")
        if n_thin:
            thin.append(
                f"no median {name} velocity at {n_thin} of {len(counts)} periods: "
                f"fewer than {table.min_pairs} pairs (--min-pairs)"
            )
    return [*lines, *thin]


def _describe_end(network: Columns, name: str, at: int, n_pairs: int) -> str:
    """Return a velocity with its period, and how many of the pairs have it."""
    period, velocity = network["period_s"][at], network[f"{name}_km_s"][at]
    count = int(network[f"n_{name}"][at])
    pairs = f" ({count:,} of {n_pairs:,} pairs)" if n_pairs > 1 else ""
    return f"{velocity:.3f} km/s at {period:.3g} s{pairs}"
