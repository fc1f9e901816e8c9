"""What a run will do, settled before anything starts: channels, windows, spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.correlating.pairs.rotation import Rotation
from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.correlating.windows.substacks import period_name
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.metadata.stations import (
    Channel,
    StationPattern,
    locate,
    read_station_list,
)
from seismo_pes.reading.archives.archive import Archive, ChannelInfo
from seismo_pes.reading.archives.opening import select
from seismo_pes.signal.errors import ParameterError as SignalError
from seismo_pes.signal.rates import exact_rate
from seismo_pes.signal.window import WindowGrid
from xcorr_app.config import Config
from xcorr_app.planning.archives import open_archives, open_inventory
from xcorr_app.planning.choose import (
    Choice,
    check_stacks,
    choose,
    needed_codes,
    oriented_names,
    rotated_channels,
    rotation_of,
)
from xcorr_app.planning.steps import parse_steps, rate_after

__all__ = ["Job", "prepare"]

USUAL_CHANNELS = "??Z"


@dataclass(frozen=True)
class Job:
    """All that the workflow needs to know beside the data.

    Attributes
    ----------
    config : Config
    channels : list of Channel
        The channel table; pairs are indices into it. Channels R and T, which are made
        of others, are among them.
    settings : SpectraSettings
    periods : dict of int to str
        UTC days with windows: days since 1970 to ``2022-05-17``.
    spans : list of ChannelSpan
        What is to be read, period by period.
    inventory : obspy.Inventory or None
    skipped : list of Skipped
        What is left out already.
    selection : PairSelection
        Which pairs of the table are wanted.
    rotation : Rotation or None
        Where radial and transverse components are asked for.
    names : dict of str to str
        What a channel that is read is called in the table, where that is another name
        (`--orient`).
    recorded_hz : float
        Sampling rate of the data.
    n_pairs, n_possible_pairs : int
        How many pairs are chosen, of how many.
    """

    config: Config
    channels: list[Channel]
    settings: SpectraSettings
    periods: dict[int, str]
    spans: list[ChannelSpan]
    inventory: Any
    skipped: list[Skipped]
    selection: PairSelection
    rotation: Rotation | None
    names: dict[str, str]
    recorded_hz: float
    n_pairs: int
    n_possible_pairs: int

    @property
    def spans_per_period(self) -> dict[int, int]:
        """How many spans each period has."""
        return dict(Counter(span.period for span in self.spans))

    @property
    def spans_per_instrument(self) -> dict[tuple[str, int], int]:
        """How many spans each instrument (id without last letter) and period have."""
        return dict(Counter((span.channel_id[:-1], span.period) for span in self.spans))


def prepare(config: Config, known: Sequence[str] = ()) -> Job:
    """Look at the station list, the archive and the inventory; lay out the windows.

    Parameters
    ----------
    config : Config
    known : sequence of str
        Channels of an earlier run: the table begins with them, in this order.

    Raises
    ------
    ParameterError
        If there is nothing to do, or an option does not fit the data.
    """
    patterns = read_station_list(config.stations)
    archive = open_archives(config.data)
    infos, skipped = _selected(config, archive, patterns)
    grid, end_ns = window_grid(config, infos)
    recorded_hz = _recorded_hz(config, infos)
    settings = _settings(config, infos, grid, recorded_hz)
    check_stacks(config, settings.rate_hz)
    inventory = None
    if config.inventory is not None:
        inventory, unreadable = open_inventory(
            config.inventory, list(infos), grid.origin_ns, end_ns
        )
        skipped += unreadable
    names = {id_: id_ for id_ in infos}
    if config.orients:
        names = oriented_names(list(infos))
    days, times = periods(grid, end_ns)
    if not days:
        raise _no_window(config)
    place = _Places(config, patterns, inventory, infos, names)
    table, rotation, choice = _table(config, place, known)
    used = _used(config, table, choice.used)
    ids = [id_ for id_ in infos if names[id_] in used]
    spans = [
        replace(span, period=days[span.period]) for span in archive.spans(ids, times)
    ]
    if not spans:
        raise _no_window(config)
    return Job(
        config,
        table,
        settings,
        {day: period_name(day) for day in days},
        spans,
        inventory,
        [*archive.skipped, *skipped, *place.skipped, *choice.skipped],
        choice.selection,
        rotation,
        {old: new for old, new in names.items() if old != new},
        recorded_hz,
        choice.n_pairs,
        choice.n_possible,
    )


def _no_window(config: Config) -> ParameterError:
    return ParameterError(
        f"{config.data_name}: no window of --window-s {config.window_s:g} fits the "
        "data of the listed stations; choose a shorter one or check --start and --end"
    )


def _selected(
    config: Config, archive: Archive, patterns: list[StationPattern]
) -> tuple[dict[str, ChannelInfo], list[Skipped]]:
    """Return the channels of the run, and the stations that have none."""
    codes = config.channels or ("*",)
    needed = needed_codes(config)
    if config.channels is None:
        if needed is None:
            patterns = [_with_channel(pattern) for pattern in patterns]
        else:
            codes = tuple(needed)
    infos, skipped = select(
        archive, patterns, ",".join(codes), config.start_ns, config.end_ns
    )
    if needed is not None:
        letters = {code[-1] for code in needed}
        left = {id_: info for id_, info in infos.items() if id_[-1:] in letters}
        if not left:
            pairs = " ".join(config.components or ())
            there = ", ".join(list(infos)[:5])
            raise ParameterError(
                f"--components {pairs}: no channel has any of these; there are {there}"
            )
        infos = left
    return infos, skipped


def _with_channel(pattern: StationPattern) -> StationPattern:
    """Let a station that is listed without a channel mean its vertical one."""
    if pattern.channel != "*":
        return pattern
    return replace(pattern, channel=USUAL_CHANNELS)


def _settings(
    config: Config,
    infos: dict[str, ChannelInfo],
    grid: WindowGrid,
    recorded_hz: float,
) -> SpectraSettings:
    rate_hz = config.sampling_rate_hz or recorded_hz
    if config.steps is not None:
        rate_hz = rate_after(parse_steps(config.steps), recorded_hz)
    _check_rate(config, rate_hz)
    try:
        settings = SpectraSettings(
            grid,
            rate_hz,
            config.max_lag_s,
            sample_phase_ns(infos, grid.origin_ns),
            config.window_detrend,
            whiten_hz=config.whiten_hz,
            unit_energy=config.normalize == "energy",
            dtype=config.dtype,
            bands_hz=config.bands_hz or (),
            whiten=config.whiten,
            whiten_smooth_hz=config.whiten_smooth_hz or 0.01,
            edge_octaves=1 / 3 if config.edge_octaves is None else config.edge_octaves,
            kind=config.kind,
            water_level=config.water_level or 0.01,
            smooth_hz=config.smooth_hz or 0.0,
            coherent=config.coherent,
        )
        _ = settings.n_fft, settings.bins
    except SignalError as error:
        raise ParameterError(str(error)) from error
    return settings


# -- the table ----------------------------------------------------------------------


class _Places:
    """Finds the coordinates of channels, and remembers those that have none."""

    def __init__(
        self,
        config: Config,
        patterns: list[StationPattern],
        inventory: Any,
        infos: dict[str, ChannelInfo],
        names: dict[str, str],
    ) -> None:
        self._sources = patterns, inventory
        self._times = config.start_ns, config.end_ns
        self.infos = {names[id_]: info for id_, info in infos.items()}
        self._originals = {new: old for old, new in names.items()}
        self.skipped: list[Skipped] = []

    def of(self, ids: Sequence[str]) -> dict[str, Channel]:
        """Return the channels with their coordinates, in the order given."""
        patterns, inventory = self._sources
        asked = [self._originals.get(id_, id_) for id_ in ids]
        headers = {self._originals[id_]: info for id_, info in self.infos.items()}
        located, unknown = locate(asked, patterns, inventory, headers, *self._times)
        self.skipped += unknown
        return {
            id_: replace(located[old], id=id_)
            for id_, old in zip(ids, asked, strict=True)
        }


def _table(
    config: Config, place: _Places, known: Sequence[str]
) -> tuple[list[Channel], Rotation | None, Choice]:
    """Return the channel table, how its channels are turned, and which pairs."""
    located = place.of(sorted(place.infos))
    made: list[Channel] = []
    lacking: list[Skipped] = []
    if config.rotates:
        turned = rotated_channels(located)
        made, lacking = turned.channels, turned.skipped
    place.skipped += lacking
    everything = {c.id: c for c in [*located.values(), *made]}
    gone = [id_ for id_ in known if id_ not in everything]
    everything |= place.of(gone)
    start = list(everything.values())
    rotation = rotation_of(start) if config.rotates else None
    try:
        first = choose(config, start, rotation)
    except ParameterError as error:
        if not lacking:
            raise
        hint = f"{lacking[0].what} {lacking[0].reason}"
        raise ParameterError(f"{error}; {hint}") from None
    used = _used(config, start, first.used)
    order = dict.fromkeys([*known, *(id_ for id_ in everything if id_ in used)])
    table = [everything[id_] for id_ in order]
    if table == start:
        return table, rotation, first
    rotation = rotation_of(table) if config.rotates else None
    return table, rotation, choose(config, table, rotation)


def _used(config: Config, table: list[Channel], needed: np.ndarray) -> set[str]:
    """Return the channels of pairs, and those that these are worked on with."""
    used = {c.id for c, kept in zip(table, needed, strict=True) if kept}
    if config.coherent or config.orients:
        stems = {id_[:-1] for id_ in used}
        used |= {c.id for c in table if c.id[:-1] in stems and c.id[-1:] not in "RT"}
    return used


def _recorded_hz(config: Config, infos: dict[str, ChannelInfo]) -> float:
    try:
        return config.recorded_hz or usual_rate_hz(infos)
    except ParameterError:
        # no header tells it, but what is asked for is known
        if config.sampling_rate_hz is None:
            raise
        return config.sampling_rate_hz


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


def periods(grid: WindowGrid, end_ns: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Divide the windows by the UTC day in which they start.

    Returns
    -------
    numbers : list of int
        The days, counted from 1970-01-01.
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
    numbers = [int(days[k]) for k in firsts]
    times = [
        (int(starts[a]), int(starts[b]) + grid.length_ns)
        for a, b in zip(firsts, lasts, strict=True)
    ]
    return numbers, times


def _check_rate(config: Config, rate_hz: float) -> None:
    """Refuse frequencies that the data do not have."""
    nyquist = rate_hz / 2
    bands: list[tuple[str, Sequence[float] | None]] = [
        ("--bandpass-hz", config.bandpass_hz),
        ("--whiten-hz", config.whiten_hz),
        *(("--bands-hz", band) for band in config.bands_hz or ()),
    ]
    for option, band in bands:
        if band is not None and band[1] >= nyquist:
            raise ParameterError(
                f"{option} {band[0]:g} {band[1]:g}: {band[1]:g} Hz is not below "
                f"{nyquist:g} Hz, the Nyquist frequency at {rate_hz:g} Hz"
            )
