"""Windows in which an observed and a synthetic record can be compared.

An observed and a synthetic record with the same times enter, with arrival times if they
are known. Windows leave, each with its signal-to-noise ratio, correlation coefficient,
time shift and amplitude ratio, and also all rejected candidates with stage, reason and
numbers. `pick_windows` is the method of Maggi et al. (2009); `judge_window` applies its
criteria of quality to a given window, such as one of an earlier iteration.
`pick_windows_in_stages` leaves out all times at which a sliding window finds the
records different, as Krischer et al. (2015) do.
"""

from seismo_pes.signal.windowing.flexwin import (
    Arrivals,
    Picks,
    noise_before,
    pick_windows,
)
from seismo_pes.signal.windowing.multistage import (
    StageSettings,
    pick_windows_in_stages,
)
from seismo_pes.signal.windowing.quality import Quality, judge_window
from seismo_pes.signal.windowing.selection import RejectedWindow, Window
from seismo_pes.signal.windowing.settings import PickerSettings
from seismo_pes.signal.windowing.stalta import sta_lta

__all__ = [
    "Arrivals",
    "PickerSettings",
    "Picks",
    "Quality",
    "RejectedWindow",
    "StageSettings",
    "Window",
    "judge_window",
    "noise_before",
    "pick_windows",
    "pick_windows_in_stages",
    "sta_lta",
]
