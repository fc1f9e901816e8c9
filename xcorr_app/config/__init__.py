"""Configuration of ``xcorr-app``: every parameter, once.

The fields of :class:`Config` are the options of the command line, the keys of the
TOML file and the record kept with the results.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError, suggest
from xcorr_app.config.check import DEPENDENT, REPLACED, SET, check
from xcorr_app.config.data import InputOptions, QualityOptions
from xcorr_app.config.options import (
    Values,
    flag,
    options_of,
    read_toml,
    write_toml,
)
from xcorr_app.config.pairs import (
    CorrelateOptions,
    PairOptions,
    StackOptions,
    WindowOptions,
)
from xcorr_app.config.run import OutputOptions, RunOptions
from xcorr_app.config.traces import NormOptions, TraceOptions
from xcorr_app.config.values import convert, time_ns

__all__ = ["DEPENDENT", "TABLES", "Config", "resolve", "template"]

TABLES = {
    "input": "Input: which stations, which data",
    "quality": "Quality: what of the data is used",
    "preprocess": "Preprocess: each trace, in this order",
    "windows": "Windows: on one absolute grid for all stations",
    "pairs": "Pairs: which are correlated; all of these must hold",
    "correlate": "Correlate: c_ab(k) = sum a[n] b[n+k]; lag > 0: b is reached later",
    "stack": "Stack: what is kept of the windows of a pair",
    "output": "Output",
    "run": "Run",
}
RADIAL = frozenset("RT")


# the fields of the last base come first
@dataclass(frozen=True, kw_only=True)
class Config(
    RunOptions,
    OutputOptions,
    StackOptions,
    CorrelateOptions,
    PairOptions,
    WindowOptions,
    NormOptions,
    TraceOptions,
    QualityOptions,
    InputOptions,
):
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

    def __post_init__(self) -> None:
        for name, opt in options_of(type(self)).items():
            self._set(name, convert(opt, getattr(self, name), flag(name)))
        for name in ("stations", "data", "out"):
            if getattr(self, name) is None:
                metavar = options_of(type(self))[name].metavar
                raise ParameterError(f"{flag(name)} {metavar} is missing")
        if self.step_s is None:
            self._set("step_s", self.window_s)
        if self.components is not None:
            self._set("components", _component_pairs(self.components))
        check(self)
        self._fill()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _fill(self) -> None:
        """Set what follows from other options."""
        if self.autocorrelations and "auto" not in self.pairs:
            self._set("pairs", (*self.pairs, "auto"))
        self._set("autocorrelations", "auto" in self.pairs)
        if self.normalize is None:
            self._set("normalize", "energy" if self.kind == "cc" else "none")
        for name, (other, values, value) in FILLED.items():
            wanted = getattr(self, other)
            meant = bool(wanted) if values is SET else wanted in values
            if meant and getattr(self, name) is None:
                self._set(name, value)
        if self.moving_s is not None and self.moving_step_s is None:
            steps = {"day": 86_400.0, "hour": 3600.0, "window": self.step_s}
            self._set("moving_step_s", steps[self.substack])
        averages = ("ram", "multiband-ram", "gain", "agc")
        if self.time_norm in averages and self.ram_window_s is None:
            if self.bandpass_hz is None:
                raise ParameterError(
                    f"--time-norm {self.time_norm} needs --ram-window-s SECONDS (or "
                    "--bandpass-hz, whose longest period gives it)"
                )
            # half the longest period: Bensen et al. 2007,
            # doi:10.1111/j.1365-246X.2007.03374.x
            self._set("ram_window_s", 0.5 / self.bandpass_hz[0])
        if self.time_norm == "multiband-ram" and self.norm_bands_hz is None:
            self._set("norm_bands_hz", self.bands_hz)

    @property
    def start_ns(self) -> int | None:
        """First instant used, nanoseconds since 1970 UTC."""
        return None if self.start is None else time_ns(self.start)

    @property
    def end_ns(self) -> int | None:
        """First instant no longer used, nanoseconds since 1970 UTC."""
        return None if self.end is None else time_ns(self.end)

    @property
    def rotates(self) -> bool:
        """Whether radial or transverse components are asked for."""
        return any(RADIAL & set(pair) for pair in self.components or ())

    @property
    def coherent(self) -> bool:
        """Whether the components of an instrument share weights and windows."""
        return self.rotates or self.across_components

    @property
    def orients(self) -> bool:
        """Whether components are turned to Z, N and E."""
        return self.orient or bool(re.search(r"\bOrient\b", self.steps or ""))

    @property
    def data_name(self) -> str:
        """The archives in words."""
        return ", ".join(self.data)

    def to_dict(self) -> Values:
        """Return all parameters, ready for JSON."""
        return {
            name: _listed(value) for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Make a configuration from a dictionary; refuse unknown keys."""
        known = options_of(cls)
        for name in values:
            if name not in known:
                raise ParameterError(f"unknown parameter: {suggest(name, known)}")
        return cls(**values)


