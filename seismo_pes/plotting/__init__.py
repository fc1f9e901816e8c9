"""Figures of waveforms, correlations, misfits and station networks.

Arrays, traces or correlations enter; matplotlib `Figure` objects leave, which open no
window and do not use the global state of pyplot. `save` writes them to a file.
"""

from seismo_pes.plotting.availability import availability_figure
from seismo_pes.plotting.clocks import clock_figure
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
from seismo_pes.plotting.event_map import event_map_figure
from seismo_pes.plotting.figure import save
from seismo_pes.plotting.misfit_histograms import band_name, histogram_figure
from seismo_pes.plotting.misfit_records import (
    ComparedTraces,
    MeasuredWindow,
    records_figure,
)
from seismo_pes.plotting.misfit_time_frequency import time_frequency_figure
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
    "ComparedTraces",
    "DirectionBins",
    "DistanceBins",
    "DrawCorrelation",
    "DrawPsd",
    "DrawSpectrogram",
    "DrawWaveform",
    "MeasuredWindow",
    "Substacks",
    "availability_figure",
    "azimuth_section_figure",
    "band_name",
    "clock_figure",
    "components_figure",
    "curves_figure",
    "direction_figure",
    "event_map_figure",
    "ftan_figure",
    "histogram_figure",
    "interpolate_over_slowness",
    "map_figure",
    "matrix_figure",
    "normalise_rows",
    "pair_figure",
    "psd_figure",
    "record_section_figure",
    "records_figure",
    "rose_figure",
    "save",
    "snr_figure",
    "spectrogram_figure",
    "time_figure",
    "time_frequency_figure",
    "velocity_figure",
    "velocity_image_figure",
    "waveform_figure",
]
