"""The options of a run: a module for each table of the TOML file.

The user's values from the command line, a file or Python enter; a `Config` with checked
and complete values leaves. The modules of this folder declare each option once, by
`seismo_pes.application.options.option`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from seismo_pes.application import parameters
from seismo_pes.application.times import time_ns
from xcorr_app.config.correlate import CorrelateOptions
from xcorr_app.config.input import InputOptions
from xcorr_app.config.output import OutputOptions
from xcorr_app.config.pairs import PairOptions
from xcorr_app.config.preprocess import NormalizationOptions, TraceOptions
from xcorr_app.config.quality import QualityOptions
from xcorr_app.config.relations import check_relations
from xcorr_app.config.run import RunOptions
from xcorr_app.config.stack import StackOptions
from xcorr_app.config.windows import WindowOptions

__all__ = ["PROG", "TABLES", "Config", "template"]

PROG = "xcorr-app"

TABLES = {
    "input": "Input: stations and data",
    "quality": "Quality: which data are used",
    "preprocess": "Preprocess: each trace, in this order",
    "windows": "Windows: on one absolute grid for all stations",
    "pairs": "Pairs: which are correlated; all conditions must hold",
    "correlate": "Correlate: c_ab(k) = sum a[n] b[n+k]; lag > 0: later at b",
    "stack": "Stack: which stacks of the windows of a pair are kept",
    "output": "Output",
    "run": "Run",
}
RADIAL = frozenset("RT")


@dataclass(frozen=True, kw_only=True)
class Config(
    InputOptions,
    QualityOptions,
    TraceOptions,
    NormalizationOptions,
    WindowOptions,
    PairOptions,
    CorrelateOptions,
    StackOptions,
    OutputOptions,
    RunOptions,
):
    """All options of one correlation run, checked on creation.

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
        super().__post_init__()
        if self.autocorrelations and "auto" not in self.pairs:
            self._set("pairs", (*self.pairs, "auto"))
        self._set("autocorrelations", "auto" in self.pairs)

    def check(self) -> None:
        """Check relations between several options."""
        check_relations(self)

    @property
    def start_ns(self) -> int | None:
        """First instant used, nanoseconds since 1970 UTC."""
        return None if self.start is None else time_ns(self.start)

    @property
    def end_ns(self) -> int | None:
        """First instant that is not used, nanoseconds since 1970 UTC."""
        return None if self.end is None else time_ns(self.end)

    @property
    def rotates(self) -> bool:
        """Whether radial or transverse components are wanted."""
        return any(RADIAL & set(pair) for pair in self.components or ())

    @property
    def orients(self) -> bool:
        """Whether components are rotated to Z, N and E."""
        return self.orient or bool(re.search(r"\bOrient\b", self.steps or ""))

    @property
    def data_name(self) -> str:
        """The archives in words."""
        return ", ".join(self.data)


#: Returns the text of a commented TOML file of all options, with some values.
template = partial(parameters.template, PROG, Config, TABLES)