# Options that have a value of their own once another one is given.
FILLED: dict[str, tuple[str, tuple[str, ...], Any]] = {
    "despike_s": ("despike_mad", SET, 1.0),
    "detrend_order": ("detrend", ("polynomial", "spline"), 3),
    "detrend_knots_s": ("detrend", ("spline",), 3600.0),
    "response_level_db": ("response", ("VEL", "DISP", "ACC"), 60.0),
    "clip_std": ("time_norm", ("clip", "winsorize", "water-level"), 3.0),
    "envelope_n": ("time_norm", ("envelope",), 15),
    "whiten_smooth_hz": ("whiten", ("psd", "running-mean"), 0.01),
    "water_level": ("kind", ("deconvolution",), 0.01),
    "smooth_hz": ("kind", ("coherency", "deconvolution"), 0.0),
}


def _component_pairs(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return pairs of components; three letters mean all nine.

    >>> _component_pairs(("ZRT",))[:4]
    ('ZZ', 'ZR', 'ZT', 'RZ')
    """
    pairs: list[str] = []
    for word in map(str.upper, words):
        if len(word) not in (2, 3) or not word.isalnum():
            raise ParameterError(
                f"--components {word}: not two components: write ZZ, RT, or ZRT for "
                "all nine"
            )
        whole = len(word) == 3
        pairs += [a + b for a in word for b in word] if whole else [word]
    return tuple(dict.fromkeys(pairs))


def _listed(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_listed(one) for one in value]
    return value


def resolve(
    given: Mapping[str, Any],
    config_file: str | Path | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> Config:
    """Combine options, file and defaults, in this order of precedence.

    An option that makes a key of the file meaningless (``--whiten none`` over a
    file with ``whiten_hz``) sets that key aside.

    Parameters
    ----------
    given : mapping of str to object
        Options of the command line.
    config_file : str or Path, optional
        A TOML file.
    earlier : mapping of str to object, optional
        Options of a run that goes on; they count as a file would.
    """
    values = dict(earlier or {})
    if config_file is not None:
        values |= read_toml(Config, config_file)
    for name, (other, meant) in DEPENDENT.items():
        if other in given and name not in given:
            useful = bool(given[other]) if meant is SET else given[other] in meant
            if not useful:
                values.pop(name, None)
    for name, others in REPLACED.items():
        if name in given:
            values = {key: value for key, value in values.items() if key not in others}
    return Config(**{**values, **given})


def template(values: Mapping[str, Any] | None = None) -> str:
    """Return the text of a commented TOML file with all parameters."""
    head = (
        "# Parameters of xcorr-app: xcorr-app --config THIS_FILE\n"
        "# A key that is commented out has no value; an option of the command line\n"
        "# outranks its key. Paths are relative to the folder in which you run.\n\n"
    )
    return head + write_toml(Config, TABLES, values or {})
