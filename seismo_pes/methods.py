"""Names of the methods between which users choose.

This module imports nothing, so that a command line can list them at once.
"""

#: Methods that stack windows or substacks; `seismo_pes.stacking` has the functions.
STACKS = (
    "linear",
    "nth-root",
    "phase-weighted",
    "time-frequency-phase-weighted",
    "robust",
    "selective",
    "adaptive-covariance",
    "wiener",
)
#: Kinds of correlation of two windows; `seismo_pes.correlating` has the functions.
CORRELATIONS = ("cc", "coherency", "deconvolution", "pcc1", "pcc2")
#: How the amplitude spectrum of a window is flattened.
WHITENINGS = ("none", "band", "psd", "running-mean")
#: How a trace is normalised in time; `seismo_pes.preprocessing` has the elements.
TIME_NORMS = (
    "none",
    "onebit",
    "clip",
    "winsorize",
    "ram",
    "multiband-ram",
    "mean",
    "gain",
    "envelope",
    "agc",
    "water-level",
)
#: Results of the removal of an instrument response: velocity, displacement,
#: acceleration.
RESPONSES = ("VEL", "DISP", "ACC")
#: How velocity changes are measured; `seismo_pes.measuring` has the functions.
VELOCITY_CHANGES = ("stretching", "mwcs", "wcc", "dtw", "wcs", "wts")
#: Lags that a velocity change is measured from, and lags for a dispersion curve, where
#: ``symmetric`` is the mean of both sides.
SIDES = ("both", "causal", "acausal")
DISPERSION_SIDES = ("symmetric", "causal", "acausal")
#: Pairs of channels: of two stations, of two components of a station, of a channel
#: with itself.
PAIRS = ("cross", "single-station", "auto")
#: What to do where overlapping records of a channel differ.
OVERLAPS = ("first", "last", "mean", "drop")
