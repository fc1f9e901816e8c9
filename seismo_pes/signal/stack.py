"""Stacks of correlations, or of other records, over windows.

In all functions the last axis holds samples and the last axis but one holds windows.
Without windows the stack is zero; a NaN in a window makes the stack NaN.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from seismo_pes.signal._arrays import ComplexArray, FloatArray, as_float, require_count
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.normalize import running_mean


def linear(x: ArrayLike, use: NDArray[np.bool_] | None = None) -> FloatArray:
    """Mean over the windows, the last but one axis, accumulated in float64.

    Parameters
    ----------
    x
        Shape ``(..., n_windows, n)``. float32 stays float32, anything else becomes
        float64.
    use
        Shape ``(n_windows,)``, which windows enter; all if None.

    Returns
    -------
    Shape ``(..., n)``; zeros if no window enters.

    Raises
    ------
    ParameterError
        If there is no axis of windows or `use` does not fit it.

    Examples
    --------
    >>> linear([[1.0, 2.0], [3.0, 6.0]])
    array([2., 4.])
    """
    x = select(x, use)
    if x.shape[-2] == 0:
        return np.zeros((*x.shape[:-2], x.shape[-1]), dtype=x.dtype)
    return x.mean(axis=-2, dtype=np.float64).astype(x.dtype, copy=False)


def select(x: ArrayLike, use: NDArray[np.bool_] | None) -> FloatArray:
    """Return the windows that `use` marks, all if it is None, as floats.

    Raises
    ------
    ParameterError
        If there is no axis of windows, or `use` does not fit it.

    Examples
    --------
    >>> import numpy as np
    >>> select([[1.0], [2.0]], np.array([False, True]))
    array([[2.]])
    """
    x = as_float(x)
    if x.ndim < 2:
        raise ParameterError("x: needs an axis of windows before the samples")
    if use is None:
        return x
    if np.shape(use) != (x.shape[-2],):
        raise ParameterError(
            f"use of shape {np.shape(use)} does not fit {x.shape[-2]} windows"
        )
    return x[..., np.asarray(use, dtype=bool), :]


def nth_root(x: ArrayLike, power: float = 2.0) -> FloatArray:
    """N-th root stack: it favours a common sign and reduces large, rare samples.

    The mean of ``sign(x) |x|**(1/N)``, raised to N with its sign. N = 1 is the mean.

    Parameters
    ----------
    x
        Shape ``(..., n_windows, n)``.
    power
        N, at least 1.

    Raises
    ------
    ParameterError
        If `power` is below 1.

    References
    ----------
    Kanasewich, Hemmings and Alpaslan (1973), Geophysics 38, 327-338.

    Examples
    --------
    >>> nth_root([[4.0, 1.0], [4.0, -1.0]], 2)
    array([4., 0.])
    """
    x = select(x, None)
    if not (np.isfinite(power) and power >= 1):
        raise ParameterError(f"power must be at least 1, not {power}")
    roots = linear(np.sign(x) * np.abs(x) ** (1 / power))
    return np.sign(roots) * np.abs(roots) ** power


def analytic_phase(x: ArrayLike) -> ComplexArray:
    """Unit phasors of the analytic signal along the last axis; zero for a zero signal.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.cos(2 * np.pi * np.arange(8) / 8)
    >>> bool(np.allclose(analytic_phase(x), np.exp(2j * np.pi * np.arange(8) / 8)))
    True
    """
    signal = analytic(as_float(x))
    amplitude = np.abs(signal)
    if amplitude.shape[-1] == 0:
        return signal
    eps = np.finfo(amplitude.dtype).eps
    quiet = amplitude <= eps * amplitude.max(axis=-1, keepdims=True)
    return signal * (1 / np.where(quiet, np.inf, amplitude))


def analytic(x: FloatArray) -> ComplexArray:
    """Analytic signal x + i H(x) along the last axis, by FFT, in x's precision.

    Examples
    --------
    >>> analytic([1.0, 0.0, -1.0, 0.0])
    array([ 1.+0.j,  0.+1.j, -1.+0.j,  0.-1.j])
    """
    x = as_float(x)
    n = x.shape[-1]
    kind = np.complex64 if x.dtype == np.float32 else np.complex128
    spectrum = np.zeros(x.shape, dtype=kind)
    if x.size == 0:
        return spectrum
    half = n // 2 + 1
    spectrum[..., :half] = fft.rfft(x, axis=-1)
    spectrum[..., 1 : (n + 1) // 2] *= 2
    return fft.ifft(spectrum, axis=-1, overwrite_x=True)


def phase_coherence(x: ArrayLike, n_smooth: int = 0) -> FloatArray:
    """Length of the mean phasor over windows, 0 to 1, smoothed over 2 n_smooth + 1.

    Raises
    ------
    ParameterError
        If there is no axis of windows, or `n_smooth` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.cos(2 * np.pi * np.arange(8) / 8)
    >>> bool(np.allclose(phase_coherence([x, 3 * x]), 1))
    True
    """
    x = select(x, None)
    if x.shape[-2] == 0:
        return np.zeros((*x.shape[:-2], x.shape[-1]), dtype=x.dtype)
    coherence = np.abs(analytic_phase(x).mean(axis=-2))
    return running_mean(coherence, n_smooth).astype(x.dtype)


def phase_weighted(x: ArrayLike, power: float = 2.0, n_smooth: int = 0) -> FloatArray:
    """Linear stack times the coherence of instantaneous phase to some power.

    Parameters
    ----------
    x
        Shape ``(..., n_windows, n)``.
    power
        Exponent of the coherence, >= 0; 0 is the linear stack.
    n_smooth
        The coherence is a running mean over ``2 n_smooth + 1`` samples.

    Raises
    ------
    ParameterError
        If a parameter is negative.

    References
    ----------
    Schimmel and Paulssen (1997), doi:10.1111/j.1365-246X.1997.tb05664.x.

    Examples
    --------
    >>> phase_weighted([[1.0, 0.0, -1.0, 0.0]] * 2).round(12) + 0.0
    array([ 1.,  0., -1.,  0.])
    """
    if not (np.isfinite(power) and power >= 0):
        raise ParameterError(f"power must be at least 0, not {power}")
    return linear(x) * phase_coherence(x, n_smooth) ** power


def coefficients(x: ArrayLike, reference: ArrayLike | None = None) -> FloatArray:
    """Correlation coefficient at lag zero of each window with a reference; float64.

    By default the reference is the linear stack. Means are not removed; silent windows
    have coefficient zero. Shape ``(..., n_windows)``.

    Raises
    ------
    ParameterError
        If the reference has another number of samples than the windows.

    Examples
    --------
    >>> coefficients([[1.0, 0.0], [0.0, 1.0]], [1.0, 0.0])
    array([1., 0.])
    """
    y = select(x, None).astype(np.float64, copy=False)
    r = np.asarray(linear(y) if reference is None else reference, dtype=np.float64)
    if r.shape[-1:] != y.shape[-1:]:
        raise ParameterError(
            f"reference of {r.shape[-1:]} samples does not fit {y.shape[-1:]}"
        )
    dots = np.einsum("...wn,...n->...w", y, r)
    norms = np.linalg.norm(y, axis=-1) * np.linalg.norm(r, axis=-1)[..., None]
    return dots / np.where(norms == 0, np.inf, norms)


def selective(
    x: ArrayLike, threshold: float, reference: ArrayLike | None = None
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Mean of the windows whose `coefficients` with the reference reach `threshold`.

    Returns
    -------
    stack
        Shape ``(..., n)``; zeros if no window reaches the threshold.
    used
        Shape ``(..., n_windows)``.

    Raises
    ------
    ParameterError
        If `threshold` is outside -1 to 1 or the reference does not fit.

    Examples
    --------
    >>> selective([[1.0, 0.0], [3.0, 0.0], [-1.0, 0.0]], 0.5)[0]
    array([2., 0.])
    """
    x = select(x, None)
    if not -1 <= threshold <= 1:
        raise ParameterError(f"threshold must be from -1 to 1, not {threshold}")
    used = coefficients(x, reference) >= threshold
    return _weighted(x, used.astype(np.float64)), used


