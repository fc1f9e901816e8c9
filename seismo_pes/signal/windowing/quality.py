"""Criteria for the similarity of the records in a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal.errors import ParameterError, Rejected
from seismo_pes.signal.misfits.alignment import AlignmentSettings, align
from seismo_pes.signal.misfits.pairs import TAPER_FRACTION, Pair, Records
from seismo_pes.signal.windowing.selection import RejectedWindow, Window
from seismo_pes.signal.windowing.settings import PickerSettings

__all__ = ["LEVELS", "Quality", "judge_window", "signal_to_noise"]

Interval = tuple[float, float]
_RECORD_RATIOS = {
    "amplitude": "min_record_amplitude_ratio",
    "energy": "min_record_power_ratio",
}
#: Options that may differ from sample to sample.
LEVELS = ("water_level", "min_snr", "min_cc", "max_shift_s", "max_dlna")


@dataclass(frozen=True)
class Quality:
    """The criteria for windows of two records.

    Attributes
    ----------
    records
        The records.
    period_s
        Shortest period.
    settings
        Options.
    noise_s
        Start and end of an interval without signal, in seconds after the first sample;
        None if there is none.
    levels
        Options of `LEVELS` for each sample, shape ``(n,)`` each, instead of those of
        the settings; the value at the middle of a window is used.
    taper_fraction
        Length of the two tapers of a window together, as a part of the window.
    """

    records: Records
    period_s: float
    settings: PickerSettings
    noise_s: Interval | None
    levels: Mapping[str, FloatArray]
    taper_fraction: float = TAPER_FRACTION

    def level(self, name: str, at_s: float) -> float:
        """Return an option that may differ from sample to sample.

        Parameters
        ----------
        name
            One of `LEVELS`.
        at_s
            Seconds after the first sample.
        """
        if name not in self.levels:
            return float(getattr(self.settings, name))
        sample = round(at_s / self.records.delta_s)
        return float(self.levels[name][min(max(sample, 0), self.records.n - 1)])

    def judge(
        self, window_s: Interval, peak_s: float | None = None
    ) -> Window | RejectedWindow:
        """Return a window with its quality, or the reason of its rejection.

        Parameters
        ----------
        window_s
            Start and end in seconds after the first sample.
        peak_s
            Time of its maximum of STA/LTA; by default its middle.
        """
        start_s, end_s = window_s
        middle_s = (start_s + end_s) / 2
        try:
            pair = Pair(self.records, window_s, self.taper_fraction)
            snr = self._signal_to_noise(pair, middle_s)
            options = AlignmentSettings(
                max_shift_periods=self.settings.max_shift_periods
            )
            found = align(pair, options)
            dt_s = found.shift * self.records.delta_s
            self._compare(middle_s, found.cc, dt_s, found.dlna)
        except Rejected as rejected:
            return RejectedWindow(
                start_s, end_s, "quality", rejected.reason, rejected.numbers
            )
        weight = found.cc * (end_s - start_s) / self.period_s
        peak_s = middle_s if peak_s is None else peak_s
        return Window(start_s, end_s, peak_s, snr, found.cc, dt_s, found.dlna, weight)

    def judge_record(self) -> RejectedWindow | None:
        """Return the reason for which the whole record is rejected, or None."""
        whole = 0.0, self.records.duration_s, "data"
        try:
            noise = self._noise()
        except Rejected as rejected:
            reason = f"noise: {rejected.reason}"
            return RejectedWindow(*whole, reason, rejected.numbers)
        if noise is None or self.noise_s is None:
            return None
        end = self.records.window(self.noise_s, "native")[0] + noise.size
        wave = self.records.observed[end:]
        for kind, name in _RECORD_RATIOS.items():
            least = float(getattr(self.settings, name))
            ratio = signal_to_noise(wave, noise, kind) if wave.size else 0.0
            if ratio < least:
                numbers = {kind: ratio, name: least}
                return RejectedWindow(*whole, "signal to noise", numbers)
        return None

    def _noise(self) -> FloatArray | None:
        if self.noise_s is None:
            return None
        first, n = self.records.window(self.noise_s, "native")
        return self.records.observed[first : first + n]

    def _signal_to_noise(self, pair: Pair, middle_s: float) -> float:
        noise = self._noise()
        if noise is None:
            return nan
        wave = self.records.observed[pair.samples]
        snr = signal_to_noise(wave, noise, self.settings.noise_type)
        least = self.level("min_snr", middle_s)
        if snr < least:
            raise Rejected("signal to noise", {"snr": snr, "min_snr": least})
        return snr

    def _compare(self, middle_s: float, cc: float, dt_s: float, dlna: float) -> None:
        settings = self.settings
        least = self.level("min_cc", middle_s)
        if cc < least:
            raise Rejected("correlation", {"cc": cc, "min_cc": least, "dt_s": dt_s})
        largest = self.level("max_shift_s", middle_s)
        if abs(dt_s - settings.shift_reference_s) > largest:
            raise Rejected("time shift", {"dt_s": dt_s, "max_shift_s": largest})
        largest = self.level("max_dlna", middle_s)
        if abs(dlna - settings.dlna_reference) > largest:
            raise Rejected("amplitude", {"dlna": dlna, "max_dlna": largest})


def judge_window(
    observed: ArrayLike,
    synthetic: ArrayLike,
    delta_s: float,
    period_s: float,
    window_s: Interval,
    settings: PickerSettings | None = None,
    noise_s: Interval | None = None,
    taper_fraction: float = TAPER_FRACTION,
) -> Window | RejectedWindow:
    """Judge a given window by the quality criteria of the picker.

    Parameters
    ----------
    observed, synthetic
        Records on one axis of time, shape ``(n,)``.
    delta_s
        Sampling interval.
    period_s
        Shortest period.
    window_s
        Start and end in seconds after the first sample.
    settings
        Options.
    noise_s
        Interval without signal.
    taper_fraction
        Length of the two tapers of the window together, as a part of it.

    Returns
    -------
    The window with its quality, or the reason of its rejection.

    Raises
    ------
    ParameterError
        If a parameter is not allowed.

    Examples
    --------
    >>> t = np.arange(600) * 0.1
    >>> wave = lambda at: np.exp(-(((t - at) / 4) ** 2)) * np.cos(2 * (t - at))
    >>> window = judge_window(wave(30.2), wave(30.0), 0.1, 2.0, (20.0, 40.0))
    >>> round(window.dt_s, 4), round(window.cc, 4)
    (0.2, 1.0)
    """
    if not period_s > 0:
        raise ParameterError(f"period_s must be above 0 s, not {period_s}")
    try:
        records = Records(observed, synthetic, delta_s)
    except Rejected as rejected:
        return RejectedWindow(*window_s, "data", rejected.reason, rejected.numbers)
    settings = settings or PickerSettings()
    window_s = float(window_s[0]), float(window_s[1])
    quality = Quality(records, period_s, settings, noise_s, {}, taper_fraction)
    return quality.judge(window_s)


def signal_to_noise(x: FloatArray, noise: FloatArray, kind: str) -> float:
    """Return the ratio of largest amplitudes, or of mean powers.

    Parameters
    ----------
    x, noise
        Samples of signal and noise.
    kind
        ``"amplitude"`` or ``"energy"``.

    Examples
    --------
    >>> signal_to_noise(np.array([1.0, -4.0]), np.array([2.0, 1.0]), "amplitude")
    2.0
    """
    if kind == "amplitude":
        over, under = float(np.abs(x).max()), float(np.abs(noise).max())
    else:
        over, under = float(np.mean(x**2)), float(np.mean(noise**2))
    return over / under if under > 0 else np.inf
