"""Measurements on waveforms and correlations.

Traces or correlations enter; velocity changes and shifts by clock errors with their
errors, dispersion curves, and amplitudes and spectra of windows leave.
"""

from seismo_pes.measuring.clock_shifts import (
    ClockShifts,
    MeasureClockShifts,
    measure_clock_shifts,
)
from seismo_pes.measuring.dispersion import DispersionCurve, Ftan, measure_dispersion
from seismo_pes.measuring.quality_metrics import (
    MeasureQuality,
    WindowQuality,
    measure_quality,
    psd_percentiles,
)
from seismo_pes.measuring.velocity_change import (
    CrossCorrelateWindows,
    Mwcs,
    Stretch,
    VelocityChanges,
    Warp,
    cross_correlate_windows,
    mwcs,
    stretch_windows,
    warp,
)
from seismo_pes.measuring.velocity_change_by_frequency import (
    WaveletDelays,
    WaveletStretch,
    wavelet,
    wavelet_stretch_windows,
)

__all__ = [
    "ClockShifts",
    "CrossCorrelateWindows",
    "DispersionCurve",
    "Ftan",
    "MeasureClockShifts",
    "MeasureQuality",
    "Mwcs",
    "Stretch",
    "VelocityChanges",
    "Warp",
    "WaveletDelays",
    "WaveletStretch",
    "WindowQuality",
    "cross_correlate_windows",
    "measure_clock_shifts",
    "measure_dispersion",
    "measure_quality",
    "mwcs",
    "psd_percentiles",
    "stretch_windows",
    "warp",
    "wavelet",
    "wavelet_stretch_windows",
]
