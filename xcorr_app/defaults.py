"""Defaults that commands and functions of Python share.

This module imports nothing, so that the help of a command needs no function.
"""

# The synthetic network of the demonstration.
N_STATIONS = 24
HOURS = 12.0
SEED = 2015

# Pairs of a mean or a median.
MIN_PAIRS = 3

# Velocity changes.
DVV_METHOD = "stretching"
DVV_SIDE = "both"
DVV_VELOCITY_KM_S = 1.0
MAX_DVV = 0.02
MIN_COHERENCE = 0.5

# Dispersion.
N_PERIODS = 30
GROUP_VELOCITY_KM_S = (1.0, 5.0)
DISP_SIDE = "symmetric"
MIN_SNR = 5.0
MIN_WAVELENGTHS = 1.5

# Clock errors.
ZERO = "symmetry"
