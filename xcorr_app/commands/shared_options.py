"""Options that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispel4py.errors import DataError, ParameterError
from dispel4py.files import exists
from dispel4py.mappings import REGISTRY
from seismo_pes.application import shared_options
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import command_option
from xcorr_app.config import PROG

if TYPE_CHECKING:
    from xcorr_app.store import Store


@dataclass(frozen=True, kw_only=True)
class EndedRunOptions(shared_options.EndedRunOptions):
    """The results of a run that has ended, unless the user accepts others."""

    def open_results(self) -> Store:
        """Open the results.

        Raises
        ------
        DataError
            If the run has not ended and ``--unfinished`` is not given.
        """
        from xcorr_app import store

        results = store.open(self.out)
        if results.complete or self.unfinished:
            return results
        results.close()
        raise DataError(
            f"{self.out}: the run has not ended, so correlations are missing: "
            f"{PROG} --out {self.out} --resume continues it, --unfinished accepts that"
        )


@dataclass(frozen=True, kw_only=True)
class PairOptions(Configuration):
    """One pair."""

    pair: tuple[str, str] | None = command_option(
        "pair",
        "two channels (NET.STA.LOC.CHA), or two stations if each has one channel",
        otherwise="all pairs",
    )


@dataclass(frozen=True, kw_only=True)
class BandOptions(Configuration):
    """One band of the run."""

    band: tuple[float, float] | None = command_option(
        "range",
        "filter band, if the run has several",
        unit="Hz",
        otherwise="the lowest",
    )

    @property
    def _interval(self) -> str | None:
        """The interval of the stack that a command takes; None for that of the run."""
        return None

    def stack_in(self, store: Store) -> str | None:
        """Return the full name of the chosen stack; None is the default.

        Parameters
        ----------
        store : Store
            Open results.
        """
        from xcorr_app.results.stack_names import full_name

        return full_name(store, self._interval, self.band)

    def band_choice(self, store: Store) -> list[str]:
        """Return a line about the band, if the run has several and none was given.

        Parameters
        ----------
        store : Store
            Open results.
        """
        from xcorr_app.results.stack_names import band_choice

        if self.band is not None or "@" in (self._interval or ""):
            return []
        choice = band_choice(store, self.stack_in(store))
        return [choice] if choice else []


@dataclass(frozen=True, kw_only=True)
class StackOptions(BandOptions):
    """One stack."""

    stack: str | None = command_option(
        "text",
        "a substack such as 2022-05-17 or 2022-05-17T06, instead of the stack of the "
        "whole run",
        metavar="NAME",
        otherwise="all",
    )

    @property
    def _interval(self) -> str | None:
        return self.stack


def components_option(otherwise: str) -> Any:
    """Declare the option ``--components``.

    Parameters
    ----------
    otherwise : str
        The components without it.
    """
    return command_option(
        "text",
        "only pairs of these components, the last letters of the two channels",
        metavar="ZZ|RR|TT|...",
        otherwise=otherwise,
    )


@dataclass(frozen=True, kw_only=True)
class ComponentsOptions(Configuration):
    """One pair of components."""

    components: str | None = components_option("ZZ if there are any")


@dataclass(frozen=True, kw_only=True)
class FigureOptions(Configuration):
    """What figures show of correlations."""

    velocity: tuple[float, ...] = command_option(
        "numbers", "draw lines of these velocities", default=(), metavar="KM_S",
        unit="km/s",
    )  # fmt: skip
    max_lag_s: float | None = command_option(
        "number", "longest lag that is drawn", unit="s", otherwise="all"
    )

    @property
    def lines(self) -> dict[str, Any]:
        """The options as parameters of functions that draw."""
        return {"velocities_km_s": self.velocity, "max_lag_s": self.max_lag_s}


@dataclass(frozen=True, kw_only=True)
class QuietOptions(Configuration):
    """Whether progress is shown."""

    quiet: bool = command_option("flag", "no progress", default=False)


@dataclass(frozen=True, kw_only=True)
class MeasuringOptions(QuietOptions):
    """Which pairs are measured, by which processes, and where the tables go."""

    pair: tuple[tuple[str, str], ...] = command_option(
        "pairs",
        "only this pair: two channels, or two stations; may be repeated",
        default=(),
        otherwise="all",
    )
    output: str | None = command_option(
        "text", "folder for the files", metavar="FOLDER", otherwise="OUT"
    )
    force: bool = command_option("flag", "replace existing files", default=False)
    mapping: str = command_option(
        "mapping",
        "where the measurement runs; multi uses the cores of this machine",
        default="simple",
        choices=tuple(REGISTRY),
    )
    processes: int | None = command_option(
        "count",
        "number of processes of any --mapping but simple",
        short="-n",
        otherwise="the number of cores",
    )


def table_folder(options: Any, table: str) -> Path:
    """Return the folder for the tables and figures of a measuring command.

    Parameters
    ----------
    options : MeasuringOptions and ResultsOptions
    table : str
        Name of the first table.

    Raises
    ------
    ParameterError
        If the table exists already and ``--force`` is not given.
    """
    folder = Path(options.output or options.out)
    if exists(folder / table) and not options.force:
        raise ParameterError(f"{folder / table} exists already; --force replaces it")
    return folder
