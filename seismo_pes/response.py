"""Take the instrument out of the data: deconvolution by the channel's response.

The same formulas as `obspy.Trace.remove_response` without its demeaning and taper, but
each response is evaluated once, for all channels whose response it is. What evalresp
takes a second for on the million frequencies of a day, it does in hundredths on
`N_NODES` frequencies or fewer, between which a cubic spline in log frequency agrees
with it to `TOLERANCE`, which is checked; where it does not, evalresp does all of them.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
from obspy import Inventory, Stream, Trace, UTCDateTime
from obspy.core.inventory import Channel as XmlChannel
from obspy.core.inventory import Response
from obspy.core.inventory.response import ResponseListResponseStage
from obspy.signal.invsim import cosine_sac_taper
from scipy.interpolate import CubicSpline

from dispel4py.errors import DataError, ParameterError
from seismo_pes.element import Element
from seismo_pes.inventory import read_inventory
from seismo_pes.signal.transfer import Transfer, apply, transfer
from seismo_pes.traces import with_data

__all__ = ["RemoveResponse", "ResponseCache", "remove_response"]

OUTPUTS = ("DISP", "VEL", "ACC", "DEF")
N_NODES = 2**15
# of the spline for a record of few frequencies, if so many are enough
FEWEST_NODES = 2**11
# the lowest node, in sampling rates: below the lowest frequency of years of samples
LOWEST_NODE = 1e-9
TOLERANCE = 1e-8
PreFilter = Sequence[float]


class ResponseCache:
    """Responses that were evaluated before, those used last kept.

    Parameters
    ----------
    max_mb : float
        How much memory they may take. The inverse spectrum of a day at 20 Hz takes
        28 MB; where it has gone it is made again from the response's spline (2 MB),
        which takes about as long as a Fourier transform, or from nothing in little
        more.
    """

    def __init__(self, max_mb: float = 256.0) -> None:
        self._max_bytes = max_mb * 1e6
        self._bytes = 0
        self._kept: OrderedDict[tuple[Any, ...], tuple[Any, int]] = OrderedDict()
        # with the response, so that no other can get the id of one that is a key
        self._contents: dict[int, tuple[Response, _Contents]] = {}

    def inverse(
        self,
        response: Response,
        n_fft: int,
        rate_hz: float,
        output: str,
        pre_filt: PreFilter | None,
        water_level_db: float | None,
    ) -> Transfer:
        """Return what to multiply a spectrum of length ``n_fft`` by."""
        filt = None if pre_filt is None else tuple(pre_filt)
        contents = self._contents_of(response)
        key = (contents, n_fft, rate_hz, output, filt, water_level_db)
        if (inverse := self._get(key)) is not None:
            return inverse
        curve_key = (contents, rate_hz, output)
        if (curve := self._get(curve_key)) is None:
            curve = _Curve.of(response, rate_hz, output, n_fft // 2 + 1)
            self._keep(curve_key, curve, curve.nbytes)
        freqs_hz = np.linspace(0.0, rate_hz / 2, n_fft // 2 + 1)
        inverse = _inverted(curve.at(freqs_hz), water_level_db)
        if filt is not None:
            inverse *= cosine_sac_taper(freqs_hz, flimit=filt)
        made = transfer(inverse)
        self._keep(key, made, made.nbytes)
        return made

    def _contents_of(self, response: Response) -> _Contents:
        if id(response) not in self._contents:
            self._contents[id(response)] = (response, _Contents(response))
        return self._contents[id(response)][1]

    def _get(self, key: tuple[Any, ...]) -> Any:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def _keep(self, key: tuple[Any, ...], value: Any, nbytes: int) -> None:
        self._kept[key] = (value, nbytes)
        self._bytes += nbytes
        while self._bytes > self._max_bytes and len(self._kept) > 1:
            _, (_, freed) = self._kept.popitem(last=False)
            self._bytes -= freed


class _Contents:
    """What a response says: equal for two channels with the same instrument."""

    def __init__(self, response: Response) -> None:
        self._values = _values_of(response)
        self._hash = hash(self._values)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Contents) and self._values == other._values


_PLAIN = (float, int, str, complex, type(None))


def _values_of(thing: Any) -> Any:
    """Return all numbers and texts in a response, nested as they are, hashable."""
    if isinstance(thing, _PLAIN):
        extra = getattr(thing, "__dict__", None)  # units, uncertainties
        return (thing, _values_of(extra)) if extra else thing
    if isinstance(thing, dict):
        return tuple((name, _values_of(value)) for name, value in thing.items())
    if isinstance(thing, Iterable):
        return tuple(_values_of(value) for value in thing)
    return (type(thing).__name__, _values_of(vars(thing)))


@dataclass(frozen=True)
class _Curve:
    """A response as a function of frequency."""

    response: Response
    output: str
    lowest_hz: float
    spline: CubicSpline | None

    @classmethod
    def of(
        cls, response: Response, rate_hz: float, output: str, n_wanted: int
    ) -> _Curve:
        """Fit a spline whose nodes are worth it for ``n_wanted`` frequencies."""
        lowest_hz = LOWEST_NODE * rate_hz
        bare = cls(response, output, lowest_hz, None)
        if any(
            isinstance(stage, ResponseListResponseStage)
            for stage in response.response_stages
        ):
            # straight lines between its entries: no spline follows their corners
            return bare
        n_nodes = max(FEWEST_NODES, 1 << (n_wanted // 4).bit_length())
        while n_nodes < N_NODES:
            if (spline := bare._fitted(_nodes(lowest_hz, rate_hz, n_nodes))) is None:
                n_nodes *= 2
                continue
            return cls(response, output, lowest_hz, spline)
        return cls(
            response, output, lowest_hz, bare._fitted(_nodes(lowest_hz, rate_hz))
        )

    def _fitted(self, nodes: np.ndarray) -> CubicSpline | None:
        """Return the spline through the nodes; None where it is not good enough."""
        exact = self.at(nodes)
        if not np.isfinite(exact).all():
            return None
        half = CubicSpline(np.log(nodes[::2]), exact[::2])(np.log(nodes[1::2]))
        error = np.abs(half - exact[1::2])
        # with all nodes the error is a sixteenth of that with every other one
        allowed = 16 * TOLERANCE * (np.abs(exact[1::2]) + 1e-6 * np.abs(exact).max())
        return None if (error > allowed).any() else CubicSpline(np.log(nodes), exact)

    @property
    def nbytes(self) -> int:
        """Memory that the spline takes."""
        return 0 if self.spline is None else self.spline.c.nbytes + self.spline.x.nbytes

    def at(self, freqs_hz: np.ndarray) -> np.ndarray:
        """Return the complex response at rising frequencies."""
        n_exact = len(freqs_hz)
        if self.spline is not None:
            n_exact = int(np.searchsorted(freqs_hz, self.lowest_hz))
        curve = np.empty(len(freqs_hz), dtype=np.complex128)
        if n_exact:
            curve[:n_exact] = self.response.get_evalresp_response_for_frequencies(
                freqs_hz[:n_exact],
                output=self.output,
                hide_sensitivity_mismatch_warning=True,
            )
        if self.spline is not None:
            curve[n_exact:] = self.spline(np.log(freqs_hz[n_exact:]))
        return curve


def _nodes(lowest_hz: float, rate_hz: float, n: int = N_NODES) -> np.ndarray:
    """Frequencies, rising: even in log up to a fiftieth of the rate, then even.

    Seismometers are smooth in log frequency; the filters of digitisers have their
    ripples and their steep edge at even distances below Nyquist.
    """
    middle_hz = rate_hz / 50
    low = np.geomspace(lowest_hz, middle_hz, n // 2, endpoint=False)
    return np.concatenate((low, np.linspace(middle_hz, rate_hz / 2, n // 2 + 1)))


def remove_response(
    stream: Iterable[Trace],
    inventory: Inventory,
    output: str = "VEL",
    pre_filt: PreFilter | None = None,
    water_level_db: float | None = 60.0,
    cache: ResponseCache | None = None,
) -> Stream:
    """Remove the instrument response; returns new traces.

    Neither demeans nor tapers: do that before, or the ends of the trace ring.

    Parameters
    ----------
    stream : obspy.Stream or iterable of obspy.Trace
        Gapless traces; left as they are.
    inventory : obspy.Inventory
        Station metadata with responses.
    output : str
        ``"DISP"``, ``"VEL"`` or ``"ACC"`` in SI units; ``"DEF"``: the sensor's input.
    pre_filt : four floats, optional
        Corners in Hz of a cosine taper in the frequency domain.
    water_level_db : float, optional
        The response counts as no smaller than so many dB below its maximum.
    cache : ResponseCache, optional
        Responses of earlier calls; pass the same one for all data of a channel.

    Returns
    -------
    obspy.Stream
        float64, in the order given, with the headers of the input.

    Raises
    ------
    DataError
        If a channel has no response at the time of a trace, or it cannot be evaluated.
    ParameterError
        If the output is unknown, or the corners do not rise or exceed Nyquist.
    """
    if output not in OUTPUTS:
        raise ParameterError(f"output {output!r}: one of {', '.join(OUTPUTS)} is known")
    cache = ResponseCache() if cache is None else cache
    removed = Stream()
    for trace in stream:
        _check_pre_filt(pre_filt, trace.stats.sampling_rate)
        response = find_response(trace, inventory)
        data = _deconvolved(trace, response, cache, output, pre_filt, water_level_db)
        removed.append(with_data(trace, data))
    return removed


class RemoveResponse(Element):
    """Remove the instrument response: `remove_response` as a processing element.

    Parameters
    ----------
    inventory : str, Path or obspy.Inventory
        Station metadata; a path is read when the run starts, by `read_inventory`.
    output, pre_filt, water_level_db
        As for `remove_response`.
    cache_mb : float
        See `ResponseCache`.

    Ports
    -----
    input : obspy.Stream, obspy.Trace or Waveforms
        Gapless traces.
    output : the same type
        Those that have a response, without it.
    skipped : Skipped
        Those that have none, stage ``"response"``.
    """

    stage = "response"

    def __init__(
        self,
        inventory: str | Path | Inventory,
        output: str = "VEL",
        pre_filt: PreFilter | None = None,
        water_level_db: float | None = 60.0,
        cache_mb: float = 256.0,
    ) -> None:
        super().__init__()
        if output not in OUTPUTS:
            raise ParameterError(
                f"output {output!r}: one of {', '.join(OUTPUTS)} is known"
            )
        _check_pre_filt(pre_filt, math.inf)
        self.inventory = inventory
        self.options = (output, pre_filt, water_level_db)
        self.cache_mb = cache_mb

    def _preprocess(self) -> None:
        self._cache = ResponseCache(self.cache_mb)
        self._inventory = self.inventory
        if not isinstance(self._inventory, Inventory):
            self._inventory, _ = read_inventory(self._inventory)

    def transform(self, part: Trace) -> Stream:
        """Remove the response from one trace."""
        return remove_response(
            [part], self._inventory, *self.options, cache=self._cache
        )


def find_response(trace: Trace, inventory: Inventory) -> Response:
    """Return the response that holds for the whole of a trace.

    Raises
    ------
    DataError
        Naming channel and epoch, if there is none.
    """
    start, end = trace.stats.starttime, trace.stats.endtime
    epochs = _epochs(inventory, trace.id)
    # a trace that runs a sample over midnight does not leave an epoch that ends there
    slack_s = 1.5 * trace.stats.delta
    for epoch in epochs:
        begins_early = epoch.start_date is None or epoch.start_date <= start + slack_s
        ends_late = epoch.end_date is None or end - slack_s <= epoch.end_date
        if begins_early and ends_late and _is_complete(epoch.response):
            return epoch.response
    when = f"{trace.id}: no response from {start} to {end}"
    if not epochs:
        raise DataError(f"{when}: the inventory has no such channel")
    if not any(_is_complete(epoch.response) for epoch in epochs):
        raise DataError(
            f"{when}: the inventory has the channel without response; ask for it at "
            "level=response"
        )
    times = "; ".join(f"{e.start_date} to {e.end_date or 'now'}" for e in epochs)
    raise DataError(
        f"{when}: the inventory has {times}; give it the missing epoch, or cut the "
        "data where the epoch changes"
    )


def _epochs(inventory: Inventory, channel_id: str) -> list[XmlChannel]:
    network_code, station_code, location, code = channel_id.split(".")
    return [
        channel
        for network in inventory
        if network.code == network_code
        for station in network
        if station.code == station_code
        for channel in station
        if channel.code == code and channel.location_code == location
    ]


def _is_complete(response: Response | None) -> bool:
    return response is not None and bool(response.response_stages)


def _check_pre_filt(pre_filt: PreFilter | None, rate_hz: float) -> None:
    if pre_filt is None:
        return
    if len(pre_filt) != 4 or not all(np.diff(pre_filt) > 0) or pre_filt[0] < 0:
        raise ParameterError(f"pre_filt {pre_filt}: four rising corners in Hz are due")
    if pre_filt[3] > rate_hz / 2:
        raise ParameterError(
            f"pre_filt {tuple(pre_filt)}: its corners exceed the Nyquist frequency of "
            f"{rate_hz / 2:g} Hz"
        )


def _deconvolved(
    trace: Trace,
    response: Response,
    cache: ResponseCache,
    output: str,
    pre_filt: PreFilter | None,
    water_level_db: float | None,
) -> np.ndarray:
    if np.ma.isMaskedArray(trace.data) or not trace.stats.npts:
        raise DataError(f"{trace.id}: gaps or no samples at all; split it first")
    n_fft = 2 * scipy.fft.next_fast_len(trace.stats.npts, real=True)
    rate_hz = float(trace.stats.sampling_rate)
    try:
        inverse = cache.inverse(
            response, n_fft, rate_hz, output, pre_filt, water_level_db
        )
    except Exception as error:  # evalresp and its wrapping raise anything
        when = UTCDateTime(trace.stats.starttime)
        raise DataError(
            f"{trace.id}: its response at {when} cannot be evaluated: {error}"
        ) from error
    data = trace.data.astype(np.float64, copy=False)
    return apply(data, inverse, nyquist_modulus=True)


def _inverted(spectrum: np.ndarray, water_level_db: float | None) -> np.ndarray:
    """Return 1 / spectrum with its amplitude kept above the water level; 0 for 0."""
    if water_level_db is None:
        spectrum[0] = 0.0
    amplitude = np.abs(spectrum)
    inverse = np.zeros_like(spectrum)
    np.divide(1.0, spectrum, out=inverse, where=amplitude > 0)
    if water_level_db is not None:
        floor = amplitude.max() * 10.0 ** (-water_level_db / 20.0)
        low = np.flatnonzero((amplitude < floor) & (amplitude > 0))
        inverse[low] *= amplitude[low] / floor
    return inverse
