"""Butterworth filters as second-order sections.

`scipy.signal` has them, too, but takes a second to import, in every process of a run.
"""

from __future__ import annotations

import numpy as np

from seismo_pes.signal._arrays import FloatArray

# Two poles of a section; the second is 0 in a section of the first order.
Poles = tuple[complex, complex]


def design(
    kind: str, corners_hz: tuple[float, ...], rate_hz: float, order: int
) -> FloatArray:
    """Return the sections of a filter by the bilinear transform, ``(n_sections, 6)``.

    The poles nearest to the unit circle are in the last section, with the zeros nearest
    to them, as in `scipy.signal.zpk2sos`.
    """
    # the analogue variable s is (z - 1) / (z + 1), so corners are tangents
    corner = np.tan(np.pi * np.array(corners_hz) / rate_hz)
    prototype = -np.exp(1j * np.pi * np.arange(1 - order, order, 2) / (2 * order))
    factor, middle = 1.0, 0.0
    if kind == "lowpass":
        poles, factor = prototype * corner, corner[0] ** order
    elif kind == "highpass":
        poles = corner / prototype
    else:
        width, middle = corner[1] - corner[0], float(np.sqrt(corner[0] * corner[1]))
        if kind == "bandpass":
            half, factor = prototype * width / 2, width**order
        else:
            half, factor = width / 2 / prototype, (1 + middle**2) ** order
        root = np.sqrt(half**2 - middle**2)
        poles = np.concatenate([half + root, half - root])
    pairs = _paired((1 + poles) / (1 - poles))
    sections = np.zeros((len(pairs), 6))
    sections[:, :3] = _numerators(kind, pairs, order, middle)
    sections[:, 3:] = [np.poly(pair).real for pair in pairs]
    sections[0, :3] *= factor / abs(np.prod(1 - poles))
    return sections


def _paired(poles: np.ndarray) -> list[Poles]:
    """Return the poles of each section; the nearest to the unit circle are last."""
    pairs: list[Poles] = [(p, p.conjugate()) for p in poles[poles.imag > 0].tolist()]
    real = poles[poles.imag == 0].tolist()
    if real:
        pairs.append((real[0], real[1] if len(real) == 2 else 0j))
    return sorted(pairs, key=lambda pair: max(map(abs, pair)))


def _numerators(
    kind: str, pairs: list[Poles], order: int, middle: float
) -> list[list[float]]:
    if kind == "bandstop":
        return [[1.0, 2 * (middle**2 - 1) / (middle**2 + 1), 1.0]] * len(pairs)
    left = {1.0: order, -1.0: order}  # zeros at frequency zero and at Nyquist
    if kind != "bandpass":
        del left[1.0 if kind == "lowpass" else -1.0]
    numerators = []
    for pair in reversed(pairs):
        zeros = []
        for pole in pair:
            zero = 1.0 if pole.real > 0 else -1.0
            zero = zero if left.get(zero) else -zero
            if pole != 0:
                left[zero] -= 1
                zeros.append(zero)
        numerators.append([*np.poly(zeros).tolist(), 0.0][:3])
    return numerators[::-1]
