# It runs in environments of its own.
# mypy: ignore-errors
"""The same four steps without a workflow engine, timed as in `chain`.

    python others.py HOW KIND N

HOW is loop, pool, joblib or dask.
"""

import json
import resource
import sys
import time

import numpy as np

ARRAY = 131072
WORKERS = 2


def make(kind, k):
    """Make one item."""
    return np.full(ARRAY, float(k)) if kind == "array" else k


def work(item):
    """Do the two steps in the middle."""
    return item + 1 + 1


def loop(kind, n):
    """Run a plain loop."""
    total = 0
    for k in range(n):
        work(make(kind, k))
        total += 1
    return total


def pool(kind, n):
    """Use multiprocessing.Pool.imap."""
    from multiprocessing import Pool

    with Pool(WORKERS) as workers:
        items = (make(kind, k) for k in range(n))
        return sum(1 for _ in workers.imap(work, items, 64 if kind == "small" else 1))


def joblib(kind, n):
    """Use joblib with processes."""
    from joblib import Parallel, delayed

    items = (make(kind, k) for k in range(n))
    return len(Parallel(WORKERS)(delayed(work)(item) for item in items))


def dask(kind, n):
    """Use a dask bag with processes."""
    import dask.bag

    items = [make(kind, k) for k in range(n)]
    bag = dask.bag.from_sequence(items, npartitions=8)
    return len(bag.map(work).compute(scheduler="processes", num_workers=WORKERS))


def main():
    """Time one way."""
    how, kind, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    began = time.perf_counter()
    assert globals()[how](kind, n) == n
    seconds = time.perf_counter() - began
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    sys.stdout.write(
        json.dumps({"seconds": seconds, "peak_mb": max(own, children) / 1e3}) + "\n"
    )


if __name__ == "__main__":
    main()
