"""The options of a run: a module for each table of the TOML file.

The user's values from the command line, a file or Python enter; a `Config` with checked
and complete values leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from dispel4py.errors import ParameterError
from misfit_app.config.input import InputOptions
from misfit_app.config.measures import PAIR_MEASURES, MeasureOptions, OutputOptions
from misfit_app.config.preprocess import PreprocessOptions
from misfit_app.config.run import StartOptions
from misfit_app.config.windows import WindowOptions
from seismo_pes.application import parameters

__all__ = ["PROG", "TABLES", "Config", "template"]

PROG = "misfit-app"

TABLES = {
    "input": "Input: events, stations, observed and synthetic waveforms",
    "preprocess": "Preprocess: both records on one axis of time",
    "bands": "Bands: the records are filtered to each band of periods",
    "windows": "Windows: where the records are compared",
    "measures": "Measures: dt_s = T_obs - T_syn, dlna = ln(A_obs / A_syn)",
    "output": "Output",
    "run": "Run",
}


@dataclass(frozen=True, kw_only=True)
class Config(
    InputOptions,
    PreprocessOptions,
    WindowOptions,
    MeasureOptions,
    OutputOptions,
    StartOptions,
):
    """All options of one run, checked on creation.

    Raises
    ------
    ParameterError
        If a value, or a combination of values, makes no sense.

    Examples
    --------
    >>> config = Config(
    ...     event="quake.xml", stations="xml", observed="data", synthetic="syn",
    ...     periods_s="10-30", out="results",
    ... )
    >>> config.taper_s, config.measures
    (15.0, ('cc_time', 'cc_amplitude'))
    """

    def check(self) -> None:
        """Check relations between several options."""
        assert self.synthetic is not None
        if len(self.event_id or ()) > 1 and "{event}" not in self.synthetic:
            raise ParameterError(
                "--synthetic: several events need {event} in the name of the folder"
            )
        if self.phases == ("none",):
            self._set("phases", ())
        for name in ("pair_distance_km", "pair_reference"):
            if getattr(self, name) is not None and not self.pair_measure_list:
                raise ParameterError(
                    f"--{name.replace('_', '-')}: no measure compares two stations: "
                    f"--measures has none of {', '.join(PAIR_MEASURES)}"
                )
        if self.weight_distance_km is not None and "density" not in (
            self.weights or ()
        ):
            raise ParameterError("--weight-distance-km needs --weights density")


#: Returns the text of a commented TOML file of all options, with some values.
template = partial(parameters.template, PROG, Config, TABLES)
