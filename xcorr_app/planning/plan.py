"""The plan of a run: from the options to the spans, step by step."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

from obspy import Inventory

from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.correlating.substacks import period_name
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.metadata.stations import Channel
from seismo_pes.reading.archives.archive import Archive
from xcorr_app.config import Config
from xcorr_app.planning.chain import Chain
from xcorr_app.planning.channels import recorded_channels
from xcorr_app.planning.components import Components
from xcorr_app.planning.grid import RunGrid, SamplingRates, run_grid
from xcorr_app.planning.metadata import station_metadata
from xcorr_app.planning.metadata_remarks import (
    MetadataChecks,
    check_metadata,
    metadata_use,
)
from xcorr_app.planning.option_remarks import option_remarks
from xcorr_app.planning.pairs import ChosenPairs, choose_pairs
from xcorr_app.planning.periods import far_times, window_periods
from xcorr_app.planning.spans import channels_by_period, data_times, spans_to_read
from xcorr_app.planning.spectra import spectra_settings
from xcorr_app.planning.stacks import check_stacks
from xcorr_app.planning.stations import listed_stations
from xcorr_app.planning.table import channel_table

__all__ = ["RunPlan", "plan_run"]

logger = logging.getLogger(__name__)

# Margins are multiples of this time: a day and its margins then have a whole number of
# the blocks of 64 samples in which filters work, at all whole sampling rates.
MARGIN_STEP_S = 64


@dataclass(frozen=True)
class RunPlan:
    """The plan of a run, before its work is divided.

    Attributes
    ----------
    config : Config
        The options.
    grid : RunGrid
        Windows and sampling rates.
    periods : dict of int to (int, int)
        Start and end of each period, by its number.
    settings : SpectraSettings
        How windows become spectra.
    inventory : obspy.Inventory or None
        Station metadata.
    checks : MetadataChecks
        Which of them change in the run.
    names : dict of str to str
        Id of each recorded channel to its id in the channel table.
    pairs : ChosenPairs
        The channel table, and the pairs that are correlated.
    spans : list of ChannelSpan
        The spans to read, period by period.
    skipped : list of Skipped
        Files, stations and channels that cannot be used.
    times : list of (int, int)
        The intervals for which there are files, nanoseconds since 1970.
    without_data : list of str
        Entries of the station list for which the archive has no channel.
    """

    config: Config
    grid: RunGrid
    periods: dict[int, tuple[int, int]]
    settings: SpectraSettings
    inventory: Inventory | None
    checks: MetadataChecks
    names: dict[str, str]
    pairs: ChosenPairs
    spans: list[ChannelSpan]
    skipped: list[Skipped]
    times: list[tuple[int, int]]
    without_data: list[str]

    @property
    def chain(self) -> Chain:
        """The steps of the preprocessing."""
        return Chain(self.config, self.grid, self.settings, self.inventory, self.checks)

    @property
    def recorded(self) -> dict[int, frozenset[str]]:
        """Ids of the recorded channels that have data in each period."""
        ids = {span.channel_id: span.channel_id for span in self.spans}
        return channels_by_period(self.spans, ids)

    @property
    def channels(self) -> list[Channel]:
        """The channel table, into which pairs are indices."""
        return self.pairs.channels

    @property
    def n_lags(self) -> int:
        """Number of samples of a correlation."""
        return 2 * self.settings.max_lag + 1


def plan_run(
    config: Config, earlier: Sequence[str] = (), archive: Archive | None = None
) -> RunPlan:
    """Plan a run: its stations, data, windows and pairs.

    Parameters
    ----------
    config : Config
        The options.
    earlier : sequence of str
        Channels of earlier starts of the run. The channel table begins with them, in
        this order.
    archive : Archive, optional
        The data. By default the archives of the options are opened.

    Raises
    ------
    ParameterError
        If there are no data or no pairs, or an option does not fit the data.
    """
    components = Components(config.components, config.across_components, config.orients)
    limits = config.start_ns, config.end_ns
    rates = SamplingRates(config.recorded_hz, config.sampling_rate_hz, config.steps)
    kinds = {"--window-stack": config.window_stack, "--stack": config.stack}

    stations = listed_stations(config.stations, config.channels, components)
    channels = recorded_channels(
        stations, archive or config.data, limits, components, config.recorded_hz
    )
    grid = run_grid(channels, config.window_s, config.step_s, rates)
    settings = spectra_settings(grid, config, components)
    check_stacks(kinds, config.stack_options, grid.rate_hz)
    times = channels.archive.times(channels.infos)
    periods = window_periods(grid.windows, grid.end_ns, channels.archive.name, times)
    metadata = station_metadata(
        config.inventory, list(channels.infos), grid.windows.origin_ns, grid.end_ns
    )
    table = channel_table(stations, channels, metadata, components, earlier)
    pairs = choose_pairs(table, config, components)
    for remark in option_remarks(config, channels.infos, pairs.channels):
        logger.warning("%s", remark)
    use = metadata_use(config, stations, table, components)
    limits_of_data = data_times(channels.infos, pairs.recorded_ids, grid)
    checks = check_metadata(metadata.inventory, limits_of_data, use)
    chain = Chain(config, grid, settings, metadata.inventory, checks)
    spans = spans_to_read(
        *(channels.archive, pairs.recorded_ids, periods, grid.windows),
        margin_ns=_margin_ns(chain.margin_s()),
    )

    skipped = [*channels.skipped, *_far_days(times), *metadata.skipped]
    skipped += [*table.skipped, *table.not_rotated, *pairs.skipped, *checks.remarks]
    return RunPlan(
        *(config, grid, periods, settings, metadata.inventory, checks),
        *(table.names, pairs, spans, skipped, times, channels.without_data),
    )


def _margin_ns(margin_s: float) -> int:
    """Return the margins that are read: those that are needed, but a day at most."""
    margin_ns = math.ceil(margin_s / MARGIN_STEP_S) * MARGIN_STEP_S * NS
    if margin_ns > DAY_NS:
        logger.warning(
            "the preprocessing needs %.3g h of data before and after each day, and a "
            "day at most is read: windows near midnight differ from the others",
            margin_s / 3600,
        )
    return min(margin_ns, DAY_NS)


def _far_days(times: Sequence[tuple[int, int]]) -> list[Skipped]:
    """Return remarks on data that lie years away from most data."""
    reason = (
        "used, but years away from most of the data: check the clock, or choose the "
        "time by --start and --end"
    )
    names = [
        f"data of {period_name(start_ns // DAY_NS)} to {period_name(end_ns // DAY_NS)}"
        for start_ns, end_ns in far_times(times)
    ]
    return [Skipped("select", name, reason) for name in names]
