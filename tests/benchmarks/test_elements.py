"""The two chains whose times are compared give the same spectra."""

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
    ours, our_laps = elements.ours(day)
    assert list(laps) == list(our_laps)
    # the plain chain interpolates the gap; ours leaves out its window, the 28th
    theirs = np.delete(theirs, 27, axis=0)
    assert len(ours) == len(theirs) == 47
    bins = slice(0, 0)
    for _, pe in elements.elements(day):
        bins = getattr(getattr(pe, "settings", None), "bins", bins)
    theirs = theirs[:, bins]
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    ours = ours / np.linalg.norm(ours, axis=1, keepdims=True)
    # windows far from the gap and the ends, which do not affect them
    inner = [*range(2, 20), *range(34, 44)]
    coefficient = np.abs(np.vecdot(ours[inner], theirs[inner]))
    assert coefficient.min() > 0.99


def test_the_table_is_printed(day, capsys):
    laps = elements.plain(day)[1], elements.ours(day)[1]
    elements._show_chains({"plain": [laps[0]], "ours": [laps[1]]})
    text = capsys.readouterr().out
    assert "windows, FFT, whiten" in text
    assert "goal: at most 0.60" in text


def test_each_element_is_timed(monkeypatch, capsys):
    day = elements._noise_day(np.random.default_rng(1), elements.START)
    short = day.slice(day.stats.starttime, day.stats.starttime + 1000)
    monkeypatch.setattr(elements, "_noise_day", lambda *_: short.copy())
    times = elements.element_times(1)
    assert len(times) == len(elements.single_elements()) > 30
    assert all(set(kinds) == {"float32", "float64"} for kinds in times.values())
    elements._show_elements(times)
    assert "Taper(seconds=60.0)" in capsys.readouterr().out
