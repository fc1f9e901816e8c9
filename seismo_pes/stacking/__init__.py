"""From correlations of windows to stacks.

Correlations with one row for each window enter; stacks, moving stacks and their
signal-to-noise ratios leave.
"""

from seismo_pes.stacking.rotation import RotateTensor, rotate_correlations
from seismo_pes.stacking.stacks import (
    Bootstrap,
    MovingStack,
    RunningStack,
    SignalToNoise,
    SignalToNoiseRatio,
    Stack,
    Symmetric,
    bootstrap,
    moving_stack,
    signal_to_noise,
    stack,
    symmetric,
)

__all__ = [
    "Bootstrap",
    "MovingStack",
    "RotateTensor",
    "RunningStack",
    "SignalToNoise",
    "SignalToNoiseRatio",
    "Stack",
    "Symmetric",
    "bootstrap",
    "moving_stack",
    "rotate_correlations",
    "signal_to_noise",
    "stack",
    "symmetric",
]
