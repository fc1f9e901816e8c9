"""Records of any kind are measured or rejected: finite numbers, no other error."""

import numpy as np
import pytest

from seismo_pes.signal.errors import Rejected
from seismo_pes.signal.misfits import (
    MEASURES,
    Measurement,
    measure,
    measure_windows,
)

DELTA_S = 0.5
KINDS = (
    lambda rng, n: rng.standard_normal(n),
    lambda rng, n: rng.standard_normal(n).cumsum(),
    lambda rng, n: np.eye(n)[rng.integers(n)],
    lambda rng, n: np.sin(2 * np.pi * np.arange(n) / rng.uniform(2, n)),
    lambda rng, n: np.arange(n, dtype=float),
    lambda rng, n: np.where(np.arange(n) > n // 2, 1.0, 0.0),
    lambda rng, n: (-1.0) ** np.arange(n),
    lambda rng, n: 1e-12 * rng.standard_normal(n),
    lambda rng, n: 1e20 * rng.standard_normal(n),
    lambda rng, n: 1e6 + 1e-3 * rng.standard_normal(n),
    lambda rng, n: rng.integers(-3, 3, n).astype(float),
)


def outcome(name, records, convention, window_s):
    more = {"window_s": window_s, "convention": convention}
    if MEASURES[name].is_double:
        more["other"] = records[2:]
    try:
        return measure(name, *records[:2], DELTA_S, **more)
    except Rejected:
        return None


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", MEASURES)
def test_records_of_any_kind(name, seed):
    rng = np.random.default_rng(seed)
    for _ in range(8):
        n = int(rng.integers(4, 120))
        records = [KINDS[rng.integers(len(KINDS))](rng, n) for _ in range(4)]
        if rng.random() < 0.3:
            records[0] = rng.choice([-1.0, 1.0, 2.0]) * records[1]
        start, end = np.sort(rng.uniform(0, (n - 1) * DELTA_S, 2))
        window_s = None if rng.random() < 0.3 else (start, end)
        for convention in MEASURES[name].conventions:
            row = outcome(name, records, convention, window_s)
            if row is not None:
                assert np.isfinite(row.misfit)
                assert row.misfit >= 0
                assert np.isfinite(row.adjoint).all()
                assert all(np.isfinite(x) for x in row.quantities.values())
                assert row.adjoint_other is None or np.isfinite(row.adjoint_other).all()


def test_the_same_reasons_one_by_one_and_together():
    rng = np.random.default_rng(8)
    x = rng.standard_normal(100)
    x[:30] = 0
    names = [name for name, kind in MEASURES.items() if not kind.is_double]
    windows = [(0.0, 10.0), (20.0, 22.0), (5.0, 49.0), (30.0, 60.0)]
    rows = measure_windows(names, -x, x, DELTA_S, windows)
    reasons = set()
    for row in rows:
        if isinstance(row, Measurement):
            alone = measure(row.name, -x, x, DELTA_S, window_s=row.window_s)
            assert row.misfit == alone.misfit
        else:
            with pytest.raises(Rejected) as caught:
                measure(row.name, -x, x, DELTA_S, window_s=row.window_s)
            assert row.reason == caught.value.reason
            assert row.quantities == caught.value.numbers
            reasons.add(row.reason)
    assert {"observed record is zero", "window outside the data"} <= reasons
