"""The kernel: the smallest program that computes and writes the same correlations.

    python -m benchmarks.headline.kernel TRACES.npy OUT N_LAGS

The traces are in memory. Two processes compute one Fourier transform for each trace and
one inverse transform for each pair. Each process writes one file, without the page
cache, in a second thread. There are no names, no index and no checks. The cost of a
workflow is the time that it takes in addition.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import mmap
import multiprocessing
import queue
import sys
import threading
import time
from pathlib import Path

import numpy as np
import scipy.fft

N_PROCESSES = 2
BATCH_BYTES = 1_300_000  # cross-spectra that stay in cache
BLOCK_BYTES = 16 << 20
PAGE = 4096


def correlate(
    traces: np.ndarray, max_lag: int, first: int, step: int, path: Path
) -> None:
    """Correlate trace i with all later ones, for i = first, first + step, ..."""
    n, n_samples = traces.shape
    n_fft = scipy.fft.next_fast_len(n_samples + max_lag, real=True)
    spectra = scipy.fft.rfft(traces, n_fft)
    batch = max(1, BATCH_BYTES // spectra[0].nbytes)
    product = np.empty((batch, spectra.shape[1]), spectra.dtype)
    n_lags = 2 * max_lag + 1
    rows = sum(n - 1 - i for i in _rows(n, first, step))
    with _Writer(path, rows * n_lags * traces.itemsize) as writer:
        for i in _rows(n, first, step):
            conj = np.conj(spectra[i])
            for j in range(i + 1, n, batch):
                k = min(batch, n - j)
                np.multiply(conj, spectra[j : j + k], out=product[:k])
                correlations = scipy.fft.irfft(product[:k], n_fft)
                lags = np.empty((k, n_lags), traces.dtype)
                lags[:, :max_lag] = correlations[:, n_fft - max_lag :]
                lags[:, max_lag:] = correlations[:, : max_lag + 1]
                writer.write(lags.data.cast("B"))


def _rows(n: int, first: int, step: int) -> list[int]:
    """Return the rows of one process: all have about the same number of pairs."""
    return [i for i in range(n) if min(i % (2 * step), -(i + 1) % (2 * step)) == first]


class _Writer:
    """Writes aligned blocks to a file; a thread writes while the next is filled."""

    def __init__(self, path: Path, size: int) -> None:
        self._fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_DIRECT)
        self._size = size
        os.posix_fallocate(self._fd, 0, max(1, size))
        self._free: queue.SimpleQueue[mmap.mmap] = queue.SimpleQueue()
        self._full: queue.SimpleQueue[tuple[mmap.mmap, int] | None]
        self._full = queue.SimpleQueue()
        for _ in range(3):
            self._free.put(mmap.mmap(-1, BLOCK_BYTES))
        self._block, self._fill = self._free.get(), 0
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def write(self, data: memoryview) -> None:
        while len(data):
            n = min(len(data), BLOCK_BYTES - self._fill)
            self._block[self._fill : self._fill + n] = data[:n]
            self._fill += n
            data = data[n:]
            if self._fill == BLOCK_BYTES:
                self._full.put((self._block, BLOCK_BYTES))
                self._block, self._fill = self._free.get(), 0

    def _work(self) -> None:
        offset = 0
        while (job := self._full.get()) is not None:
            block, size = job
            done = 0
            while done < size:
                done += os.pwrite(self._fd, memoryview(block)[done:size], offset + done)
            offset += size
            self._free.put(block)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._full.put((self._block, -(-self._fill // PAGE) * PAGE))
        self._full.put(None)
        self._thread.join()
        os.ftruncate(self._fd, self._size)
        os.fsync(self._fd)
        os.close(self._fd)


def main(argv: list[str]) -> None:
    """Run the processes; print the seconds from traces in memory to files."""
    source, out, n_lags = argv
    traces, max_lag = np.load(source), int(n_lags) // 2
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(
            target=correlate,
            args=(traces, max_lag, k, N_PROCESSES, folder / f"rows-{k}.bin"),
        )
        for k in range(N_PROCESSES)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - began
    if any(worker.exitcode for worker in workers):
        sys.exit("a process of the kernel failed")
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1:])
