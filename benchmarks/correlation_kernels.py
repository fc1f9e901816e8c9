"""Time the correlation kernels alone, in one thread: microseconds per pair.

Run as ``python -m benchmarks.correlation_kernels``. Each case also times the inverse
Fourier transforms alone, because no other arrangement can avoid them.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Callable

import numpy as np
import scipy.fft

from seismo_pes.signal.correlate import (
    bins_first,
    block_pairs,
    correlate_block,
    stack_cross_spectra,
)


def best_s(function: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest time of several runs, in seconds of CPU time.

    The kernels run in one thread. On a quiet machine CPU time is equal to wall time; on
    a busy machine it does not count other programs.
    """
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return min(times)


def time_case(
    n: int, n_windows: int, bins: slice, n_fft: int, max_lag: int, repeats: int = 5
) -> dict[str, float]:
    """Time one block pair of n x n records: microseconds per pair for each part."""
    rng = np.random.default_rng(1)
    shape = (n, n_windows, bins.stop - bins.start)
    a = rng.standard_normal(shape, np.float32).astype(np.complex64)
    b = rng.standard_normal(shape, np.float32) * np.complex64(1j)
    layout = "bins-last"
    if n_windows > 1:
        a, b, layout = bins_first(a), bins_first(b), "bins-first"
    n_pairs = len(block_pairs(n, n))
    out = np.empty((n_pairs, 2 * max_lag + 1), np.float32)
    full = np.ones((max(1, 2_600_000 // (4 * n_fft)), n_fft // 2 + 1), np.complex64)

    def block() -> object:
        return correlate_block(a, b, n_fft, bins, max_lag, layout=layout, out=out)

    figures = {
        "block": best_s(block, repeats) / n_pairs,
        "irfft alone": best_s(lambda: scipy.fft.irfft(full, n_fft), 20) / len(full),
    }
    if n_windows > 1:
        product = best_s(lambda: stack_cross_spectra(a, b, layout), repeats)
        figures["products"] = product / n_pairs
    return {name: 1e6 * value for name, value in figures.items()}


def main() -> None:
    """Print the times of two typical cases."""
    cases = {
        "1 window, 9,721 bins, 128 x 128, 10,001 lags": time_case(
            128, 1, slice(0, 9721), 19_440, 5000, 3
        ),
        "48 windows, 3,700 bins, 25 x 25, 4,801 lags": time_case(
            25, 48, slice(150, 3850), 38_400, 2400
        ),
    }
    for name, figures in cases.items():
        parts = ", ".join(f"{part} {us:.1f}" for part, us in figures.items())
        print(f"{name}: us/pair: {parts}")


if __name__ == "__main__":
    main()
