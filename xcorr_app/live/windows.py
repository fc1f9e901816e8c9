"""Windows of live channels, which close when their data are there."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from dispel4py.core import GenericPE
from seismo_pes.items.intervals import Interval, union
from seismo_pes.items.live import LivePiece
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import DAY_NS, NS, nanoseconds
from seismo_pes.items.waveforms import ChannelSpan, Waveforms
from seismo_pes.signal.window import WindowGrid
from xcorr_app.live.channel_data import ChannelData
from xcorr_app.live.continuous_record import Position
from xcorr_app.live.items import ClosedWindow, LiveStates

__all__ = ["LiveWindows"]

# Time between two outputs of the states of the channels, seconds of this computer.
STATES_S = 4.0


class LiveWindows(GenericPE):
    """Gather the data of live channels into windows with their margins.

    A window closes when all channels have their data up to the end of the margin. It
    closes without the data of a channel, if another channel has them, when

    - the channel has been silent for ``max_wait_s``, or
    - the clock of the source is ``max_wait_s`` past the end of the margin, and the
      channel is not catching up: its packets are about as old as they were a wait ago.

    The waits begin anew when the source sends data again after ``max_wait_s`` without
    any: after an outage, or a restart, the data of some channels come before those of
    others. Windows close in ascending order, each once.

    Ports
    -----
    input : LivePiece
        The channels, each in order; one instance sees all.
    output : Waveforms
        For each window with data one item for each channel, without traces if the
        channel has no data. The period of its span is the number of the window.
    closed : ClosedWindow
        Before the data of the window; it names the data that are missing.
    states : LiveStates
        The states of all channels, every few seconds.
    skipped : Skipped
        Jumps of time stamps by a part of a sample, and other rates than in headers.

    Parameters
    ----------
    grid : WindowGrid
        The windows.
    channel_ids : sequence of str
        The channels of the run; others are left out.
    margin_ns : int
        Time before and after a window that the preprocessing needs, nanoseconds.
    max_wait_s : float
        Longest wait for missing data, seconds.
    first : int, optional
        The first window that is made. By default that of the first data.
    shown_ids : sequence of str
        The channels whose newest samples are in the states.
    stop_ns : int, optional
        No window ends later, nanoseconds since 1970.
    positions : sequence of Position
        Where the records of the channels were when an earlier run ended.
    """

    single = True
    stateful = True

    def __init__(
        self,
        grid: WindowGrid,
        channel_ids: Sequence[str],
        margin_ns: int,
        max_wait_s: float,
        first: int | None = None,
        shown_ids: Sequence[str] = (),
        stop_ns: int | None = None,
        positions: Sequence[Position] = (),
    ) -> None:
        super().__init__()
        self._add_input("input", tuple_type=LivePiece)
        self._add_output("output", tuple_type=Waveforms)
        self._add_output("closed", tuple_type=ClosedWindow)
        self._add_output("states", tuple_type=LiveStates)
        self._add_output("skipped", tuple_type=Skipped)
        self.grid, self.margin_ns = grid, margin_ns
        self.max_wait_ns = nanoseconds(max_wait_s)
        self.first, self.shown_ids = first, frozenset(shown_ids)
        self.stop_ns = stop_ns
        by_channel = defaultdict[str, list[Position]](list)
        for position in positions:
            by_channel[position.channel_id].append(position)
        self._channels = {
            name: ChannelData(name, self.max_wait_ns, by_channel[name])
            for name in channel_ids
        }

    def _preprocess(self) -> None:
        self._next = self.first
        self._clock_ns = self._resumed_ns = 0
        self._heard_ns: int | None = None
        # by channel, for the next window with data
        self._missing: dict[str, list[Interval]] = {}
        self._states_at_s = -STATES_S

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Take a piece; close the windows that are ready."""
        piece: LivePiece = inputs["input"]
        self._clock_ns = max(self._clock_ns, piece.clock_ns)
        self._resumed_ns = self._resumed_ns or self._clock_ns
        channel = self._channels.get(piece.channel_id)
        if channel is not None:
            channel.add(piece)
            if piece.trace is not None:
                self._note_data()
            if self._next is None and piece.trace is not None:
                self._next = self._window_at(piece.trace.stats.starttime.ns)
            yield from self._close_ready()
        if time.monotonic() - self._states_at_s >= STATES_S:
            yield {"states": self._states()}

    def postprocess(self) -> None:
        """Close the windows that have ended, at the end of the data."""
        newest_ns = max(c.watermark_ns or 0 for c in self._channels.values())
        newest_ns += NS // 2  # half a sample, for data of 1 Hz or more
        if self.stop_ns is not None:
            newest_ns = min(newest_ns, self.stop_ns)
        while self._next is not None and self._end_ns(self._next) <= newest_ns:
            for outputs in self._close():
                for port, item in outputs.items():
                    self.write(port, item)
        self.write("states", self._states())

    def _states(self) -> LiveStates:
        self._states_at_s = time.monotonic()
        states = [
            channel.state(self._clock_ns, name in self.shown_ids)
            for name, channel in self._channels.items()
        ]
        return LiveStates(self._clock_ns, tuple(states))

    def _window_at(self, time_ns: int) -> int:
        """Return the first window that ends after a time."""
        past_ns = time_ns - self.grid.origin_ns - self.grid.length_ns
        return max(0, past_ns // self.grid.step_ns + 1)

    def _end_ns(self, window: int) -> int:
        return int(self.grid.start_ns(window)) + self.grid.length_ns

    def _close_ready(self) -> Iterator[dict[str, Any]]:
        while self._next is not None and self._is_ready(self._next):
            yield from self._close()

    def _note_data(self) -> None:
        """Note the time of data; after a long silence, the waits begin anew."""
        heard_ns, self._heard_ns = self._heard_ns, self._clock_ns
        if heard_ns is None or self._clock_ns - heard_ns >= self.max_wait_ns:
            self._resumed_ns = self._clock_ns

    def _is_ready(self, window: int) -> bool:
        end_ns = self._end_ns(window)
        if self.stop_ns is not None and end_ns > self.stop_ns:
            return False
        end_ns += self.margin_ns
        if self._clock_ns < end_ns:
            return False
        behind = [c for c in self._channels.values() if not c.has_reached(end_ns)]
        if len(behind) == len(self._channels):
            return False
        return not any(self._waits_for(channel, end_ns) for channel in behind)

    def _waits_for(self, channel: ChannelData, end_ns: int) -> bool:
        """Return whether a window waits for a channel without all its data."""
        limit_ns = self._clock_ns - self.max_wait_ns
        if limit_ns >= max(channel.arrived_ns or 0, self._resumed_ns):
            return False
        if limit_ns < max(end_ns, self._resumed_ns):
            return True
        return channel.is_catching_up(self._clock_ns)

    def _note_missing(self, start_ns: int, end_ns: int) -> None:
        """Note the data without which a window is closed."""
        for name, channel in self._channels.items():
            parts = channel.missing(start_ns, end_ns)
            if parts:
                self._missing[name] = union([*self._missing.get(name, ()), *parts])

    def _close(self) -> Iterator[dict[str, Any]]:
        """Close the next window."""
        assert self._next is not None
        window, start_ns = self._next, int(self.grid.start_ns(self._next))
        self._next += 1
        end_ns, margin_ns = self._end_ns(window), self.margin_ns
        day = start_ns // DAY_NS
        traces = {
            name: channel.within(day, start_ns, end_ns, margin_ns)
            for name, channel in self._channels.items()
        }
        needed_ns = int(self.grid.start_ns(self._next)) - margin_ns
        needed_ns -= max(channel.reach_ns for channel in self._channels.values())
        self._note_missing(start_ns - margin_ns, end_ns + margin_ns)
        if any(traces.values()):
            channels = list(self._channels.values())
            arrived = [c.arrived_s for c in channels if c.arrived_s is not None]
            n_missing = sum((c.watermark_ns or 0) < end_ns for c in channels)
            last_s = max(arrived, default=None)
            times = start_ns, end_ns, needed_ns
            missing = tuple(
                (name, *times_ns)
                for name, parts in self._missing.items()
                for times_ns in parts
            )
            self._missing.clear()
            positions = [p for c in channels for p in c.positions(needed_ns)]
            numbers = window, *times, n_missing, last_s
            yield {"closed": ClosedWindow(*numbers, missing, tuple(positions))}
            for name, parts in traces.items():
                span = ChannelSpan(
                    name, start_ns, end_ns, (), window, margin_ns=margin_ns
                )
                yield {"output": Waveforms.of(span, parts)}
        for name, channel in self._channels.items():
            for reason in channel.remarks():
                yield {"skipped": Skipped("merge", name, reason)}
            channel.forget_before(needed_ns)
