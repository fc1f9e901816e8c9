"""The preprocessing of a run: the elements that each trace passes, in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from dispel4py.base import CompositePE
from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError
from seismo_pes.gathering.components import GatherComponents
from seismo_pes.preprocessing.clock_correction import CorrectClock
from seismo_pes.preprocessing.epochs import SplitEpochs
from seismo_pes.preprocessing.filters import Bandpass, Bandstop, Highpass, Lowpass
from seismo_pes.preprocessing.grid import NameSpans, TrimToGrid
from seismo_pes.preprocessing.merge import Merge
from seismo_pes.preprocessing.normalization import (
    Agc,
    Clip,
    Envelope,
    Gain,
    MeanNormalize,
    MultibandRam,
    OneBit,
    RunningAbsoluteMean,
    WaterLevel,
    Winsorize,
)
from seismo_pes.preprocessing.orientation import Orient
from seismo_pes.preprocessing.overlaps import ResolveOverlaps
from seismo_pes.preprocessing.quality import (
    AlignSamples,
    Despike,
    DropClipped,
    DropFlat,
    FillGaps,
)
from seismo_pes.preprocessing.rejection import RejectWindows
from seismo_pes.preprocessing.resampling import (
    Decimate,
    ReplaceRate,
    RequireNyquist,
    Resample,
    ResampleFourier,
    ResampleLanczos,
)
from seismo_pes.preprocessing.response import RemoveResponse
from seismo_pes.preprocessing.trends import (
    Demean,
    Detrend,
    DetrendPolynomial,
    DetrendSpline,
    Taper,
)
from xcorr_app.planning.plan import RunPlan
from xcorr_app.planning.steps import Step, parse_steps

__all__ = ["Preprocess"]

# Modules of elements that change amplitudes: windows must be rejected before them.
LEVELLING = (
    "seismo_pes.preprocessing.normalization",
    "seismo_pes.preprocessing.whitening",
)

# Modules of elements that use scipy.signal or scipy.interpolate, which take 45 MB.
NEEDS_SCIPY = (
    "seismo_pes.preprocessing.filters",
    "seismo_pes.preprocessing.normalization",
    "seismo_pes.preprocessing.resampling",
    "seismo_pes.preprocessing.response",
)


class Preprocess(CompositePE):
    """Preprocess raw traces to traces on the common grid, at the common rate.

    Ports ``input`` and ``output``: Waveforms. It contains only the steps of the
    configuration. From the first step that needs all components of an instrument, the
    components travel together.
    """

    def __init__(self, plan: RunPlan) -> None:
        super().__init__()
        steps = list(_gather_components(plan, [*_checks(plan), *_chain(plan)]))
        if any(type(step).__module__ in NEEDS_SCIPY for step in steps):
            import scipy.signal  # noqa: F401 - forked workers share its memory
        for before, after in itertools.pairwise(steps):
            self.connect(before, "output", after, "input")
        self.add(steps[0])
        self._map_input("input", steps[0], "input")
        self._map_output("output", steps[-1], "output")


def _checks(plan: RunPlan) -> Iterator[GenericPE]:
    """Yield the elements that check and merge the records, and split them."""
    config, origin_ns = plan.config, plan.settings.grid.origin_ns
    if config.clock is not None:
        yield CorrectClock(config.clock)
    if config.recorded_hz is not None:
        yield ReplaceRate(rate_hz=config.recorded_hz)
    if config.align_samples:
        yield AlignSamples(origin_ns=origin_ns)
    if config.overlaps != "first":
        yield ResolveOverlaps(rule=config.overlaps)
    if config.drop_flat_s is not None:
        yield DropFlat(shortest_s=config.drop_flat_s)
    if config.drop_clipped:
        yield DropClipped(level=config.clipped_level)
    if config.despike_mad is not None:
        assert config.despike_s is not None
        yield Despike(k=config.despike_mad, window_s=config.despike_s)
    if config.max_gap_s > 0:
        yield FillGaps(max_gap_s=config.max_gap_s)
    yield Merge(origin_ns, flat_s=config.window_s, all_rates=_has_target(plan))
    checks = plan.checks
    if checks.changing is not None:
        use = checks.use
        yield SplitEpochs(checks.changing, use.responses, use.directions, use.places)


def _has_target(plan: RunPlan) -> bool:
    """Say whether traces of any rate are brought to one."""
    config = plan.config
    if config.steps is not None:
        return any("rate_hz" in step.parameters for step in parse_steps(config.steps))
    return config.sampling_rate_hz is not None


def _chain(plan: RunPlan) -> Iterator[GenericPE]:
    """Yield the elements that work on continuous traces."""
    if plan.config.steps is not None:
        yield from _steps_of_text(plan, parse_steps(plan.config.steps))
        return
    yield from _trend(plan)
    yield from _instrument(plan)
    yield from _filters(plan)
    if plan.config.time_norm == "multiband-ram":
        bands_hz = plan.config.norm_bands_hz or ()
        yield RequireNyquist(above_hz=max(band[1] for band in bands_hz))
    yield from _resampled(plan)
    yield from _rejecting(plan)
    yield from _levelled(plan)


# -- the chain of the options -------------------------------------------------------


def _trend(plan: RunPlan) -> Iterator[GenericPE]:
    config = plan.config
    if config.detrend == "polynomial":
        yield DetrendPolynomial(order=config.detrend_order)
    elif config.detrend == "spline":
        assert config.detrend_knots_s is not None
        yield DetrendSpline(
            knot_spacing_s=config.detrend_knots_s, order=config.detrend_order
        )
    elif config.detrend == "linear":
        yield Detrend(kind="linear")
    elif config.detrend == "demean":
        yield Demean()
    if config.taper_s > 0:
        yield Taper(seconds=config.taper_s)


def _instrument(plan: RunPlan) -> Iterator[GenericPE]:
    config = plan.config
    if config.response != "none":
        level_db = config.response_level_db
        yield RemoveResponse(plan.inventory, config.response, config.pre_filt, level_db)
    if config.orient:
        yield Orient(plan.inventory)


def _filters(plan: RunPlan) -> Iterator[GenericPE]:
    config = plan.config
    how = {"corners": config.corners, "zero_phase": not config.causal}
    if config.highpass_hz is not None:
        yield Highpass(corner_hz=config.highpass_hz, **how)
    if config.bandpass_hz is not None:
        low_hz, high_hz = config.bandpass_hz
        yield Bandpass(low_hz=low_hz, high_hz=high_hz, **how)
    if config.bandstop_hz is not None:
        low_hz, high_hz = config.bandstop_hz
        yield Bandstop(low_hz=low_hz, high_hz=high_hz, **how)
    if config.lowpass_hz is not None:
        yield Lowpass(corner_hz=config.lowpass_hz, **how)


def _resampled(plan: RunPlan) -> Iterator[GenericPE]:
    if plan.config.sampling_rate_hz is None:
        return
    rate_hz, origin_ns = plan.settings.rate_hz, plan.settings.grid.origin_ns
    kind = plan.config.resampling
    if kind == "rational":
        yield Resample(rate_hz=rate_hz, origin_ns=origin_ns)
    elif kind == "lanczos":
        yield ResampleLanczos(rate_hz=rate_hz, origin_ns=origin_ns)
    elif kind == "fourier":
        yield TrimToGrid(rate_hz, origin_ns, both_ends=True)
        yield ResampleFourier(rate_hz=rate_hz)
    else:
        recorded_hz = plan.grid.recorded_hz
        factor = round(recorded_hz / rate_hz)
        if factor < 1 or abs(recorded_hz / rate_hz - factor) > 1e-6:
            raise ParameterError(
                f"--resampling decimate: {recorded_hz:g} Hz is not a multiple of "
                f"--sampling-rate-hz {rate_hz:g}: use --resampling rational"
            )
        yield TrimToGrid(rate_hz, origin_ns)
        yield Decimate(factor=factor)


def _rejecting(plan: RunPlan) -> Iterator[GenericPE]:
    config = plan.config
    rules = config.reject_mad, config.reject_rms, config.reject_psd_db
    if any(rule is not None for rule in rules):
        yield RejectWindows(
            config.window_s,
            config.step_s,
            plan.settings.grid.origin_ns,
            *rules,
            config.reject_psd_hz,
        )


def _levelled(plan: RunPlan) -> Iterator[GenericPE]:
    config = plan.config
    kind, across = config.time_norm, config.across_components
    window_s, level = config.ram_window_s, config.clip_std
    if kind == "onebit":
        yield OneBit()
    elif kind == "clip":
        yield Clip(n_std=level)
    elif kind == "winsorize":
        yield Winsorize(n_rms=level)
    elif kind == "ram":
        yield RunningAbsoluteMean(window_s=window_s, across_components=across)
    elif kind == "multiband-ram":
        bands_hz, corners = config.norm_bands_hz, config.corners
        yield MultibandRam(bands_hz=bands_hz, window_s=window_s, corners=corners)
    elif kind == "mean":
        yield MeanNormalize()
    elif kind == "gain":
        yield Gain(window_s=window_s)
    elif kind == "envelope":
        yield Envelope(n=config.envelope_n)
    elif kind == "agc":
        yield Agc(window_s=window_s, across_components=across)
    elif kind == "water-level":
        yield WaterLevel(level=level)


# -- the chain of --steps -----------------------------------------------------------


def _steps_of_text(plan: RunPlan, steps: list[Step]) -> Iterator[GenericPE]:
    """Yield the elements of ``--steps`` with the parameters that the run knows."""
    rejecting = list(_rejecting(plan))
    for step in steps:
        if step.element.__module__ in LEVELLING:
            yield from rejecting
            rejecting = []
        more: dict[str, object] = {}
        origin_ns = plan.settings.grid.origin_ns
        if step.takes("origin_ns"):
            more["origin_ns"] = origin_ns
        if step.takes("inventory"):
            if plan.inventory is None:
                raise ParameterError(
                    f"--steps: {step.name} needs station metadata: add --inventory PATH"
                )
            more["inventory"] = plan.inventory
        element = step.build(**more)
        if isinstance(element, ResampleFourier):
            yield TrimToGrid(step.parameters["rate_hz"], origin_ns, both_ends=True)
        elif isinstance(element, Decimate):
            yield TrimToGrid(None, origin_ns, factor=step.parameters["factor"])
        yield element
    yield from rejecting


# -- components together ------------------------------------------------------------


def _gather_components(plan: RunPlan, steps: list[GenericPE]) -> Iterator[GenericPE]:
    """Gather components before the first step that needs all of them."""
    waiting = True
    for step in steps:
        if waiting and _needs_all(step):
            yield _gather(plan)
            waiting = False
        yield step
        if isinstance(step, Orient):
            yield NameSpans(plan.names)
    if waiting and plan.config.coherent:
        yield _gather(plan)


def _needs_all(step: GenericPE) -> bool:
    if getattr(step, "per", "") != "station":
        return False
    parameters = getattr(step, "parameters", {})
    optional = isinstance(step, RunningAbsoluteMean | Agc) or (
        "across_components" in parameters
    )
    return bool(parameters.get("across_components")) if optional else True


def _gather(plan: RunPlan) -> GenericPE:
    return GatherComponents(plan.recorded)
