"""Remarks before the start of a run on options without the expected effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from seismo_pes.metadata.stations import Channel
from seismo_pes.reading.archives.archive import ChannelInfo
from xcorr_app.config import Config
from xcorr_app.config.stack import length_of_substack

__all__ = ["option_remarks"]

MOST_NAMES = 3  # channels that are named in a remark


def option_remarks(
    config: Config, infos: Mapping[str, ChannelInfo], channels: list[Channel]
) -> list[str]:
    """Return a line for each option that has no effect, or an unexpected effect.

    Parameters
    ----------
    config : Config
        The options.
    infos : dict of str to ChannelInfo
        The data of each channel in the archives.
    channels : list of Channel
        The channel table of the run.
    """
    remarks = [
        *_remark_rates(config, infos),
        *_remark_components(config, channels),
        *_remark_lengths(config),
    ]
    if config.processes is not None and config.mapping == Config.mapping:
        remarks.append(
            f"-n {config.processes} has no effect with --mapping {config.mapping}, "
            "which is one process: add --mapping multi"
        )
    return remarks


def _remark_rates(config: Config, infos: Mapping[str, ChannelInfo]) -> Iterator[str]:
    asked_hz = config.sampling_rate_hz
    if asked_hz is None or config.recorded_hz is not None:
        return
    slower = [
        name
        for name, info in infos.items()
        if info.rates_hz and float(max(info.rates_hz)) < asked_hz * (1 - 1e-3)
    ]
    if slower:
        more = ", ..." if len(slower) > MOST_NAMES else ""
        yield (
            f"--sampling-rate-hz {asked_hz:g} is above the rate of {len(slower):,} of "
            f"{len(infos):,} channels ({', '.join(slower[:MOST_NAMES])}{more}): they "
            "have no frequencies above half of their own rate"
        )


def _remark_components(config: Config, channels: list[Channel]) -> Iterator[str]:
    letters = {channel.id[-1] for channel in channels}
    missing = sorted({x for pair in config.components or () for x in pair} - letters)
    if missing:
        pairs = [p for p in config.components or () if not set(p) <= letters]
        yield (
            f"--components {' '.join(pairs)}: no channel of the run has the component "
            f"{' or '.join(missing)}"
        )


def _remark_lengths(config: Config) -> Iterator[str]:
    if config.step_s > config.window_s:
        unused = 100 * (1 - config.window_s / config.step_s)
        yield (
            f"--step-s {config.step_s:g} is longer than --window-s "
            f"{config.window_s:g}: {unused:.0f} % of the data are in no window"
        )
    if config.moving_s is not None:
        substack_s = length_of_substack(config)
        if config.moving_s <= substack_s:
            yield (
                f"--moving-s {config.moving_s:g} is not longer than --substack "
                f"{config.substack}, {substack_s:g} s: a moving stack is one substack"
            )
