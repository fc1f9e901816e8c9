"""Figures of waveforms, correlations and networks, made of arrays and traces.

Arrays, traces or correlations enter; matplotlib `Figure` objects without a window or
global state leave, and `save` writes them.
"""

from seismo_pes.plotting.availability import availability_figure
from seismo_pes.plotting.components import components_figure
from seismo_pes.plotting.correlation_images import matrix_figure, time_figure
from seismo_pes.plotting.direction import DirectionBins, direction_figure
from seismo_pes.plotting.dispersion import curves_figure, ftan_figure
from seismo_pes.plotting.drawing_elements import (
    DrawCorrelation,
    DrawPsd,
    DrawSpectrogram,
    DrawWaveform,
)
from seismo_pes.plotting.figure import save
from seismo_pes.plotting.pair import Substacks, pair_figure
from seismo_pes.plotting.rose import rose_figure
from seismo_pes.plotting.section import (
    MOST_NAMES,
    DistanceBins,
    azimuth_section_figure,
    normalised,
    over_slowness,
    record_section_figure,
)
from seismo_pes.plotting.signal_to_noise import snr_figure
from seismo_pes.plotting.station_map import map_figure
from seismo_pes.plotting.velocity_change import velocity_figure, velocity_image_figure
from seismo_pes.plotting.waveform import psd_figure, spectrogram_figure, waveform_figure

__all__ = [
    "MOST_NAMES",
    "DirectionBins",
    "DistanceBins",
    "DrawCorrelation",
    "DrawPsd",
    "DrawSpectrogram",
    "DrawWaveform",
    "Substacks",
    "availability_figure",
    "azimuth_section_figure",
    "components_figure",
    "curves_figure",
    "direction_figure",
    "ftan_figure",
    "map_figure",
    "matrix_figure",
    "normalised",
    "over_slowness",
    "pair_figure",
    "psd_figure",
    "record_section_figure",
    "rose_figure",
    "save",
    "snr_figure",
    "spectrogram_figure",
    "time_figure",
    "velocity_figure",
    "velocity_image_figure",
    "waveform_figure",
]
