"""Write pyadjoint_values.json: misfits of pyadjoint 0.2.3 on synthetic records.

Run it in an environment of its own, with pyadjoint 0.2.3 and obspy, from any folder:
``python make_pyadjoint_values.py``. The records are sums of wave packets, so the tests
build them again from the numbers in the file.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import obspy
import pyadjoint

DELTA_S, N = 0.25, 1200
# A packet: amplitude, time of its middle, half width, period (all s), phase (rad).
EARLY, LATE = [1.0, 120.0, 18.0, 9.0, 0.3], [0.6, 175.0, 25.0, 14.0, 1.1]
NOISE = [0.08, 140.0, 60.0, 6.5, 2.0]
RECORDS = {
    "synthetic": [EARLY, LATE],
    "observed": [[1.2, 122.0, 18.0, 9.0, 0.3], [0.66, 177.3, 24.0, 13.8, 1.2], NOISE],
    "synthetic_2": [[0.9, 131.0, 18.0, 9.0, 0.3], [0.5, 188.0, 25.0, 14.0, 1.0]],
    "observed_2": [[1.0, 134.5, 18.5, 9.0, 0.3], [0.6, 190.0, 25.0, 14.0, 1.0], NOISE],
    # not similar: the error is above its smallest value of 1 s
    "noisy": [[1.2, 122.0, 18.0, 9.0, 0.3], [1.1, 118.0, 40.0, 21.0, 0.0], LATE],
}
ONE, TWO, OTHER = [[95.0, 150.0]], [[95.0, 150.0], [140.25, 215.5]], [[106.0, 161.0]]
PERIODS = {"min_period": 5.0, "max_period": 30.0}
CASES = [
    ("waveform", "observed", TWO, {}),
    ("exponentiated_phase", "observed", TWO, {}),
    ("exponentiated_phase", "observed", ONE, {"wtr_env": 0.05}),
    ("cc_traveltime", "observed", TWO, {"measure_type": "dt"}),
    ("cc_traveltime", "observed", TWO, {"measure_type": "am"}),
    ("cc_traveltime", "noisy", ONE, {"measure_type": "dt"}),
    ("cc_traveltime", "noisy", ONE, {"measure_type": "am"}),
    ("cc_traveltime", "noisy", ONE, {"measure_type": "dt", "use_cc_error": False}),
    ("multitaper", "observed", TWO, {"measure_type": "dt"}),
    ("multitaper", "observed", TWO, {"measure_type": "am"}),
    ("multitaper", "observed", ONE, {"mt_nw": 2.5, "num_taper": 3}),
    ("waveform_dd", "observed", ONE, {}),
    ("convolution_dd", "observed", ONE, {}),
    ("cc_traveltime_dd", "observed", ONE, {}),
]


def record(packets):
    t = np.arange(N) * DELTA_S
    x = np.zeros(N)
    for amplitude, middle, width, period, phase in packets:
        wave = np.cos(2 * np.pi * (t - middle) / period + phase)
        x += amplitude * np.exp(-(((t - middle) / width) ** 2)) * wave
    return x


def trace(name):
    return obspy.Trace(record(RECORDS[name]), {"delta": DELTA_S, "channel": "BXZ"})


def run(kind, observed, windows, options):
    config = pyadjoint.get_config(kind, **PERIODS, **options)
    more = {}
    if kind.endswith("_dd"):
        more = {
            "observed_2": trace("observed_2"),
            "synthetic_2": trace("synthetic_2"),
            "windows_2": OTHER,
        }
    result = pyadjoint.calculate_adjoint_source(
        trace(observed), trace("synthetic"), config, windows, **more
    )
    result = result[0] if isinstance(result, tuple) else result
    used = {stats["type"] for stats in result.window_stats}
    fell_back = kind.startswith("multitaper") and used != {"multitaper"}
    if fell_back:
        raise RuntimeError(f"{kind} {options}: pyadjoint used {used}")
    return result.misfit


def main():
    warnings.simplefilter("ignore")
    rows = [
        {
            "type": kind,
            "observed": observed,
            "windows": windows,
            "options": options,
            "misfit": run(kind, observed, windows, options),
        }
        for kind, observed, windows, options in CASES
    ]
    made = {
        "made_by": "make_pyadjoint_values.py, pyadjoint 0.2.3",
        "delta_s": DELTA_S,
        "n": N,
        "periods": PERIODS,
        "other_windows": OTHER,
        "packets": RECORDS,
        "cases": rows,
    }
    path = Path(__file__).with_name("pyadjoint_values.json")
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