def robust(
    x: ArrayLike, tolerance: float = 1e-6, n_passes: int = 50
) -> tuple[FloatArray, FloatArray]:
    """Stack with weights that fall with each window's misfit to the stack.

    The first stack is the median. In each pass, a window d gets the weight |s.d| / (|d|
    |d - (s.d) s|), where s is the stack at unit length, until the stack changes by less
    than `tolerance` of its norm.

    Parameters
    ----------
    x
        Shape ``(n_windows, n)``.
    tolerance, n_passes
        Relative change at which to stop, and the largest number of passes.

    Returns
    -------
    stack
        Shape ``(n,)``.
    weights
        Shape ``(n_windows,)``, of unit sum; zeros for a silent stack.

    Raises
    ------
    ParameterError
        If `x` has not two axes or a parameter is out of range.

    References
    ----------
    Pavlis and Vernon (2010), doi:10.1016/j.cageo.2009.10.008.

    Examples
    --------
    >>> good = [1.0, 2.0, -1.0]
    >>> robust([good, good, good, [9.0, -9.0, 9.0]])[0].round(3)
    array([ 1.,  2., -1.])
    """
    x = as_float(x)
    if x.ndim != 2:
        raise ParameterError(f"x must be (n_windows, n), not of shape {x.shape}")
    if not tolerance > 0:
        raise ParameterError(f"tolerance must be positive, not {tolerance}")
    n_passes = require_count(n_passes, "n_passes", 1)
    y = x.astype(np.float64, copy=False)
    weights = np.zeros(len(y))
    if y.size == 0:
        return np.zeros(x.shape[-1], dtype=x.dtype), weights
    stack = np.median(y, axis=0)
    for _ in range(n_passes):
        weights = _pavlis_weights(y, stack)
        new = weights @ y
        moved = np.linalg.norm(new - stack)
        stack = new
        if not moved > tolerance * np.linalg.norm(new):
            break
    return stack.astype(x.dtype), weights


