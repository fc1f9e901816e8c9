"""Items of live runs: closed windows, and the state of their channels."""

from __future__ import annotations

from dataclasses import dataclass

from xcorr_app.live.continuous_record import Position

__all__ = ["ChannelState", "ClosedWindow", "LiveStates"]


@dataclass(frozen=True)
class ClosedWindow:
    """A window of the grid whose data are complete, or whose wait is over.

    Attributes
    ----------
    window : int
        Number of the window on the grid.
    start_ns, end_ns : int
        Its times, nanoseconds since 1970.
    needed_ns : int
        The earliest time of data that the next window needs.
    n_missing : int
        Channels without all data of the window.
    arrived_s : float or None
        Time of the monotonic clock at which its last packet arrived, seconds.
    missing : tuple of (str, int, int)
        Channel, start and end of the data without which it was closed: of the window
        and its margins, and of the windows before it that had no data at all.
    positions : tuple of Position
        Where the records are, for a run that continues after it.
    """

    window: int
    start_ns: int
    end_ns: int
    needed_ns: int
    n_missing: int
    arrived_s: float | None
    missing: tuple[tuple[str, int, int], ...] = ()
    positions: tuple[Position, ...] = ()


@dataclass(frozen=True)
class ChannelState:
    """A live channel at one time, as it is shown and used in alerts.

    Attributes
    ----------
    channel : str
        ``NET.STA.LOC.CHA``.
    is_idle : bool
        Whether no packet has arrived for a long time.
    latency_s : float or None
        Age of the newest sample of the contiguous data; None before the first data.
    feed_latency_s : float or None
        Time since the last packet.
    samples : tuple of float
        The newest minutes of the waveform, minima and maxima in turn; empty for a
        channel that is not shown.
    samples_s : float
        Length of the waveform, seconds.
    """

    channel: str
    is_idle: bool
    latency_s: float | None
    feed_latency_s: float | None
    samples: tuple[float, ...] = ()
    samples_s: float = 0.0


@dataclass(frozen=True)
class LiveStates:
    """The states of all channels at one time.

    Attributes
    ----------
    clock_ns : int
        Time of the clock of the source, nanoseconds since 1970.
    channels : tuple of ChannelState
        The channels.
    """

    clock_ns: int
    channels: tuple[ChannelState, ...]
