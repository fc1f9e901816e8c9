"""Stacks of stacks, compared with loops over their rows."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from seismo_pes.items.correlation import Correlation
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.metadata.stations import Channel
from seismo_pes.stacking.stacks import bootstrap, stack
from seismo_pes.writing.correlation_writer import CorrelationWriter
from xcorr_app.results.run_parts import DERIVED
from xcorr_app.results.runfile import Redo, create_run, new_session, read_run, write_run
from xcorr_app.running.moving import moving_stacks
from xcorr_app.running.restack import DerivedStacks, RestackPairs
from xcorr_app.running.substacks import substack_rows

DAY_NS = 86_400 * 10**9
N_LAGS = 15
DAYS = [f"2022-05-{day}" for day in range(10, 18)]
FIRST = 19122  # days from 1970 to 2022-05-10
IDS = ["X.A..Z", "X.B..Z", "X.C..Z", "X.D..Z"]


def day_rows(k, pairs, rng, band="", tile=(0, 1)):
    pairs = np.array(pairs, "i4").reshape(-1, 2)
    n = len(pairs)
    start = np.full(n, (FIRST + k) * DAY_NS)
    return CorrelationRows(
        DAYS[k] + band,
        pairs,
        rng.integers(1, 25, n).astype("i4"),
        start + rng.integers(0, DAY_NS // 2, n),
        start + DAY_NS - rng.integers(0, DAY_NS // 4, n),
        rng.standard_normal((n, N_LAGS)).astype("f4"),
        (*tile, FIRST + k),
        True,
    )


def begin(out):
    channels = [Channel(name, 0.0, 0.0, 0.0) for name in IDS]
    return create_run(
        out, config={}, channels=channels, sampling_rate_hz=1.0, n_lags=N_LAGS
    )


@pytest.fixture
def batches():
    """Two pairs on most days, in no order of time."""
    rng = np.random.default_rng(3)
    result = [day_rows(k, [(0, 2), (1, 3)], rng) for k in (3, 0, 7, 1)]
    result += [day_rows(k, [(1, 3)], rng) for k in (4, 6)]
    return [
        *result,
        day_rows(2, [(0, 2)], rng),
        day_rows(2, [(0, 1)], rng, tile=(0, 0)),
    ]


def restacked(out, derived, memory_bytes=1 << 20):
    """Return the rows of every stack of every pair, and the tiles that were ended."""
    parts, tiles = substack_rows(out)
    pe = pickle.loads(
        pickle.dumps(
            RestackPairs(str(out), parts, derived, N_LAGS, "float32", memory_bytes)
        )
    )
    pe.preprocess()
    result, ended = {}, []
    for tile in tiles.values():
        for outputs in pe.process({"input": tile}):
            rows = outputs["output"]
            assert rows.tile == (tile.row, tile.column, DERIVED)
            if rows.last:
                ended.append(rows.tile)
            for i, pair in enumerate(rows.pairs.tolist()):
                key = (*pair, rows.stack)
                assert key not in result
                result[key] = (
                    rows.data[i],
                    int(rows.n_windows[i]),
                    int(rows.start_ns[i]),
                    int(rows.end_ns[i]),
                )
    pe.postprocess()
    return result, ended


def rows_of(batches, pair, first=0, stop=None):
    """Data, windows, start and end of a pair in the order of time."""
    results = {}
    for batch in batches:
        if DAYS.index(batch.stack) not in range(first, stop or len(DAYS)):
            continue
        for i, found_pair in enumerate(batch.pairs.tolist()):
            if tuple(found_pair) == pair:
                times = int(batch.start_ns[i]), int(batch.end_ns[i])
                results[batch.stack] = (batch.data[i], int(batch.n_windows[i]), *times)
    data, n, start, end = zip(*[results[day] for day in sorted(results)], strict=True)
    return np.array(data), np.array(n), min(start), max(end)


def write(out, batches, **kw):
    with CorrelationWriter(out, **kw) as writer:
        for batch in batches:
            writer.write(batch)


@pytest.mark.parametrize("memory_bytes", [1, 2000, 1 << 20])
def test_all_is_the_mean_weighted_by_windows(tmp_path, batches, memory_bytes):
    begin(tmp_path)
    write(tmp_path, batches)
    result, ended = restacked(tmp_path, DerivedStacks(1.0), memory_bytes)
    assert ended == [(0, 0, DERIVED), (0, 1, DERIVED)]
    assert set(result) == {(0, 1, "all"), (0, 2, "all"), (1, 3, "all")}
    for (i, j, _), (data, n_windows, start_ns, end_ns) in result.items():
        rows, n, first, last = rows_of(batches, (i, j))
        assert (n_windows, start_ns, end_ns) == (n.sum(), first, last)
        # float64 sums, rounded to float32 at the end
        np.testing.assert_allclose(data, n @ rows.astype("f8") / n.sum(), rtol=1e-6)


def test_the_order_and_the_memory_do_not_change_a_bit(tmp_path, batches):
    derived = DerivedStacks(1.0, moving=moving_stacks(*span(), 3 * 86400, 86400))
    seen = []
    for name, order, memory in (("a", 1, 1 << 20), ("b", -1, 500)):
        begin(tmp_path / name)
        for first in batches[::order]:  # a part for each
            write(tmp_path / name, [first])
        seen.append(restacked(tmp_path / name, derived, memory)[0])
    first, second = seen
    assert set(first) == set(second)
    for key, (data, *rest) in first.items():
        np.testing.assert_array_equal(data, second[key][0])
        assert rest == list(second[key][1:])


def span():
    return FIRST * DAY_NS, (FIRST + len(DAYS)) * DAY_NS


def test_moving_stacks(tmp_path, batches):
    begin(tmp_path)
    write(tmp_path, batches)
    moving = moving_stacks(*span(), 3 * 86400, 2 * 86400)
    result, _ = restacked(tmp_path, DerivedStacks(1.0, moving=moving))
    # every second day since 1970 is an even one; the last that fits begins on the 14th
    assert [item.name[:10] for item in moving] == [DAYS[0], DAYS[2], DAYS[4]]
    for first, item in zip((0, 2, 4), moving, strict=True):
        assert item.name == f"{DAYS[first]}T00:00:00~259200s"
        for pair in ((0, 2), (1, 3)):
            if pair == (0, 2) and first == 4:
                assert (*pair, item.name) not in result  # no day of these
                continue
            rows, n, start_ns, end_ns = rows_of(batches, pair, first, first + 3)
            data, *rest = result[(*pair, item.name)]
            assert rest == [n.sum(), start_ns, end_ns]
            expected = n @ rows.astype("f8") / n.sum()
            np.testing.assert_allclose(data, expected, rtol=1e-5, atol=1e-7)
    assert (0, 1, moving[0].name) in result


def test_moving_stacks_of_a_longer_time_are_the_same_and_more():
    short = moving_stacks(*span(), 3 * 86400, 86400)
    longer = moving_stacks(span()[0] - 2 * DAY_NS, span()[1] + DAY_NS, 259200, 86400)
    assert set(short) < set(longer)
    assert moving_stacks(0, DAY_NS, 2 * 86400, 86400) == ()
    assert moving_stacks(0, 10**9, 0.5, 0.25)[1].name == "1970-01-01T00:00:00.25~0.5s"


@pytest.mark.parametrize(
    ("kind", "options"),
    [("phase-weighted", {"power": 1.0}), ("robust", {}), ("nth-root", {})],
)
def test_other_kinds_of_stack(tmp_path, batches, kind, options):
    begin(tmp_path)
    write(tmp_path, batches)
    result, _ = restacked(tmp_path, DerivedStacks(1.0, kind, options))
    for pair in ((0, 2), (1, 3)):
        rows, n, *_ = rows_of(batches, pair)
        first = Correlation.of("", "", rows, 1.0, n_windows=n)
        expected = stack(first, kind, **options).data
        np.testing.assert_array_equal(result[(*pair, "all")][0], expected)


def test_uncertainty(tmp_path):
    rng = np.random.default_rng(5)
    begin(tmp_path)
    output = [day_rows(k, [(0, 2), (1, 3)], rng) for k in range(8)]
    for item in output:
        item.n_windows[:] = 24
    write(tmp_path, output)
    write(tmp_path, [day_rows(0, [(0, 1)], rng, tile=(0, 0))])
    result, _ = restacked(tmp_path, DerivedStacks(1.0, uncertainty=True))
    rows, n, *_ = rows_of(output, (0, 2))
    known = bootstrap(Correlation.of("", "", rows, 1.0, n_windows=n)).deviation
    # the same estimate by other draws: 200 of them are good to some 5 % each
    np.testing.assert_allclose(result[0, 2, "all.std"][0], known, rtol=0.3)
    assert (0, 1, "all.std") not in result  # one day gives no estimate


@pytest.mark.parametrize(("kind", "options"), [("robust", {}), ("nth-root", {})])
def test_uncertainty_is_that_of_the_kind_of_stack(tmp_path, kind, options):
    rng = np.random.default_rng(6)
    begin(tmp_path)
    output = [day_rows(k, [(0, 2)], rng) for k in range(8)]
    write(tmp_path, output)
    derived = DerivedStacks(1.0, kind, options, uncertainty=True)
    result, _ = restacked(tmp_path, derived)
    rows, n, *_ = rows_of(output, (0, 2))
    draws = []
    for chosen in rng.integers(8, size=(200, 8)):
        first = Correlation.of("", "", rows[chosen], 1.0, n_windows=n[chosen])
        draws.append(stack(first, kind, **options).data)
    # two estimates of 200 draws, good to some 5 % each
    known = np.std(draws, axis=0, ddof=1).ravel()
    np.testing.assert_allclose(result[0, 2, "all.std"][0], known, rtol=0.3)


def test_bands_are_apart(tmp_path):
    rng = np.random.default_rng(6)
    begin(tmp_path)
    output = {
        band: [day_rows(k, [(0, 2)], rng, f"@{band}") for k in range(3)]
        for band in ("0.1-0.5Hz", "0.5-2Hz")
    }
    write(
        tmp_path, [item for pair in zip(*output.values(), strict=True) for item in pair]
    )
    moving = moving_stacks(*span(), 2 * 86400, 86400)
    result, _ = restacked(tmp_path, DerivedStacks(1.0, moving=moving))
    for band, batches in output.items():
        n = np.array([item.n_windows[0] for item in batches])
        rows = np.array([item.data[0] for item in batches], "f8")
        data = result[0, 2, f"all@{band}"][0]
        np.testing.assert_allclose(data, n @ rows / n.sum(), rtol=1e-6, atol=1e-7)
        assert (0, 2, f"{moving[0].name}@{band}") in result


def test_the_last_row_is_used_and_outdated_rows_are_not(tmp_path, batches):
    rng = np.random.default_rng(8)
    begin(tmp_path)
    write(tmp_path, batches, session=1)
    outdated = [batch for batch in batches if batch.stack == DAYS[2]]
    write(tmp_path, [day_rows(2, [(0, 1)], rng, tile=(0, 0))], session=2)
    again = day_rows(0, [(0, 2), (1, 3)], rng)
    write(tmp_path, [again], session=2)
    run = new_session(read_run(tmp_path), "update", redo=(Redo(-1, FIRST + 2, 2),))
    write_run(tmp_path, run)
    result, _ = restacked(tmp_path, DerivedStacks(1.0))
    kept = [
        batch for batch in batches if batch not in outdated and batch.stack != DAYS[0]
    ]
    rows, n, *_ = rows_of([*kept, again], (0, 2))
    data = result[0, 2, "all"][0]
    np.testing.assert_allclose(data, n @ rows.astype("f8") / n.sum(), rtol=1e-6)


def test_derived_rows_are_not_stacked_again(tmp_path, batches):
    begin(tmp_path)
    write(tmp_path, batches)
    before, _ = restacked(tmp_path, DerivedStacks(1.0))
    parts, tiles = substack_rows(tmp_path)
    pe = RestackPairs(str(tmp_path), parts, DerivedStacks(1.0), N_LAGS, "float32")
    pe.preprocess()
    result = [o["output"] for t in tiles.values() for o in pe.process({"input": t})]
    pe.postprocess()
    write(tmp_path, result)
    after, _ = restacked(tmp_path, DerivedStacks(1.0))
    assert set(before) == set(after)
    for key, (data, *_) in before.items():
        np.testing.assert_array_equal(after[key][0], data)
