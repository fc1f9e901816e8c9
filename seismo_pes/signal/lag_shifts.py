"""Shifts of whole correlations along the lag axis, as clock errors cause them.

If the clock of the second station is ahead, its records seem to arrive later, and both
sides of the correlation move to later lags. A change of velocity moves the sides in
opposite directions. Everywhere ``current(t) = reference((t - shift) (1 + dvv))``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from seismo_pes.signal._arrays import FloatArray, require_rate
from seismo_pes.signal._rows import Rows, filter_error, n_independent
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.symmetry import symmetry_centre

__all__ = ["LagShifts", "lag_shifts"]

Flags = NDArray[np.bool_]

#: Smallest correlation coefficient of a row that is used to align the others.
LEAST_COEFFICIENT = 0.3
#: Smallest ratio of correlation coefficients, or of amplitudes of means, at which a row
#: gets another shift: noise causes smaller differences. The first is for the range
#: of the search, the second outside, where more shifts can fit by chance.
BETTER, BETTER_OUTSIDE = 1.03, 1.15
MOST_STEPS = 20  # of the least squares, which usually converge in 5
CONVERGED = 1e-3  # samples: the last step is smaller
#: Largest steps of shift and of velocity change, and largest velocity change.
MOST_SHIFT_STEP, MOST_DVV_STEP, MOST_DVV = 1.0, 0.005, 0.1
#: Standard deviation of velocity changes before they are measured. It matters only
#: where the arrivals do not decide, such as near lag zero.
USUAL_DVV = 0.01
N_ROUNDS = 2  # of centre, search and least squares
N_UNKNOWN = 4  # amplitudes of both sides, shift, velocity change


class LagShifts(NamedTuple):
    """Shifts of the rows of a correlation; arrays of shape ``(n_rows,)``.

    Attributes
    ----------
    shift_s
        Shift against the mean of all rows; positive: the row is later. NaN for a row
        without data, at the edge, or without convergence.
    error_s
        Standard error of `shift_s`, from the misfit.
    coherence
        Correlation coefficient of the shifted row with the mean of the others, 0 to 1.
    at_edge
        Whether the best shift is the largest of the search, or larger.
    centre_s, centre_error_s
        Lag about which the two sides of the mean of all rows are symmetric, with its
        standard error. NaN if they are not similar.
    symmetry
        Twice the sum of the products of the two sides over the sum of their squares: 1
        for equal sides, near 0 for arrivals on one side only.
    """

    shift_s: FloatArray
    error_s: FloatArray
    coherence: FloatArray
    at_edge: Flags
    centre_s: float
    centre_error_s: float
    symmetry: float


def lag_shifts(
    data: ArrayLike,
    rate_hz: float,
    low_s: float,
    high_s: float,
    max_shift_s: float,
    min_symmetry: float = 0.5,
    apart_s: float = 0.0,
) -> LagShifts:
    """Measure the shift of each row of a correlation against the other rows.

    Rows are aligned one after the other, beginning with two similar neighbours: each
    row is compared with the mean of the rows aligned before, so that a drift may be
    much longer than a period. Then shift, velocity change, and an amplitude for each
    side are fitted to each row by least squares, with the mean of the other rows as
    reference. So neither a velocity change nor unequal amplitudes of the sides affect
    the shift.

    Parameters
    ----------
    data
        Shape ``(n_rows, n_lags)``, lags -K..K. Rows with NaN, and rows of zeros, have
        no data. With a single row, only the centre is measured.
    rate_hz
        Sampling rate.
    low_s, high_s
        Range of absolute lag that is compared, from the centre if it is known.
    max_shift_s
        Largest shift that is searched, from lag zero if the centre is known, else from
        the mean of all rows.
    min_symmetry
        Least `symmetry`; a centre with a lower one is not known. Above 1 no centre is
        searched.
    apart_s
        Least lag of the arrivals from the centre: about two periods. A single arrival
        is symmetric about its own middle, and must not count as two sides.

    Raises
    ------
    ParameterError
        If the shape or the range is not valid.

    References
    ----------
    Stehly et al. (2007), doi:10.1111/j.1365-246X.2007.03492.x; Hable et al. (2018),
    doi:10.1093/gji/ggy236.

    Examples
    --------
    >>> lag_s = np.arange(-300, 301) / 10
    >>> def pulses(shift_s):
    ...     late_s = np.abs(lag_s - shift_s) - 12
    ...     return np.cos(4 * late_s) * np.exp(-(late_s**2) / 8)
    >>> shifts = lag_shifts([pulses(s) for s in (-0.2, 0.3, 0.5)], 10.0, 5, 20, 2.0)
    >>> shifts.shift_s.round(3).tolist(), round(shifts.centre_s, 3)
    ([-0.4, 0.1, 0.3], 0.2)
    """
    rate_hz = require_rate(rate_hz)
    rows = _checked(data, low_s, high_s, max_shift_s)
    norm = np.linalg.norm(rows, axis=1)
    usable = np.isfinite(norm) & (norm > 0)
    shift, error, coherence = np.full((3, len(rows)), np.nan)
    at_edge = np.zeros(len(rows), bool)
    if not usable.any():
        return LagShifts(shift, error, coherence, at_edge, np.nan, np.nan, np.nan)
    n = rows.shape[1]
    x = rows[usable] / norm[usable, None]
    limits = low_s * rate_hz, min(high_s * rate_hz, n // 2 - 1.0)
    most = max_shift_s * rate_hz
    fit = _Fit(x, *limits)
    lag = np.abs(np.arange(n) - n // 2)
    place = _Search(x, lag <= limits[1] + most).first()
    place -= place.mean()
    centre = (np.nan, np.nan, np.nan)
    apart = max(limits[0], apart_s * rate_hz)
    use = (lag >= limits[0]) & (lag <= limits[1])
    for _ in range(N_ROUNDS):
        if min_symmetry <= 1:
            centre = symmetry_centre(fit.mean(place), apart, limits[1])
            if centre[2] >= min_symmetry and abs(centre[0]) <= most:
                place += centre[0]
        if len(x) > 1:
            place = _Search(x, use).again(place, fit.weight, most)
            place, error[usable], coherence[usable] = fit.shifts(place)
    if min_symmetry <= 1:
        centre = symmetry_centre(fit.mean(place), apart, limits[1])
    is_known = centre[2] >= min_symmetry and abs(centre[0] + place.mean()) < most
    from_zero = place + centre[0] if is_known else place - np.median(place)
    at_edge[usable] = np.abs(from_zero) >= most
    good = usable & ~at_edge
    middle = float(np.mean(place[~at_edge[usable]])) if good.any() else 0.0
    shift[usable] = place - middle
    shift[~good | ~np.isfinite(error)] = np.nan
    error[~good] = np.nan
    centre_s, centre_error_s = np.nan, np.nan
    if is_known:
        centre_s, centre_error_s = (centre[0] + middle) / rate_hz, centre[1] / rate_hz
    results = shift / rate_hz, error / rate_hz, coherence, at_edge
    return LagShifts(*results, centre_s, centre_error_s, centre[2])


def _checked(
    data: ArrayLike, low_s: float, high_s: float, max_shift_s: float
) -> FloatArray:
    rows = np.asarray(data, np.float64)
    if rows.ndim != 2 or rows.shape[1] < 9 or rows.shape[1] % 2 == 0:
        raise ParameterError(f"data {rows.shape} must be rows of lags -K..K, K above 3")
    if not 0 <= low_s < high_s:
        raise ParameterError(f"0 <= low_s < high_s is needed, not {low_s}, {high_s}")
    if not (np.isfinite(max_shift_s) and max_shift_s > 0):
        raise ParameterError(f"max_shift_s must be above 0, not {max_shift_s}")
    return rows


# -- places, to a sample ------------------------------------------------------------


class _Search:
    """The search of the best shift of rows, in whole samples.

    All shifts are tried, also those beyond the largest that has a value: otherwise the
    search would find the neighbouring cycle of a larger shift.

    Parameters
    ----------
    x
        Rows of norm 1, shape ``(n_rows, n)``.
    use
        Lags of the reference that are compared, shape ``(n,)``.
    """

    def __init__(self, x: FloatArray, use: Flags) -> None:
        self.x, self.use, self.n = x, use, x.shape[1]
        self.widest = self.n // 2
        self.n_fft = 2 * fft.next_fast_len(self.n, real=True)
        self.spectra = fft.rfft(x, self.n_fft)
        window = np.conj(fft.rfft(use.astype(float), self.n_fft))
        energy = self._at_shifts(window * fft.rfft(x**2, self.n_fft))
        norm = np.sqrt(np.maximum(energy, 0))
        # a window without arrivals would fit by chance
        self.norm = np.maximum(norm, 0.5 * norm.max(axis=1, keepdims=True))

    def _at_shifts(self, spectrum: NDArray[np.complex128]) -> FloatArray:
        c = fft.irfft(spectrum, self.n_fft, axis=-1)
        sides = c[..., -self.widest :], c[..., : self.widest + 1]
        return np.concatenate(sides, axis=-1)

    def shifted(self, k: int, place: float) -> NDArray[np.complex128]:
        """Return the spectrum of a row after its shift to zero."""
        turn = 2j * np.pi / self.n_fft * np.arange(self.spectra.shape[1])
        return np.asarray(self.spectra[k] * np.exp(turn * place))

    def coefficients(self, k: int, total: NDArray[np.complex128]) -> FloatArray:
        """Return the correlation of a row with a sum of rows at all shifts."""
        reference = fft.irfft(total, self.n_fft)[: self.n] * self.use
        size = np.linalg.norm(reference)
        if not size > 0:
            return np.zeros(2 * self.widest + 1)
        product = np.conj(fft.rfft(reference, self.n_fft)) * self.spectra[k]
        return np.asarray(self._at_shifts(product) / (self.norm[k] * size))

    def first(self) -> FloatArray:
        """Return the shifts relative to one row; neighbouring rows are added.

        All shifts are zero if the sum of the rows without shifts is about as large,
        because noise correlates at any shift.
        """
        n_rows = len(self.x)
        start = self._start()
        place = np.zeros(n_rows)
        total = self.spectra[start].copy()
        for k in [*range(start + 1, n_rows), *range(start - 1, -1, -1)]:
            coefficient = self.coefficients(k, total)
            top = int(np.argmax(coefficient))
            place[k] = top - self.widest
            if coefficient[top] > LEAST_COEFFICIENT:
                total += coefficient[top] * self.shifted(k, place[k])
        place -= np.round(place.mean())
        return place if self._gain(place) > BETTER_OUTSIDE else np.zeros(n_rows)

    def _gain(self, place: FloatArray) -> float:
        """Return the amplitude of the mean of shifted rows over that of the rows."""
        amplitudes = []
        for shift in (place, np.zeros(len(place))):
            rows = [self.shifted(k, p) for k, p in enumerate(shift)]
            mean = fft.irfft(np.sum(rows, axis=0), self.n_fft)[: self.n]
            amplitudes.append(float(np.linalg.norm(mean * self.use)))
        return amplitudes[0] / max(amplitudes[1], 1e-300)

    def _start(self) -> int:
        """Return the row that is most similar to the next row."""
        if len(self.x) < 2:
            return 0
        masked = self.x[:-1] * self.use
        products = np.conj(fft.rfft(masked, self.n_fft)) * self.spectra[1:]
        coefficient = (self._at_shifts(products) / self.norm[1:]).max(axis=1)
        size = np.linalg.norm(masked, axis=1)
        return int(np.argmax(coefficient / np.where(size > 0, size, np.inf)))

    def again(self, place: FloatArray, weight: FloatArray, most: float) -> FloatArray:
        """Return shifts relative to the mean of all other rows.

        A shift changes only if another one fits clearly better.
        """
        weights = zip(weight, place, strict=True)
        shifted = [w * self.shifted(k, p) for k, (w, p) in enumerate(weights)]
        total = np.sum(shifted, axis=0)
        moved, shifts = place.copy(), np.arange(-self.widest, self.widest + 1)
        for k, row in enumerate(shifted):
            coefficient = self.coefficients(k, total - row)
            here = int(np.clip(np.round(place[k]) + self.widest, 0, 2 * self.widest))
            level = max(coefficient[here], 0.0)
            for reach, ratio in ((most, BETTER), (np.inf, BETTER_OUTSIDE)):
                inside = np.where(np.abs(shifts) < reach, coefficient, -1.0)
                top = int(np.argmax(inside))
                if inside[top] > ratio * level:
                    moved[k], level = shifts[top], inside[top]
        return moved


# -- shifts, to a part of a sample --------------------------------------------------


class _Fit:
    """Least squares of the shifts, in samples.

    Parameters
    ----------
    x
        Rows of norm 1.
    low, high
        Range of absolute lag that is compared, samples.
    """

    def __init__(self, x: FloatArray, low: float, high: float) -> None:
        self.rows = Rows(x)
        self.n, self.n_rows = x.shape[1], len(x)
        reach = int(high) + 1
        self.lag = np.arange(-reach, reach + 1.0)
        self.use = (np.abs(self.lag) >= low) & (np.abs(self.lag) <= high)
        self.weight = np.ones(self.n_rows)

    def mean(self, place: FloatArray) -> FloatArray:
        """Return the mean of the shifted rows, shape ``(n,)``."""
        shifted = self.rows.at(np.arange(float(self.n)) + place[:, None])
        return np.asarray(self.weight @ shifted / self.weight.sum())

    def shifts(self, place: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return shift, standard error and coherence of each row.

        The error is NaN for rows without convergence.
        """
        place, dvv = place.copy(), np.zeros(self.n_rows)
        step = np.full(self.n_rows, np.inf)
        usual = USUAL_DVV * self.lag[-1]
        misfit = self._columns(place, dvv)[0] / 3  # a rough one for the first step
        for _ in range(MOST_STEPS):
            aligned, columns = self._columns(place, dvv)
            ridge = (misfit**2).sum(axis=1) / n_independent(misfit) / usual**2
            inverse, values = _solved(columns, aligned, ridge, -dvv * self.lag[-1])
            misfit = aligned - np.einsum("rj,rjt->rt", values, columns)
            energy = np.maximum((aligned**2).sum(axis=1), 1e-300)
            part = np.clip((misfit**2).sum(axis=1) / energy, 0, 1)
            coherence = np.sqrt(1 - part)
            strong = coherence > LEAST_COEFFICIENT
            self.weight = (
                np.where(strong, coherence**2, 0) if strong.any() else 1 - part
            )
            limits = MOST_DVV_STEP * self.lag[-1]
            faster = np.clip(values[:, 3], -limits, limits) / self.lag[-1]
            later = -np.clip(values[:, 2], -MOST_SHIFT_STEP, MOST_SHIFT_STEP)
            # the mean of all rows is the reference: it has no shift and no velocity
            # change
            step = later - np.average(later, weights=self.weight)
            if np.abs(step[strong]).max(initial=0) < CONVERGED:
                break
            place += step
            dvv += faster - np.average(faster, weights=self.weight)
        filters = np.einsum("rj,rjt->rt", inverse[:, 2], columns)
        error = filter_error(filters, misfit, N_UNKNOWN)
        error = np.hypot(error, inverse[:, 2, 3] * ridge * usual)
        lost = np.abs(step) > 10 * CONVERGED + error / 10
        lost |= np.abs(dvv) > MOST_DVV
        return place, np.where(lost, np.nan, error), coherence

    def _columns(
        self, place: FloatArray, dvv: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the shifted rows, and the columns of their linear fits.

        The columns are the reference at positive and at negative lags, and the
        derivatives by the shift and by the velocity change.
        """
        lag, centre = self.lag, self.n // 2
        index = centre + lag / (1 + dvv[:, None]) + place[:, None]
        aligned = self.rows.at(index)
        sides = np.stack([lag > 0, lag <= 0])[:, self.use]
        reference = self._others(aligned)[:, self.use]
        slope = self._others(self.rows.slope_at(index))[:, self.use]
        aligned = aligned[:, self.use]
        both = reference[:, None] * sides
        energy = (both**2).sum(axis=2)
        amplitude = np.einsum("rst,rt->rs", both, aligned)
        amplitude /= np.where(energy > 0, energy, np.inf)
        slope = slope * (amplitude @ sides)
        parts = slope[:, None] * np.stack(
            [np.ones(self.use.sum()), lag[self.use] / lag[-1]]
        )
        return aligned, np.concatenate([both, parts], axis=1)

    def _others(self, values: FloatArray) -> FloatArray:
        """Return the mean of all rows but one, for each row."""
        rest = self.weight.sum() - self.weight
        others = self.weight @ values - self.weight[:, None] * values
        return others / np.where(rest > 0, rest, np.inf)[:, None]


def _solved(
    columns: FloatArray, values: FloatArray, ridge: FloatArray, expected: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the inverse normal matrices of fits, and their coefficients.

    Parameters
    ----------
    columns, values
        Shape ``(n_rows, n_columns, n)`` and ``(n_rows, n)``.
    ridge, expected
        Weight of the expected value of the last coefficient, and that value, shape
        ``(n_rows,)``.
    """
    normal = np.einsum("rjt,rkt->rjk", columns, columns)
    size = np.trace(normal, axis1=1, axis2=2)
    least = np.where(size > 0, 1e-10 * size, 1.0)
    normal += least[:, None, None] * np.eye(columns.shape[1])
    normal[:, -1, -1] += ridge
    inverse = np.linalg.inv(normal)
    right = np.einsum("rjt,rt->rj", columns, values)
    right[:, -1] += ridge * expected
    return inverse, np.einsum("rjk,rk->rj", inverse, right)
