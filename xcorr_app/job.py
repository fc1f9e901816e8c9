"""What a run will do, settled before anything starts: channels, windows, spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.archive import open_archive, select
from seismo_pes.holdings import ChannelInfo, ChannelSpan
from seismo_pes.inventory import read_inventory
from seismo_pes.merge import exact_rate
from seismo_pes.report import Skipped
from seismo_pes.signal.errors import ParameterError as SignalError
from seismo_pes.signal.window import WindowGrid
from seismo_pes.spectra import SpectraSettings
from seismo_pes.stations import (
    Channel,
    StationPattern,
    locate,
    read_station_list,
)
from xcorr_app.config import Config

__all__ = ["Job", "prepare"]

NS = 1_000_000_000
DAY_NS = 86_400 * NS
USUAL_CHANNELS = "??Z"


@dataclass(frozen=True)
class Job:
    """All that the workflow needs to know beside the data.

    Attributes
    ----------
    config : Config
    channels : list of Channel
        The channel table; pairs are indices into it.
    settings : SpectraSettings
    stretches : list of str
        UTC days with windows, ``2022-05-17``.
    spans : list of ChannelSpan
        What is to be read, stretch by stretch.
    inventory : obspy.Inventory or None
    skipped : list of Skipped
        What is left out already.
    """

    config: Config
    channels: list[Channel]
    settings: SpectraSettings
    stretches: list[str]
    spans: list[ChannelSpan]
    inventory: Any
    skipped: list[Skipped]

    @property
    def spans_per_stretch(self) -> dict[int, int]:
        """How many spans each stretch has."""
        return dict(Counter(span.stretch for span in self.spans))


def prepare(config: Config) -> Job:
    """Look at the station list, the archive and the inventory; lay out the windows.

    Raises
    ------
    ParameterError
        If there is nothing to do, or an option does not fit the data.
    """
    patterns = read_station_list(config.stations)
    if config.channels is None:
        patterns = [_with_channel(pattern) for pattern in patterns]
    archive = open_archive(config.data)
    codes = ",".join(config.channels or ["*"])
    infos, skipped = select(archive, patterns, codes, config.start_ns, config.end_ns)
    inventory = None
    if config.inventory is not None:
        inventory, unreadable = read_inventory(config.inventory)
        skipped += unreadable
    rate_hz = config.sampling_rate_hz or usual_rate_hz(infos)
    _check_rate(config, rate_hz)
    grid, end_ns = window_grid(config, infos)
    settings = SpectraSettings(
        grid,
        rate_hz,
        config.max_lag_s,
        sample_phase_ns(infos, grid.origin_ns),
        config.window_detrend,
        config.whiten_hz,
        config.normalize == "energy",
        config.dtype,
    )
    _check_spectra(settings)
    names, times = stretches(grid, end_ns)
    ids = list(infos)
    spans = archive.spans(ids, times)
    located, unknown = locate(
        ids, patterns, inventory, infos, config.start_ns, config.end_ns
    )
    if not spans:
        raise ParameterError(
            f"{config.data}: no window of --window-s {config.window_s:g} fits the data "
            "of the listed stations; choose a shorter one or check --start and --end"
        )
    return Job(
        config,
        list(located.values()),
        settings,
        names,
        spans,
        inventory,
        [*archive.skipped, *skipped, *unknown],
    )


def _with_channel(pattern: StationPattern) -> StationPattern:
    """Let a station that is listed without a channel mean its vertical one."""
    if pattern.channel != "*":
        return pattern
    return replace(pattern, channel=USUAL_CHANNELS)


def usual_rate_hz(infos: dict[str, ChannelInfo]) -> float:
    """Return the sampling rate that most channels have, the higher one if equal."""
    rates = Counter(
        float(exact_rate(rate)) for info in infos.values() for rate in info.rates_hz
    )
    if not rates:
        raise ParameterError(
            "no file of the listed stations tells its sampling rate: "
            "give --sampling-rate-hz"
        )
    return max(rates, key=lambda rate: (rates[rate], rate))


def sample_phase_ns(infos: dict[str, ChannelInfo], origin_ns: int) -> int:
    """Return where the samples lie between the beats of the clock.

    Recorders rarely sample at the full second, but those of a network mostly do at
    the same fraction. The mean over the channels (on the circle) is taken for all;
    what is less than half a sample away from it is simultaneous. The phase is chosen
    so that records which begin with their day begin with sample 0 of it: it lies
    within one sample of zero.
    """
    turns, begins = [], []
    for info in infos.values():
        if info.first_sample_ns is None:
            continue
        rate_hz = info.rates_hz[0]
        since_ns = info.first_sample_ns - origin_ns
        turns.append((since_ns * rate_hz / NS) % 1)
        into_day = (since_ns + DAY_NS // 2) % DAY_NS - DAY_NS // 2
        if abs(into_day) * rate_hz < NS:
            begins.append(into_day * rate_hz / NS)
    if not turns:
        return 0
    mean = np.exp(2j * np.pi * np.array(turns)).mean()
    if abs(mean) < 0.5:  # no common phase
        return 0
    phase = float(np.angle(mean) / (2 * np.pi)) % 1
    near = np.median(begins) if begins else (0.5 if phase < 0.99 else -0.5)
    if abs(phase - 1 - near) < abs(phase - near):
        phase -= 1
    rate_hz = max(rate for info in infos.values() for rate in info.rates_hz)
    return round(phase * NS / rate_hz)


def window_grid(
    config: Config, infos: dict[str, ChannelInfo]
) -> tuple[WindowGrid, int]:
    """Return the windows of the run, and where the last may end.

    They start at multiples of the step from ``--start``, else from midnight UTC of
    the first day that has data.
    """
    start_ns, end_ns = config.start_ns, config.end_ns
    if start_ns is None:
        first = min(info.start_ns for info in infos.values())
        # a sample may lie up to half a period before the midnight that it belongs to
        start_ns = (first + NS // 2) // DAY_NS * DAY_NS
    if end_ns is None:
        end_ns = max(info.end_ns for info in infos.values()) + NS
    length_ns, step_ns = round(config.window_s * NS), round((config.step_s or 0) * NS)
    return WindowGrid(start_ns, length_ns, step_ns), end_ns


def stretches(grid: WindowGrid, end_ns: int) -> tuple[list[str], list[tuple[int, int]]]:
    """Divide the windows by the UTC day in which they start.

    Returns
    -------
    names : list of str
        The days.
    times : list of (int, int)
        From the start of the first to the end of the last window of each.
    """
    windows = grid.windows_between(grid.origin_ns, end_ns)
    if not len(windows):
        return [], []
    starts = grid.start_ns(np.asarray(windows, np.int64))
    days = starts // DAY_NS
    firsts = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
    lasts = [*(firsts[1:] - 1), len(days) - 1]
    names = [_day(int(days[k])) for k in firsts]
    times = [
        (int(starts[a]), int(starts[b]) + grid.length_ns)
        for a, b in zip(firsts, lasts, strict=True)
    ]
    return names, times


def _day(number: int) -> str:
    return datetime.fromtimestamp(number * 86_400, UTC).date().isoformat()


def _check_rate(config: Config, rate_hz: float) -> None:
    """Refuse frequencies that the data do not have."""
    nyquist = rate_hz / 2
    bands: Sequence[tuple[str, Sequence[float] | None]] = [
        ("--bandpass-hz", config.bandpass_hz),
        ("--whiten-hz", config.whiten_hz),
    ]
    for option, band in bands:
        if band is not None and band[1] >= nyquist:
            raise ParameterError(
                f"{option} {band[0]:g} {band[1]:g}: {band[1]:g} Hz is not below "
                f"{nyquist:g} Hz, the Nyquist frequency at {rate_hz:g} Hz"
            )


def _check_spectra(settings: SpectraSettings) -> None:
    try:
        _ = settings.n_fft, settings.bins
    except SignalError as error:
        raise ParameterError(str(error)) from error
