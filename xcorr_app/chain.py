"""The preprocessing of a run: which elements each trace goes through, in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from dispel4py.base import CompositePE
from dispel4py.core import GenericPE
from seismo_pes.preprocess import Bandpass, Detrend, Merge, Normalize, Resample, Taper
from seismo_pes.response import RemoveResponse
from xcorr_app.job import Job

__all__ = ["Preprocess"]


class Preprocess(CompositePE):
    """From raw traces to traces on the common grid and at the common rate.

    Ports ``input`` and ``output``: Waveforms. Only the steps that the configuration
    asks for are there.
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        steps = list(_steps(job))
        for before, after in itertools.pairwise(steps):
            self.connect(before, "output", after, "input")
        self.add(steps[0])
        self._map_input("input", steps[0], "input")
        self._map_output("output", steps[-1], "output")


def _steps(job: Job) -> Iterator[GenericPE]:
    config, settings = job.config, job.settings
    yield Merge(settings.sample_origin_ns, flat_s=config.window_s)
    if config.detrend != "none":
        yield Detrend(kind=config.detrend)
    if config.taper_s > 0:
        yield Taper(seconds=config.taper_s)
    if config.response != "none":
        yield RemoveResponse(job.inventory, config.response, config.pre_filt)
    if config.bandpass_hz is not None:
        low_hz, high_hz = config.bandpass_hz
        yield Bandpass(low_hz=low_hz, high_hz=high_hz, corners=config.corners)
    if config.sampling_rate_hz is not None:
        yield Resample(rate_hz=settings.rate_hz, origin_ns=settings.sample_origin_ns)
    if config.time_norm != "none":
        yield Normalize(
            kind=config.time_norm,
            ram_window_s=config.ram_window_s,
            clip_std=config.clip_std,
        )
