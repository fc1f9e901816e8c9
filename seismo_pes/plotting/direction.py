"""The figure of noise directions: envelopes of correlations by direction of travel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seismo_pes.plotting.figure import (
    AMOUNT_MAP,
    FAINT,
    GROUND,
    add_colour_bar,
    add_heading,
    check_velocities,
    new_figure,
    style,
    style_side_panel,
)
from seismo_pes.plotting.section import add_rows, normalise_rows
from seismo_pes.signal.stack import analytic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DirectionBins", "direction_figure"]

BIN_DEG = 10.0  # width of a bin of azimuth, degrees
N_SLOWNESS = 120  # columns of the panel over slowness


class DirectionBins:
    """Mean envelopes of the two branches of correlations, in bins of direction.

    Correlations are added in blocks. The positive lags of a pair are waves that travel
    along its azimuth; the negative lags are waves that travel in the opposite
    direction. Each correlation is scaled by its peak, so that the ratio of its two
    branches stays.

    Parameters
    ----------
    lags_s
        Shape (n_lags,), from -max to +max, seconds.
    bin_deg
        Width of a bin of azimuth, degrees.
    largest_slowness
        Largest ratio of lag and distance, s/km.

    Examples
    --------
    >>> bins = DirectionBins(np.arange(-2.0, 3.0), 90.0)
    >>> bins.add(np.array([[0, 0, 0, 0, 1.0]]), np.array([100.0]), np.array([4.0]))
    >>> bins.count
    array([0, 1, 0, 1])
    """

    def __init__(
        self,
        lags_s: np.ndarray,
        bin_deg: float = BIN_DEG,
        largest_slowness: float = 1.0,
    ) -> None:
        self.lag_s = lags_s[len(lags_s) // 2 :]
        n_bins = round(360 / bin_deg)
        self.edges_deg = np.linspace(0, 360, n_bins + 1)
        self.slowness = np.linspace(0, largest_slowness, N_SLOWNESS)
        self.count = np.zeros(n_bins, np.int64)
        self._lag_sum = np.zeros((n_bins, len(self.lag_s)))
        self._slowness_sum = np.zeros((n_bins, N_SLOWNESS))
        self._slowness_count = np.zeros((n_bins, N_SLOWNESS))

    def add(
        self, data: np.ndarray, azimuth_deg: np.ndarray, distance_km: np.ndarray
    ) -> None:
        """Add correlations.

        Parameters
        ----------
        data
            Shape (n, n_lags).
        azimuth_deg, distance_km
            Shape (n,): from the first station to the second.
        """
        envelope = np.abs(analytic(normalise_rows(data)))
        half = data.shape[1] // 2
        for branch, turn in ((envelope[:, half:], 0), (envelope[:, half::-1], 180)):
            bins = ((azimuth_deg + turn) % 360 / 360 * len(self.count)).astype(int)
            bins = np.minimum(bins, len(self.count) - 1)
            np.add.at(self.count, bins, 1)
            add_rows(self._lag_sum, bins, branch)
            for row, index, km in zip(branch, bins, distance_km, strict=True):
                values = np.interp(self.slowness * km, self.lag_s, row, right=np.nan)
                finite = np.isfinite(values)
                self._slowness_sum[index, finite] += values[finite]
                self._slowness_count[index, finite] += 1

    def mean_over_lag(self) -> np.ndarray:
        """Return means, shape (n_bins, n_lags // 2 + 1); NaN for empty bins."""
        count = np.where(self.count > 0, self.count, np.nan)
        return self._lag_sum / count[:, None]

    def mean_over_slowness(self) -> np.ndarray:
        """Return means over lag / distance, shape (n_bins, 120); NaN without data."""
        with np.errstate(invalid="ignore"):
            return self._slowness_sum / self._slowness_count


def direction_figure(
    bins: DirectionBins,
    *,
    velocities_km_s: Sequence[float] = (),
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw mean envelopes over the direction of travel, by lag and by lag / distance.

    Parameters
    ----------
    bins
        Bins to which correlations were added.
    velocities_km_s
        Velocities that are marked in the panel over lag / distance.
    title, note
        Title of the figure, and a line in smaller letters below it.

    Raises
    ------
    ParameterError
        If a velocity is not above 0.
    """
    check_velocities(velocities_km_s)
    with style():
        figure = new_figure(10.4, 5.6)
        grid = figure.add_gridspec(1, 3, width_ratios=[6, 6, 1.2])
        left = figure.add_subplot(grid[0, 0])
        right = figure.add_subplot(grid[0, 1], sharey=left)
        counts = figure.add_subplot(grid[0, 2], sharey=left)
        drawn = _draw(left, bins.mean_over_lag(), float(bins.lag_s[-1]))
        left.set_xlabel("lag (s)")
        left.set_ylabel("direction of travel (° from north)")
        left.set_yticks(range(0, 361, 45))
        add_heading(left, title, note)
        _draw(right, bins.mean_over_slowness(), float(bins.slowness[-1]))
        right.set_xlabel("lag / distance (s/km)")
        right.tick_params(labelleft=False)
        for velocity in velocities_km_s:
            right.axvline(1 / velocity, color="white", lw=1.2, ls=(0, (4, 3)))
            right.annotate(
                f"{velocity:g} km/s",
                (1 / velocity, 1),
                (0, 3),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                fontsize=9,
            )
        centres = (bins.edges_deg[:-1] + bins.edges_deg[1:]) / 2
        width_deg = bins.edges_deg[1] - bins.edges_deg[0]
        counts.barh(centres, bins.count, height=0.85 * width_deg, color=FAINT)
        style_side_panel(counts, "pairs")
        shown = [left, right, counts]
        label = "mean envelope, each pair scaled by its peak"
        add_colour_bar(figure, drawn, shown, label)
        return figure


def _draw(axes: Axes, mean: np.ndarray, end: float) -> Any:
    finite = mean[np.isfinite(mean)]
    limit = float(np.percentile(finite, 99.5)) if len(finite) else 1.0
    axes.set_facecolor(GROUND)
    return axes.imshow(
        np.ma.masked_invalid(mean),
        cmap=AMOUNT_MAP,
        vmin=0,
        vmax=limit or 1.0,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0, end, 0, 360),
    )
