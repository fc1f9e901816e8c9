"""Observed against synthetic seismograms: misfits, windows and adjoint sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from misfit_app.workflow import Summary

__all__ = ["measure"]


def measure(**options: Any) -> Summary:
    """Measure the misfits of events; the options are those of ``misfit-app run``.

    Parameters
    ----------
    **options : object
        Names as in the TOML file, such as ``event``, ``stations``, ``observed``,
        ``synthetic``, ``periods_s``, ``out``.

    Returns
    -------
    Summary
        The outcome; its `rows` are those of the ledger.

    Raises
    ------
    ParameterError
        If an option makes no sense, or does not fit the data.
    RunError
        If the run failed.
    """
    from misfit_app.config import Config
    from misfit_app.planning import run_plan
    from misfit_app.workflow import run

    summary = run(run_plan(Config.from_dict(options)))
    assert summary is not None, "a process of a launcher has no summary"
    return summary
