"""The elements that each trace of a run passes, in order, and their margins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from obspy import Inventory

from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.element import Element
from seismo_pes.preprocessing.clock_correction import CorrectClock
from seismo_pes.preprocessing.epochs import SplitEpochs
from seismo_pes.preprocessing.filters import Bandpass, Bandstop, Highpass, Lowpass
from seismo_pes.preprocessing.grid import TrimToGrid, TrimToSpan
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
from seismo_pes.preprocessing.record_remarks import RemarkRecords
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
from seismo_pes.signal.errors import ParameterError as SignalError
from xcorr_app.config import Config
from xcorr_app.planning.grid import RunGrid
from xcorr_app.planning.metadata_remarks import MetadataChecks
from xcorr_app.planning.steps import Step, parse_steps

__all__ = ["Chain"]

# Modules of elements that change amplitudes: windows must be rejected before them.
LEVELLING = (
    "seismo_pes.preprocessing.normalization",
    "seismo_pes.preprocessing.whitening",
)


@dataclass(frozen=True)
class Chain:
    """The steps of the preprocessing of a run.

    Attributes
    ----------
    config : Config
        The options.
    grid : RunGrid
        Windows and sampling rates.
    settings : SpectraSettings
        How windows become spectra.
    inventory : obspy.Inventory or None
        Station metadata.
    checks : MetadataChecks
        Which metadata change while records last.
    """

    config: Config
    grid: RunGrid
    settings: SpectraSettings
    inventory: Inventory | None
    checks: MetadataChecks

    def elements(self) -> list[GenericPE]:
        """Return new elements, in order.

        Where they need margins, `TrimToSpan` follows the last one that does.
        """
        steps = self._without_trim()
        margins_s = self._margins_s(steps)
        needing = [k for row in margins_s for k, value in enumerate(row) if value > 0]
        if needing:
            steps.insert(max(needing) + 1, TrimToSpan())
        return steps

    def margin_s(self) -> float:
        """Return the time before and after a span that the elements need, seconds.

        It is the sum over the elements, at the sampling rate that needs most.
        """
        margins_s = self._margins_s(self._without_trim())
        return max(map(sum, margins_s), default=0.0)

    def _without_trim(self) -> list[GenericPE]:
        return [*_checks(self), *_chain(self)]

    def _margins_s(self, steps: list[GenericPE]) -> list[list[float]]:
        """Return the margins of all elements, for each rate that they accept."""
        rows = []
        for rate_hz in self.grid.rates_hz:
            try:
                rows.append(list(_margins_at(steps, rate_hz)))
            except SignalError:  # an element refuses data of this rate
                continue
        return rows


def _margins_at(steps: Iterable[GenericPE], rate_hz: float) -> Iterator[float]:
    for step in steps:
        if isinstance(step, Element):
            yield step.margin_s(rate_hz)
            rate_hz = step.output_hz(rate_hz)
        else:
            yield 0.0


def _checks(chain: Chain) -> Iterator[GenericPE]:
    """Yield the elements that check and merge the records, and split them."""
    config, origin_ns = chain.config, chain.settings.grid.origin_ns
    if config.recorded_hz is not None:
        yield ReplaceRate(rate_hz=config.recorded_hz)
    if config.clock is not None:
        yield CorrectClock(config.clock)
    if config.overlaps != "first":
        yield ResolveOverlaps(rule=config.overlaps)
    corrections = list(_corrections(chain))
    if corrections:  # they must not see the cuts of the files
        yield FillGaps(max_gap_s=0.0)
        yield from corrections
    if config.max_gap_s > 0:
        yield FillGaps(max_gap_s=config.max_gap_s)
    yield Merge(origin_ns, flat_s=config.window_s, all_rates=_has_target(chain))
    yield RemarkRecords(config.window_s)
    checks = chain.checks
    if checks.changing is not None:
        use = checks.use
        yield SplitEpochs(checks.changing, use.responses, use.directions, use.places)


def _corrections(chain: Chain) -> Iterator[GenericPE]:
    """Yield the elements that correct or remove samples, by their neighbours."""
    config = chain.config
    if config.align_samples:
        yield AlignSamples(origin_ns=chain.settings.grid.origin_ns)
    if config.drop_flat_s is not None:
        yield DropFlat(shortest_s=config.drop_flat_s)
    if config.drop_clipped:
        yield DropClipped(level=config.clipped_level)
    if config.despike_mad is not None:
        assert config.despike_s is not None
        yield Despike(k=config.despike_mad, window_s=config.despike_s)


def _has_target(chain: Chain) -> bool:
    """Return whether traces of all rates are resampled to one rate."""
    config = chain.config
    if config.steps is not None:
        return any("rate_hz" in step.parameters for step in parse_steps(config.steps))
    return config.sampling_rate_hz is not None


def _chain(chain: Chain) -> Iterator[GenericPE]:
    """Yield the elements that work on continuous traces."""
    if chain.config.steps is not None:
        yield from _steps_of_text(chain, parse_steps(chain.config.steps))
        return
    yield from _trend(chain)
    yield from _instrument(chain)
    yield from _filters(chain)
    if chain.config.time_norm == "multiband-ram":
        bands_hz = chain.config.norm_bands_hz or ()
        yield RequireNyquist(above_hz=max(band[1] for band in bands_hz))
    yield from _resampled(chain)
    yield from _rejecting(chain)
    yield from _levelled(chain)


# -- the chain of the options -------------------------------------------------------


def _trend(chain: Chain) -> Iterator[GenericPE]:
    config = chain.config
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


def _instrument(chain: Chain) -> Iterator[GenericPE]:
    config = chain.config
    if config.response != "none":
        level_db = config.response_level_db
        yield RemoveResponse(
            chain.inventory, config.response, config.pre_filt, level_db
        )
    if config.orient:
        yield Orient(chain.inventory)


def _filters(chain: Chain) -> Iterator[GenericPE]:
    config = chain.config
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


def _resampled(chain: Chain) -> Iterator[GenericPE]:
    if chain.config.sampling_rate_hz is None:
        return
    rate_hz, origin_ns = chain.settings.rate_hz, chain.settings.grid.origin_ns
    kind = chain.config.resampling
    if kind == "rational":
        yield Resample(rate_hz=rate_hz, origin_ns=origin_ns)
    elif kind == "lanczos":
        yield ResampleLanczos(rate_hz=rate_hz, origin_ns=origin_ns)
    elif kind == "fourier":
        yield TrimToGrid(rate_hz, origin_ns, both_ends=True)
        yield ResampleFourier(rate_hz=rate_hz)
    else:
        recorded_hz = chain.grid.recorded_hz
        factor = round(recorded_hz / rate_hz)
        if factor < 1 or abs(recorded_hz / rate_hz - factor) > 1e-6:
            raise ParameterError(
                f"--resampling decimate: {recorded_hz:g} Hz is not a multiple of "
                f"--sampling-rate-hz {rate_hz:g}: use --resampling rational"
            )
        yield TrimToGrid(rate_hz, origin_ns)
        yield Decimate(factor=factor)


def _rejecting(chain: Chain) -> Iterator[GenericPE]:
    config = chain.config
    rules = config.reject_mad, config.reject_rms, config.reject_psd_db
    ratio = config.reject_rms_ratio
    if any(rule is not None for rule in (*rules, ratio)):
        yield RejectWindows(
            config.window_s,
            config.step_s,
            chain.settings.grid.origin_ns,
            *rules,
            config.reject_psd_hz,
            ratio,
        )


# The element of each kind of normalisation, from the options.
NORMALIZERS: dict[str, Callable[[Config], GenericPE]] = {
    "onebit": lambda _: OneBit(),
    "clip": lambda options: Clip(n_std=options.clip_std),
    "winsorize": lambda options: Winsorize(n_rms=options.clip_std),
    "ram": lambda options: RunningAbsoluteMean(
        window_s=options.ram_window_s, across_components=options.across_components
    ),
    "multiband-ram": lambda options: MultibandRam(
        bands_hz=options.norm_bands_hz,
        window_s=options.ram_window_s,
        corners=options.corners,
    ),
    "mean": lambda _: MeanNormalize(),
    "gain": lambda options: Gain(window_s=options.ram_window_s),
    "envelope": lambda options: Envelope(n=options.envelope_n),
    "agc": lambda options: Agc(
        window_s=options.ram_window_s, across_components=options.across_components
    ),
    "water-level": lambda options: WaterLevel(level=options.clip_std),
}


def _levelled(chain: Chain) -> Iterator[GenericPE]:
    """Yield the element of the normalisation in time, if there is one."""
    if chain.config.time_norm in NORMALIZERS:
        yield NORMALIZERS[chain.config.time_norm](chain.config)


# -- the chain of --steps -----------------------------------------------------------


def _steps_of_text(chain: Chain, steps: list[Step]) -> Iterator[GenericPE]:
    """Yield the elements of ``--steps`` with the parameters that the run knows."""
    highest_hz = [step.divides_to_hz for step in steps if step.divides_to_hz]
    if highest_hz:  # a record resampled to a higher rate has nothing to divide by
        yield RequireNyquist(above_hz=max(highest_hz))
    rejecting = list(_rejecting(chain))
    for step in steps:
        if step.element.__module__ in LEVELLING:
            yield from rejecting
            rejecting = []
        more: dict[str, object] = {}
        origin_ns = chain.settings.grid.origin_ns
        if step.takes("origin_ns"):
            more["origin_ns"] = origin_ns
        if step.takes("inventory"):
            if chain.inventory is None:
                raise ParameterError(
                    f"--steps: {step.name} needs station metadata: add --inventory PATH"
                )
            more["inventory"] = chain.inventory
        element = step.build(**more)
        if isinstance(element, ResampleFourier):
            yield TrimToGrid(step.parameters["rate_hz"], origin_ns, both_ends=True)
        elif isinstance(element, Decimate):
            yield TrimToGrid(None, origin_ns, factor=step.parameters["factor"])
        yield element
    yield from rejecting
