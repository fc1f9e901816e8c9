"""Figures of waveforms, correlations and station networks.

Arrays, traces or correlations enter; matplotlib `Figure` objects leave, which open no
window and do not use the global state of pyplot. `save` writes them to a file.
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
    MAX_NAMES,
    DistanceBins,
    azimuth_section_figure,
    interpolate_over_slowness,
    normalise_rows,
    record_section_figure,
)
from seismo_pes.plotting.signal_to_noise import snr_figure
from seismo_pes.plotting.station_map import map_figure
from seismo_pes.plotting.velocity_change import velocity_figure, velocity_image_figure
from seismo_pes.plotting.waveform import psd_figure, spectrogram_figure, waveform_figure

__all__ = [
    "MAX_NAMES",
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
    "interpolate_over_slowness",
    "map_figure",
    "matrix_figure",
    "normalise_rows",
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
