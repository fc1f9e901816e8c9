"""The comparison of the measures of misfit: records and times."""

import numpy as np
import pytest

from benchmarks.measures import __main__ as command
from benchmarks.measures.pyadjoint import KINDS
from benchmarks.measures.records import DELTA_S, WINDOW_S, make_records
from seismo_pes.signal.misfits import MEASURES, measure


def test_the_records_have_the_stated_shift():
    records = make_records()
    row = measure(
        "cc_time", records["observed"], records["synthetic"], DELTA_S, window_s=WINDOW_S
    )
    assert row.quantities["dt_s"] == pytest.approx(1.37, abs=0.2)
    assert {x.shape for x in records.values()} == {(10_000,)}
    assert all(np.isfinite(x).all() for x in records.values())


def test_measures_are_timed():
    assert set(KINDS) < set(MEASURES)
    assert command.ours("waveform", make_records(), 1) > 0
