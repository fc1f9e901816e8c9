"""The plan of a live run: that of a batch run of the same channels."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError
from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.stations import PatternIndex
from seismo_pes.preprocessing.normalization import (
    Clip,
    Gain,
    MeanNormalize,
    WaterLevel,
    Winsorize,
)
from seismo_pes.preprocessing.quality import AlignSamples, DropClipped
from seismo_pes.preprocessing.rejection import RejectWindows
from seismo_pes.preprocessing.resampling import ResampleFourier
from seismo_pes.preprocessing.trends import (
    Demean,
    Detrend,
    DetrendPolynomial,
    DetrendSpline,
)
from seismo_pes.reading.archives.archive import Archive, Holding
from seismo_pes.reading.archives.scan import FileEntry
from xcorr_app.config import Config
from xcorr_app.planning.plan import RunPlan, plan_run

__all__ = ["check_live", "live_plan"]

logger = logging.getLogger(__name__)

# Elements whose effect is defined over the record of a day, which a live run does not
# have.
OF_A_DAY = (
    AlignSamples,
    Clip,
    DetrendPolynomial,
    DetrendSpline,
    Gain,
    MeanNormalize,
    ResampleFourier,
    WaterLevel,
    Winsorize,
)


class ExpectedArchive(Archive):
    """The channels of a live source in the place of an archive.

    Parameters
    ----------
    name : str
        The source.
    rates_hz : mapping of str to float
        Sampling rate of each channel.
    start_ns : int
        A time of the first day, nanoseconds since 1970.
    """

    one_channel_per_file = True

    def __init__(self, name: str, rates_hz: Mapping[str, float], start_ns: int) -> None:
        super().__init__(name)
        day_ns = start_ns // DAY_NS * DAY_NS
        for id_, rate_hz in rates_hz.items():
            entry = FileEntry(
                name, "MSEED", id_, day_ns, day_ns + DAY_NS, rate_hz=rate_hz
            )
            self._holdings[id_] = Holding([entry])

    def _look_up(self, index: PatternIndex | None, start_ns: int, end_ns: int) -> None:
        """All channels are known."""


def live_plan(
    config: Config,
    earlier: Sequence[str],
    rates_hz: Mapping[str, float] | None,
    start_ns: int,
) -> RunPlan:
    """Plan a live run.

    Parameters
    ----------
    config : Config
        The options that live and batch runs share.
    earlier : sequence of str
        Channels of earlier starts of the run.
    rates_hz : mapping of str to float, optional
        Sampling rates of the live channels. By default those of the archive that is
        replayed.
    start_ns : int
        A time of the first day, nanoseconds since 1970.

    Raises
    ------
    ParameterError
        If an option needs data that a live run does not have.
    """
    archive = None
    if rates_hz is not None:
        archive = ExpectedArchive(config.data_name, rates_hz, start_ns)
    plan = plan_run(config, earlier, archive)
    check_live(plan)
    if config.sampling_rate_hz is None and len(plan.grid.rates_hz) > 1:
        logger.warning(
            "channels have rates of %s Hz: bring all to one rate (--sampling-rate-hz); "
            "windows of the others may be left out",
            ", ".join(f"{rate_hz:g}" for rate_hz in plan.grid.rates_hz),
        )
    return plan


def check_live(plan: RunPlan) -> None:
    """Refuse options whose result depends on data that arrive later.

    Parameters
    ----------
    plan : RunPlan

    Raises
    ------
    ParameterError
        If there is such an option.
    """
    config, elements = plan.config, plan.chain.elements()
    for option in ("stack", "window_stack"):
        if getattr(config, option) != "linear":
            raise ParameterError(
                f"--{option.replace('_', '-')} {getattr(config, option)}: live stacks "
                "are linear; stack the substacks of the run afterwards"
            )
    if config.moving_s is not None or config.uncertainty:
        raise ParameterError(
            "--moving-s and --uncertainty: not of live stacks; use xcorr-app dvv "
            "on the substacks"
        )
    for element in elements:
        if _looks_at_the_day(element):
            raise ParameterError(
                f"{type(element).__name__}: looks at the whole day, which a live run "
                "does not have yet: leave it out, or use the batch run"
            )
    trends = any(isinstance(element, Demean | Detrend) for element in elements)
    if trends and not _removes_trends(config):
        raise ParameterError(
            "--detrend: a live run does not know the trend of the day: add "
            "--bandpass-hz or --highpass-hz, which remove it, or --detrend none"
        )


def _looks_at_the_day(element: GenericPE) -> bool:
    """Return whether the effect of an element depends on the record of a day."""
    if isinstance(element, DropClipped):
        return element.parameters["level"] is None
    if isinstance(element, RejectWindows):
        return element.n_mad is not None or element.rules[3] is not None
    return isinstance(element, OF_A_DAY)


def _removes_trends(config: Config) -> bool:
    """Return whether a filter removes what a trend of another length leaves."""
    return config.bandpass_hz is not None or config.highpass_hz is not None