def _pavlis_weights(y: FloatArray, stack: FloatArray) -> FloatArray:
    norm = np.linalg.norm(stack)
    if norm == 0:
        return np.zeros(len(y))
    s = stack / norm
    along = y @ s
    size = np.linalg.norm(y, axis=1)
    residual = np.linalg.norm(y - along[:, None] * s, axis=1)
    # A window equal to the stack would have infinite weight: cap at 1e6.
    floor = np.maximum(size * np.maximum(residual, 1e-6 * size), np.finfo(float).tiny)
    weights = np.where(size > 0, np.abs(along) / floor, 0)
    return weights / (weights.sum() or 1.0)


def moving(x: ArrayLike, n_windows: int, step: int = 1) -> FloatArray:
    """Linear stacks of `n_windows` consecutive windows, one every `step` windows.

    Returns
    -------
    Shape ``(..., n_stacks, n)``; stack k is over windows ``k step`` to ``k step +
    n_windows - 1``. With fewer windows there is no stack.

    Raises
    ------
    ParameterError
        If `n_windows` or `step` is below 1.

    Examples
    --------
    >>> moving([[1.0], [3.0], [5.0]], 2)
    array([[2.],
           [4.]])
    """
    x = select(x, None)
    n_windows = require_count(n_windows, "n_windows", 1)
    step = require_count(step, "step", 1)
    starts = range(0, x.shape[-2] - n_windows + 1, step)
    out = np.empty((*x.shape[:-2], len(starts), x.shape[-1]), dtype=x.dtype)
    for k, start in enumerate(starts):
        out[..., k, :] = linear(x[..., start : start + n_windows, :])
    return out


def bootstrap(
    x: ArrayLike,
    n_draws: int = 200,
    seed: int = 0,
    stack: Callable[[FloatArray], FloatArray] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the stack over windows drawn with replacement.

    Parameters
    ----------
    x
        Shape ``(n_windows, n)``, at least one window.
    n_draws
        Number of stacks, at least 2.
    seed
        Seed of the random numbers: equal seeds give equal results.
    stack
        Function from ``(n_windows, n)`` to ``(n,)``; None: the mean, which is much
        faster.

    Returns
    -------
    mean, deviation
        Shape ``(n,)`` each, float64.

    Raises
    ------
    ParameterError
        If `x` has not two axes or no window, or `n_draws` is below 2.

    References
    ----------
    Efron (1979), doi:10.1214/aos/1176344552.

    Examples
    --------
    >>> mean, deviation = bootstrap([[1.0], [1.0]])
    >>> float(mean[0]), float(deviation[0])
    (1.0, 0.0)
    """
    x = as_float(x)
    n_draws = require_count(n_draws, "n_draws", 2)
    if x.ndim != 2 or len(x) == 0:
        raise ParameterError(f"x must be (n_windows, n), not of shape {x.shape}")
    rng = np.random.default_rng(seed)
    if stack is None:
        counts = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=n_draws)
        draws = (counts / len(x)) @ x.astype(np.float64, copy=False)
    else:
        chosen = rng.integers(len(x), size=(n_draws, len(x)))
        draws = np.array([stack(x[row]) for row in chosen], dtype=np.float64)
    return draws.mean(axis=0), draws.std(axis=0, ddof=1)


def _weighted(x: FloatArray, weights: FloatArray) -> FloatArray:
    total = weights.sum(axis=-1)[..., None]
    out = np.einsum("...wn,...w->...n", x, weights) / np.where(total == 0, 1, total)
    return out.astype(x.dtype, copy=False)
