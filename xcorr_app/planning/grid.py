"""The grid of a run: windows on absolute time, and samples at one rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from dispel4py.errors import ParameterError
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.reading.archives.archive import ChannelInfo
from seismo_pes.signal.rates import exact_rate
from seismo_pes.signal.window import WindowGrid
from xcorr_app.planning.channels import Limits, RecordedChannels
from xcorr_app.planning.steps import parse_steps, rate_after

__all__ = [
    "RunGrid",
    "SamplingRates",
    "run_grid",
    "usual_rate_hz",
]


@dataclass(frozen=True)
class SamplingRates:
    """The options for sampling rates.

    Attributes
    ----------
    recorded_hz : float or None
        True rate of all data. None: the headers of the files decide.
    asked_hz : float or None
        Rate after preprocessing. None: the rate of the data.
    steps : str or None
        A chain of preprocessing elements, which may change the rate.
    """

    recorded_hz: float | None = None
    asked_hz: float | None = None
    steps: str | None = None


@dataclass(frozen=True)
class RunGrid:
    """Windows and samples that all channels of a run share.

    Attributes
    ----------
    windows : WindowGrid
        The windows.
    end_ns : int
        No window ends after this time, nanoseconds since 1970.
    recorded_hz, rate_hz : float
        Sampling rate of the data, and of the preprocessed traces.
    highest_hz : float or None
        Highest sampling rate of the data. None: not known of all channels.
    rates_hz : tuple of float
        All sampling rates of the data that are known.
    """

    windows: WindowGrid
    end_ns: int
    recorded_hz: float
    rate_hz: float
    highest_hz: float | None = None
    rates_hz: tuple[float, ...] = ()


def run_grid(
    channels: RecordedChannels, window_s: float, step_s: float, rates: SamplingRates
) -> RunGrid:
    """Return the windows and the sample grid of a run, from the times of its data.

    Parameters
    ----------
    channels : RecordedChannels
        The channels in the archives.
    window_s, step_s : float
        Length of a window, and time from the start of a window to the start of the
        next.
    rates : SamplingRates
        The user's options for sampling rates.

    Raises
    ------
    ParameterError
        If the sampling rate of the data is unknown.
    """
    infos = list(channels.infos.values())
    start_ns, end_ns = _time_of_run(infos, channels.limits, rates.recorded_hz)
    windows = WindowGrid(start_ns, round(window_s * NS), round(step_s * NS))
    recorded_hz = _recorded_hz(infos, rates)
    rate_hz = rates.asked_hz or recorded_hz
    if rates.steps is not None:
        rate_hz = rate_after(parse_steps(rates.steps), recorded_hz)
    highest_hz = rates.recorded_hz or _highest_hz(infos)
    rates_hz = {recorded_hz}
    if rates.recorded_hz is None:
        rates_hz |= {rate_hz for info in infos for rate_hz in info.rates_hz}
    return RunGrid(
        windows, end_ns, recorded_hz, rate_hz, highest_hz, tuple(sorted(rates_hz))
    )


def _time_of_run(
    infos: list[ChannelInfo], limits: Limits, recorded_hz: float | None
) -> tuple[int, int]:
    """Return the origin of the windows, and the latest end of a window.

    The windows start at ``--start``, by default at midnight UTC of the first day with
    data.
    """
    start_ns, end_ns = limits
    if start_ns is None:
        first_ns = min(info.start_ns for info in infos)
        # a sample may lie up to half a sample before the midnight to which it belongs
        start_ns = (first_ns + NS // 2) // DAY_NS * DAY_NS
    if end_ns is None:
        end_ns = max(info.end_ns for info in infos) + NS
        rates_hz = [rate_hz for info in infos for rate_hz in info.rates_hz]
        if recorded_hz is not None and max(rates_hz, default=0.0) > recorded_hz:
            # at the true rate, the data last longer than their headers say
            end_ns = -(-end_ns // DAY_NS) * DAY_NS
    return start_ns, end_ns


# -- sampling -----------------------------------------------------------------------


def _recorded_hz(infos: Iterable[ChannelInfo], rates: SamplingRates) -> float:
    try:
        return rates.recorded_hz or usual_rate_hz(infos)
    except ParameterError:
        # no header has the rate, but the user gives one
        if rates.asked_hz is None:
            raise
        return rates.asked_hz


def _highest_hz(infos: list[ChannelInfo]) -> float | None:
    if not all(info.rates_hz for info in infos):
        return None
    return max(max(info.rates_hz) for info in infos)


def usual_rate_hz(infos: Iterable[ChannelInfo]) -> float:
    """Return the sampling rate of most channels, the higher rate if two are equal.

    Raises
    ------
    ParameterError
        If no channel has a sampling rate.
    """
    rates = Counter(float(exact_rate(rate)) for info in infos for rate in info.rates_hz)
    if not rates:
        raise ParameterError(
            "no file of the listed stations has a sampling rate: "
            "give --sampling-rate-hz"
        )
    return max(rates, key=lambda rate: (rates[rate], rate))
