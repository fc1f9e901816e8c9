"""The two chains that are timed beside each other do the same."""

import numpy as np
import pytest

from benchmarks import elements


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    path = tmp_path_factory.mktemp("day") / "day.mseed"
    elements.make_day(path)
    return path


def test_both_chains_give_the_same_spectra(day):
    theirs, laps = elements.plain(day)
    found, our_laps = elements.ours(day)
    assert list(laps) == list(our_laps)
    # the plain chain bridges the gap; ours leaves its window out (the 28th)
    theirs = np.delete(theirs, 27, axis=0)
    assert len(found) == len(theirs) == 47
    bins = slice(0, 0)
    for _, pe in elements.elements(day):
        bins = getattr(getattr(pe, "settings", None), "bins", bins)
    theirs = theirs[:, bins]
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    # far from gap and ends, where the filters feel nothing of them
    inner = [*range(2, 20), *range(34, 44)]
    likeness = np.abs(np.vecdot(found[inner], theirs[inner]))
    assert likeness.min() > 0.99


def test_the_table_is_printed(day, capsys):
    laps = elements.plain(day)[1], elements.ours(day)[1]
    elements._show_chains({"plain": [laps[0]], "ours": [laps[1]]})
    told = capsys.readouterr().out
    assert "windows, FFT, whiten" in told
    assert "goal: at most 0.60" in told


def test_each_element_is_timed_alone(monkeypatch, capsys):
    day = elements._noise_day(np.random.default_rng(1), elements.START)
    short = day.slice(day.stats.starttime, day.stats.starttime + 1000)
    monkeypatch.setattr(elements, "_noise_day", lambda *_: short.copy())
    times = elements.element_times(1)
    assert len(times) == len(elements.alone()) > 30
    assert all(set(one) == {"float32", "float64"} for one in times.values())
    elements._show_elements(times)
    assert "Taper(seconds=60.0)" in capsys.readouterr().out
