"""The measures by name, and the functions that apply them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from seismo_pes.signal.errors import ParameterError, Rejected
from seismo_pes.signal.misfits.double_differences import dd_cc, dd_mt, dd_waveform
from seismo_pes.signal.misfits.ground_motion import (
    MotionSettings,
    ResponseSettings,
    pga,
    pgd,
    pgv,
    psa,
)
from seismo_pes.signal.misfits.multitaper import (
    MultitaperAmplitudeSettings,
    MultitaperTimeSettings,
    mt_amplitude,
    mt_time,
)
from seismo_pes.signal.misfits.outcomes import (
    Interval,
    Measurement,
    Rejection,
    Result,
)
from seismo_pes.signal.misfits.pairs import TAPER_FRACTION, Pair, Records
from seismo_pes.signal.misfits.phases import (
    EnvelopeSettings,
    PhaseSettings,
    envelope,
    exponentiated_phase,
    instantaneous_phase,
)
from seismo_pes.signal.misfits.settings import Settings, checked
from seismo_pes.signal.misfits.shifts import (
    AmplitudeSettings,
    TimeSettings,
    cc_amplitude,
    cc_time,
)
from seismo_pes.signal.misfits.time_frequency import (
    TimeFrequencySettings,
    tf_envelope,
    tf_phase,
)
from seismo_pes.signal.misfits.waveforms import (
    ConvolvedSettings,
    WaveformSettings,
    cc_coefficient,
    convolved,
    waveform,
)

__all__ = ["MEASURES", "Measure", "measure", "measure_windows"]

NamedOptions = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Measure:
    """A measure, as an application needs it.

    Attributes
    ----------
    function
        Takes a `Pair` (two for a double difference) and the options, returns `Result`.
    unit
        Unit of the value, where ``u`` is the unit of the records, with the default
        options.
    settings
        The class that declares its options.
    is_double
        Whether it compares two stations.
    is_tapered
        Whether windows are tapered; for peaks they are not.
    definition
        Version of the definition.
    conventions
        Conventions in which it is defined.
    """

    function: Callable[..., Result]
    unit: str
    settings: type[Settings] = Settings
    is_double: bool = False
    is_tapered: bool = True
    definition: int = 1
    conventions: tuple[str, ...] = ("native",)

    @property
    def summary(self) -> str:
        """The first sentence of its documentation."""
        return (self.function.__doc__ or "").partition("\n")[0]


_BOTH = ("native", "pyadjoint")

#: The measures by name.
MEASURES: dict[str, Measure] = {
    "waveform": Measure(waveform, "u^2 s", WaveformSettings, conventions=_BOTH),
    "cc_coefficient": Measure(cc_coefficient, "1"),
    "convolved": Measure(
        convolved, "u^4 s^3", ConvolvedSettings, is_double=True, conventions=_BOTH
    ),
    "cc_time": Measure(cc_time, "1", TimeSettings, conventions=_BOTH),
    "cc_amplitude": Measure(cc_amplitude, "1", AmplitudeSettings, conventions=_BOTH),
    "mt_time": Measure(mt_time, "1", MultitaperTimeSettings, conventions=_BOTH),
    "mt_amplitude": Measure(
        mt_amplitude, "1", MultitaperAmplitudeSettings, conventions=_BOTH
    ),
    "exponentiated_phase": Measure(
        exponentiated_phase, "s", PhaseSettings, conventions=_BOTH
    ),
    "instantaneous_phase": Measure(instantaneous_phase, "rad^2 s", PhaseSettings),
    "envelope": Measure(envelope, "u^2 s", EnvelopeSettings),
    "tf_envelope": Measure(tf_envelope, "1", TimeFrequencySettings),
    "tf_phase": Measure(tf_phase, "1", TimeFrequencySettings),
    "dd_waveform": Measure(dd_waveform, "u^2 s", is_double=True, conventions=_BOTH),
    "dd_cc": Measure(dd_cc, "1", TimeSettings, is_double=True, conventions=_BOTH),
    "dd_mt": Measure(dd_mt, "1", MultitaperTimeSettings, is_double=True),
    "pgd": Measure(pgd, "1", MotionSettings, is_tapered=False),
    "pgv": Measure(pgv, "1", MotionSettings, is_tapered=False),
    "pga": Measure(pga, "1", MotionSettings, is_tapered=False),
    "psa": Measure(psa, "1", ResponseSettings, is_tapered=False),
}


def measure(
    name: str,
    observed: ArrayLike,
    synthetic: ArrayLike,
    delta_s: float,
    *,
    window_s: Sequence[float] | None = None,
    other: tuple[ArrayLike, ArrayLike] | None = None,
    other_window_s: Sequence[float] | None = None,
    taper_fraction: float | None = None,
    convention: str = "native",
    record_unit: str = "u",
    **options: Any,
) -> Measurement:
    """Compare an observed with a synthetic record in one window.

    Parameters
    ----------
    name
        One of `MEASURES`.
    observed, synthetic
        Records with the same times, shape ``(n,)``.
    delta_s
        Sampling interval.
    window_s
        Start and end in seconds after the first sample, both included. By default the
        whole records, which count as zero before and after.
    other
        Observed and synthetic record of the other station of a double difference,
        shape ``(m,)``, with the same sampling interval.
    other_window_s
        Its window, if it is not that of the first station.
    taper_fraction
        Length of the Hann tapers at both ends together, as a part of the window; 0.3 by
        default, and 0 without a window.
    convention
        ``"native"``, or ``"pyadjoint"`` for its definitions of the value.
    record_unit
        Unit of the records, such as ``"m/s"``, for the unit of the value.
    options
        Options of the measure, see ``MEASURES[name].settings``.

    Returns
    -------
    `Measurement`.

    Raises
    ------
    ParameterError
        If a parameter is not allowed.
    Rejected
        If the measure has no value for these data.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(400) / 10
    >>> pulse = np.exp(-((t - 20) ** 2))
    >>> row = measure("waveform", pulse, 0.5 * pulse, 0.1, record_unit="m")
    >>> round(row.value, 5), row.unit
    (0.15666, '(m)^2 s')
    """
    kind = _measure_named(name)
    settings = checked(kind.settings, options)
    shared = _Shared(delta_s, taper_fraction, convention)
    window_s = _as_interval(window_s)
    pair = shared.pair(kind, Records(observed, synthetic, delta_s), window_s)
    second = None
    if other is not None:
        if not kind.is_double:
            raise ParameterError(f"{name} compares one station: other is not used")
        other_window_s = _as_interval(other_window_s) or window_s
        try:
            second = shared.pair(kind, Records(*other, delta_s), other_window_s)
        except Rejected as rejected:
            reason = f"other station: {rejected.reason}"
            raise Rejected(reason, rejected.numbers) from None
    return _apply(name, settings, pair, second, record_unit)


def measure_windows(
    names: Iterable[str | NamedOptions] | Mapping[str, Mapping[str, Any]],
    observed: ArrayLike,
    synthetic: ArrayLike,
    delta_s: float,
    windows_s: Iterable[Sequence[float] | None],
    *,
    taper_fraction: float | None = None,
    convention: str = "native",
    record_unit: str = "u",
) -> list[Measurement | Rejection]:
    """Apply measures to windows; common intermediate results are computed once.

    Parameters
    ----------
    names
        Names of measures of one station. A pair of a name and options, or a mapping of
        names to options, gives options; a name may occur several times.
    observed, synthetic, delta_s, taper_fraction, convention, record_unit
        See `measure`.
    windows_s
        Start and end of each window; None is the whole record.

    Returns
    -------
    For each window and each name, in this order, a `Measurement`, or a `Rejection` if
    the measure has no value for the data of the window.

    Raises
    ------
    ParameterError
        If a parameter is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(400) / 10
    >>> pulse = np.exp(-((t - 20) ** 2))
    >>> rows = measure_windows(
    ...     ["waveform", "cc_coefficient"], pulse, pulse, 0.1, [(10, 30), (30, 50)]
    ... )
    >>> [getattr(row, "reason", "measured") for row in rows][1:3]
    ['measured', 'window outside the data']
    """
    chosen = _with_settings(names)
    windows = [_as_interval(window_s) for window_s in windows_s]
    shared = _Shared(delta_s, taper_fraction, convention)
    outcomes: list[Measurement | Rejection] = []
    try:
        records = Records(observed, synthetic, delta_s)
    except Rejected as rejected:
        return [
            Rejection(name, rejected.reason, rejected.numbers, window_s)
            for window_s in windows
            for name, _ in chosen
        ]
    for window_s in windows:
        for name, options in chosen:
            try:
                pair = shared.pair(MEASURES[name], records, window_s)
                row = _apply(name, options, pair, None, record_unit)
            except Rejected as rejected:
                reason, numbers = rejected.reason, rejected.numbers
                outcomes.append(Rejection(name, reason, numbers, window_s))
            else:
                outcomes.append(row)
    return outcomes


def _as_interval(window_s: Sequence[float] | None) -> Interval | None:
    """Return a pair of numbers, such as a list of JSON, as an interval."""
    if window_s is None:
        return None
    if len(window_s) != 2:
        raise ParameterError(f"window_s must be start and end, not {window_s!r}")
    return float(window_s[0]), float(window_s[1])


def _with_settings(
    names: Iterable[str | NamedOptions] | Mapping[str, Mapping[str, Any]],
) -> list[tuple[str, Settings]]:
    """Return measures of one station with their checked options."""
    given = names.items() if isinstance(names, Mapping) else names
    chosen = []
    for entry in given:
        name, options = (entry, {}) if isinstance(entry, str) else entry
        if _measure_named(name).is_double:
            raise ParameterError(f"{name} compares two stations: use `measure`")
        chosen.append((name, checked(MEASURES[name].settings, dict(options))))
    return chosen


class _Shared:
    """Pairs of windows that several measures use."""

    def __init__(
        self, delta_s: float, taper_fraction: float | None, convention: str
    ) -> None:
        self.delta_s = delta_s
        self.taper_fraction = taper_fraction
        self.convention = convention
        self._pairs: dict[Any, Pair] = {}

    def pair(self, kind: Measure, records: Records, window_s: Interval | None) -> Pair:
        """Return the windows of a measure, tapered if the measure needs it."""
        if self.convention not in kind.conventions:
            listed = ", ".join(kind.conventions)
            raise ParameterError(
                f"convention must be one of {listed} for this measure, "
                f"not {self.convention!r}"
            )
        fraction = self.taper_fraction
        if fraction is None:
            fraction = TAPER_FRACTION if window_s is not None else 0.0
        if not kind.is_tapered:
            fraction = 0.0
        key = (id(records), window_s, fraction)
        if key not in self._pairs:
            self._pairs[key] = Pair(records, window_s, fraction, self.convention)
        return self._pairs[key]


def _measure_named(name: str) -> Measure:
    if name not in MEASURES:
        raise ParameterError(
            f"{name!r} is not a measure; the measures are {', '.join(MEASURES)}"
        )
    return MEASURES[name]


def _apply(
    name: str, settings: Settings, pair: Pair, other: Pair | None, record_unit: str
) -> Measurement:
    kind = MEASURES[name]
    if kind.is_double:
        if other is None:
            raise ParameterError(f"{name} compares two stations: other is missing")
        result = kind.function(pair, other, settings)
    else:
        result = kind.function(pair, settings)
    unit = kind.unit if result.unit is None else result.unit
    if record_unit != "u":
        unit = unit.replace("u", f"({record_unit})")
    return Measurement(
        name=name,
        value=result.misfit if result.value is None else result.value,
        misfit=result.misfit,
        unit=unit,
        uncertainty=result.uncertainty,
        quantities=result.quantities,
        adjoint=result.adjoint,
        adjoint_other=result.adjoint_other,
        window_s=pair.window_s,
        definition=kind.definition,
        convention=pair.convention,
    )
