"""Configuration of ``xcorr-app``: every parameter, once.

The fields of :class:`Config` are the options of the command line, the keys of the
TOML file and the record kept with the results.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError, suggest
from xcorr_app.options import (
    Values,
    convert,
    flag,
    option,
    options_of,
    read_toml,
    time_ns,
    write_toml,
)

TABLES = {
    "input": "Input: which stations, which data",
    "preprocess": "Preprocess: each trace, in this order",
    "windows": "Windows: on one absolute grid for all stations",
    "correlate": "Correlate: c_ab(k) = sum a[n] b[n+k]; lag > 0: b is reached later",
    "output": "Output",
    "run": "Run",
}

_input = partial(option, "input")
_preprocess = partial(option, "preprocess")
_windows = partial(option, "windows")
_correlate = partial(option, "correlate")
_output = partial(option, "output")
_run = partial(option, "run")


@dataclass(frozen=True, kw_only=True)
class Config:
    """All parameters of one correlation run, checked on creation.

    Frequencies are in Hz, durations in seconds, times ISO 8601 in UTC.

    Raises
    ------
    ParameterError
        If a value, or a combination of values, makes no sense.

    Examples
    --------
    >>> config = Config(stations="list.txt", data="archive", out="run", window_s=1800)
    >>> config.step_s
    1800.0
    """

    stations: str = _input(
        "text",
        "station list: lines of NET STA, NET.STA or NET.STA.LOC.CHA with wildcards, "
        "optional latitude longitude elevation_m; or CSV with a header; # comments",
        metavar="FILE",
        example='"stations.txt"',
    )
    data: str = _input(
        "text",
        "SDS archive, folder, glob pattern or file; any format that ObsPy reads",
        metavar="ARCHIVE",
        example='"archive"',
    )
    channels: tuple[str, ...] | None = _input(
        "texts",
        "channel codes to use, with wildcards",
        metavar="CODE",
        # One vertical component is the usual first look; the other eight cost
        # nine times as much and mean little before rotation.
        otherwise="those that the list names; ??Z of stations without one",
        example='["BHZ"]',
    )
    start: str | None = _input(
        "time",
        "first instant used, UTC: 2022-01-02, 2022-01-02T12:00 or 2022-137",
        metavar="TIME",
        otherwise="start of the data",
        example='"2022-01-02"',
    )
    end: str | None = _input(
        "time",
        "first instant no longer used, UTC, written as for --start",
        metavar="TIME",
        otherwise="end of the data",
        example='"2022-01-09T12:00"',
    )
    inventory: str | None = _input(
        "text",
        "StationXML (file, folder or glob pattern) for coordinates and responses",
        metavar="PATH",
        otherwise="coordinates from the station list or SAC headers",
        example='"inventory/*.xml"',
    )

    detrend: str = _preprocess(
        "choice",
        "remove the mean or a straight line from each continuous trace",
        default="linear",
        choices=("none", "demean", "linear"),
    )
    taper_s: float = _preprocess(
        "number",
        "cosine taper at both ends of each continuous trace, seconds; use some with "
        "--response or --bandpass-hz",
        default=0.0,
        metavar="SECONDS",
    )
    response: str = _preprocess(
        "choice",
        "remove the instrument response: displacement (m), velocity (m/s) or "
        "acceleration (m/s^2); needs --inventory",
        default="none",
        choices=("none", "VEL", "DISP", "ACC"),
    )
    pre_filt: tuple[float, float, float, float] | None = _preprocess(
        "numbers",
        "band within which the response is removed, Hz: cosine flanks from F1 to F2 "
        "and from F3 to F4",
        metavar=("F1", "F2", "F3", "F4"),
        otherwise="none",
        example="[0.005, 0.01, 8.0, 9.5]",
    )
    bandpass_hz: tuple[float, float] | None = _preprocess(
        "numbers",
        "zero-phase Butterworth band-pass, Hz",
        metavar=("LO", "HI"),
        otherwise="no filter",
        example="[0.1, 1.0]",
    )
    corners: int = _preprocess(
        "count",
        "order of the band-pass in each direction",
        default=4,
        metavar="N",
    )
    sampling_rate_hz: float | None = _preprocess(
        "number",
        "common sampling rate, Hz; reached with an anti-alias filter",
        metavar="HZ",
        otherwise="the rate of the data",
        example="5.0",
    )
    time_norm: str = _preprocess(
        "choice",
        "normalise in time: one-bit, running absolute mean, or clip",
        default="none",
        choices=("none", "onebit", "ram", "clip"),
    )
    ram_window_s: float | None = _preprocess(
        "number",
        "length of the running absolute mean, seconds",
        metavar="SECONDS",
        otherwise="half the longest period of --bandpass-hz",
        example="5.0",
    )
    clip_std: float | None = _preprocess(
        "number",
        "level of --time-norm clip, in standard deviations of the trace",
        metavar="N",
        otherwise="3",
        example="3.0",
    )

    window_s: float = _windows(
        "number", "length of a window, seconds", default=3600.0, metavar="SECONDS"
    )
    step_s: float = _windows(
        "number",
        "from the start of a window to that of the next, seconds",
        metavar="SECONDS",
        otherwise="the window: no overlap",
        example="1800.0",
    )
    window_detrend: str = _windows(
        "choice",
        "remove the mean or a straight line from each window",
        default="demean",
        choices=("none", "demean", "linear"),
    )
    whiten: str = _windows(
        "choice",
        "set the amplitude spectrum of each window to one within --whiten-hz",
        default="none",
        choices=("none", "band"),
    )
    whiten_hz: tuple[float, float] | None = _windows(
        "numbers",
        "band of --whiten band, Hz",
        metavar=("LO", "HI"),
        example="[0.1, 1.0]",
    )

    max_lag_s: float = _correlate(
        "number",
        "lags kept on either side of zero, seconds; shorter than the window",
        default=120.0,
        metavar="SECONDS",
    )
    normalize: str = _correlate(
        "choice",
        "divide each window by sqrt(Ea Eb), the energies of its two traces",
        # Without it a single earthquake outweighs weeks of noise in the stack.
        default="energy",
        choices=("none", "energy"),
    )
    autocorrelations: bool = _correlate(
        "flag", "correlate each channel with itself, too", default=False
    )
    substack: str = _correlate(
        "choice",
        "keep a stack of each UTC day beside that of all windows",
        default="none",
        choices=("none", "day"),
    )

    out: str = _output(
        "text",
        "folder for the results, made by the run",
        metavar="OUT",
        example='"results"',
    )
    force: bool = _output(
        "flag", "replace the results that are already there", default=False
    )
    dtype: str = _output(
        "choice",
        "precision of the computation and of the stored correlations",
        default="float32",
        choices=("float32", "float64"),
    )

    mapping: str = _run(
        "choice",
        "where it runs: one process, several on this machine, or MPI",
        default="simple",
        choices=("simple", "multi", "mpi"),
    )
    processes: int | None = _run(
        "count",
        "processes of --mapping multi and mpi",
        short="-n",
        metavar="N",
        otherwise="the number of cores",
        example="4",
    )
    on_error: str = _run(
        "choice",
        "when a step raises: stop the run, or skip that item and go on",
        default="stop",
        choices=("stop", "skip"),
    )
    strict: bool = _run(
        "flag",
        "make it an error (exit status 1) when any data had to be skipped",
        default=False,
    )
    log_level: str = _run(
        "choice",
        "lowest level of the log messages shown",
        default="warning",
        choices=("debug", "info", "warning", "error"),
    )
    quiet: bool = _run(
        "flag", "no progress and no summary, only warnings and errors", default=False
    )

    def __post_init__(self) -> None:
        for name, opt in options_of(type(self)).items():
            value = convert(opt, getattr(self, name), flag(name))
            object.__setattr__(self, name, value)
        for name in ("stations", "data", "out"):
            if getattr(self, name) is None:
                metavar = options_of(type(self))[name].metavar
                raise ParameterError(f"{flag(name)} {metavar} is missing")
        if self.step_s is None:
            object.__setattr__(self, "step_s", self.window_s)
        _check_ranges(self)
        _check_bands(self)
        _check_combinations(self)
        self._fill_time_norm()

    def _fill_time_norm(self) -> None:
        if self.time_norm == "clip" and self.clip_std is None:
            object.__setattr__(self, "clip_std", 3.0)
        if self.time_norm == "ram" and self.ram_window_s is None:
            if self.bandpass_hz is None:
                raise ParameterError(
                    "--time-norm ram needs --ram-window-s SECONDS (or --bandpass-hz, "
                    "whose longest period gives it)"
                )
            # half the longest period: Bensen et al. 2007,
            # doi:10.1111/j.1365-246X.2007.03374.x
            object.__setattr__(self, "ram_window_s", 0.5 / self.bandpass_hz[0])

    @property
    def start_ns(self) -> int | None:
        """First instant used, nanoseconds since 1970 UTC."""
        return None if self.start is None else time_ns(self.start)

    @property
    def end_ns(self) -> int | None:
        """First instant no longer used, nanoseconds since 1970 UTC."""
        return None if self.end is None else time_ns(self.end)

    def to_dict(self) -> Values:
        """Return all parameters, ready for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Make a configuration from a dictionary; refuse unknown keys."""
        known = options_of(cls)
        for name in values:
            if name not in known:
                raise ParameterError(f"unknown parameter: {suggest(name, known)}")
        return cls(**values)


def _check_ranges(config: Config) -> None:
    for name in ("window_s", "step_s", "max_lag_s"):
        _positive(name, getattr(config, name))
    for name in ("sampling_rate_hz", "ram_window_s", "clip_std"):
        if getattr(config, name) is not None:
            _positive(name, getattr(config, name))
    if config.taper_s < 0:
        raise ParameterError(f"--taper-s {config.taper_s:g}: must be 0 or more")
    if config.max_lag_s >= config.window_s:
        raise ParameterError(
            f"--max-lag-s {config.max_lag_s:g} must be shorter than the window: "
            f"shorten it or lengthen --window-s {config.window_s:g}"
        )
    if config.start and config.end and time_ns(config.start) >= time_ns(config.end):
        raise ParameterError(
            f"--start {config.start} is not before --end {config.end} (the end is "
            "the first instant no longer used)"
        )
    for code in config.channels or ():
        if not re.fullmatch(r"[A-Za-z0-9?*\[\]!-]+", code):
            raise ParameterError(
                f"--channels {code}: not a channel code: write BHZ, ??Z or BH[ENZ]"
            )


def _positive(name: str, value: float) -> None:
    if value <= 0:
        raise ParameterError(f"{flag(name)} {value:g}: must be above 0")


def _check_bands(config: Config) -> None:
    rate_hz = config.sampling_rate_hz
    for name in ("bandpass_hz", "whiten_hz"):
        band = getattr(config, name)
        if band is None:
            continue
        low, high = band
        said = f"{flag(name)} {low:g} {high:g}"
        if not 0 < low < high:
            raise ParameterError(f"{said}: must be 0 < LO < HI, in Hz")
        if rate_hz is not None and high >= rate_hz / 2:
            raise ParameterError(
                f"{said}: HI must be below half of --sampling-rate-hz {rate_hz:g}: "
                f"lower HI below {rate_hz / 2:g} or raise the rate"
            )
    if config.pre_filt is not None:
        f1, f2, f3, f4 = config.pre_filt
        if not 0 <= f1 < f2 < f3 < f4:
            raise ParameterError(
                f"--pre-filt {f1:g} {f2:g} {f3:g} {f4:g}: must be "
                "0 <= F1 < F2 < F3 < F4, in Hz"
            )


# Options that mean something only with a certain value of another one.
DEPENDENT = {
    "pre_filt": ("response", ("VEL", "DISP", "ACC")),
    "whiten_hz": ("whiten", ("band",)),
    "ram_window_s": ("time_norm", ("ram",)),
    "clip_std": ("time_norm", ("clip",)),
}


def _check_combinations(config: Config) -> None:
    for name, (other, values) in DEPENDENT.items():
        if getattr(config, name) is not None and getattr(config, other) not in values:
            raise ParameterError(
                f"{flag(name)} has no effect with {flag(other)} "
                f"{getattr(config, other)}: add {flag(other)} {'|'.join(values)} "
                f"or leave {flag(name)} out"
            )
    if config.whiten == "band" and config.whiten_hz is None:
        raise ParameterError("--whiten band needs its band: add --whiten-hz LO HI")
    if config.response != "none" and config.inventory is None:
        raise ParameterError(
            f"--response {config.response} needs the responses: add --inventory PATH "
            "(StationXML)"
        )


def resolve(given: Mapping[str, Any], config_file: str | Path | None = None) -> Config:
    """Combine options, file and defaults, in this order of precedence.

    An option that makes a key of the file meaningless (``--whiten none`` over a
    file with ``whiten_hz``) sets that key aside.
    """
    values = read_toml(Config, config_file) if config_file is not None else {}
    for name, (other, meant) in DEPENDENT.items():
        if name not in given and given.get(other, meant[0]) not in meant:
            values.pop(name, None)
    return Config(**{**values, **given})


def template(values: Mapping[str, Any] | None = None) -> str:
    """Return the text of a commented TOML file with all parameters."""
    head = (
        "# Parameters of xcorr-app: xcorr-app --config THIS_FILE\n"
        "# A key that is commented out has no value; an option of the command line\n"
        "# outranks its key. Paths are relative to the folder in which you run.\n\n"
    )
    return head + write_toml(Config, TABLES, values or {})
