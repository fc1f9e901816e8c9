"""Responses without matplotlib, and `obspy.signal` as others know it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from obspy import read_inventory

from seismo_pes.metadata.evalresp import evaluated

PROGRAM = """
import sys, numpy as np
from obspy import read_inventory
from seismo_pes.metadata.evalresp import evaluated
response = read_inventory()[0][0][0].response
evaluated(response, np.array([0.1, 1.0]), "VEL")
assert "matplotlib" not in sys.modules, "matplotlib was imported"
import obspy.signal
assert not hasattr(obspy.signal, "nothing")
{use}
"""
USES = (
    "from obspy.signal import PPSD; PPSD.__init__",
    "import obspy.signal.spectral_estimation as s; assert obspy.signal.PPSD is s.PPSD",
    "assert obspy.signal.spectral_estimation.PPSD is obspy.signal.PPSD",
    "import pickle; from obspy.signal.spectral_estimation import PPSD; "
    "assert pickle.loads(pickle.dumps(PPSD)) is obspy.signal.PPSD",
)


def test_it_is_what_obspy_gives():
    response = read_inventory()[0][0][0].response
    freqs_hz = np.geomspace(0.001, 40, 50)
    expected = response.get_evalresp_response_for_frequencies(freqs_hz, output="ACC")
    assert np.array_equal(evaluated(response, freqs_hz, "ACC"), expected)


def test_plots_are_not_imported_and_there_all_the_same():
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(use=use)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for use in USES
    ]
    errors = [program.communicate(timeout=60)[1] for program in programs]
    assert errors == [""] * len(USES)
