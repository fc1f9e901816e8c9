"""The processing of synthetics as a linear map, and the way back of adjoint sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from obspy import Trace
from scipy import fft

from seismo_pes.comparing.pair_settings import PairSettings
from seismo_pes.items.comparison import AdjointTrace
from seismo_pes.signal.taper import cosine_edge
from seismo_pes.signal.time_axis import Axis, Resampling, resampling

__all__ = ["Chain", "LinearSide", "SpectralStep", "chain_of", "for_displacement"]

# The Gaussian of SPECFEM is exp(-(t/tau)^2), where tau = half duration / 1.628.
DECAY = 1.628
ORDERS = {"displacement": 0, "velocity": 1, "acceleration": 2}


@dataclass(frozen=True)
class SpectralStep:
    """Change of motion, source time function and pre-filter, in one multiplication.

    Attributes
    ----------
    from_motion, to_motion : str
        ``displacement``, ``velocity`` or ``acceleration``.
    half_duration_s : float
        Of a Gaussian source time function, as in SPECFEM; 0: none.
    pre_filt : tuple of float
        Four rising corners in Hz of a cosine taper.
    """

    from_motion: str
    to_motion: str
    half_duration_s: float
    pre_filt: tuple[float, float, float, float]

    def apply(
        self, x: np.ndarray, delta_s: float, transposed: bool = False
    ) -> np.ndarray:
        """Return the record after the step, or of its transpose.

        Parameters
        ----------
        x : numpy.ndarray
            Shape ``(n,)``; zero before and after.
        delta_s : float
            Sampling interval.
        transposed : bool
            Apply the transposed map.
        """
        n_zeros = max(x.size, int(2 / (self.pre_filt[1] * delta_s)))
        n_fft = fft.next_fast_len(x.size + n_zeros, real=True)
        frequency = fft.rfftfreq(n_fft, delta_s)
        response = self._response(frequency)
        if transposed:
            response = response.conj()
        return fft.irfft(fft.rfft(x, n_fft) * response, n_fft)[: x.size]

    def _response(self, frequency: np.ndarray) -> np.ndarray:
        f1, f2, f3, f4 = self.pre_filt
        rise = np.clip((frequency - f1) / (f2 - f1), 0, 1)
        fall = np.clip((f4 - frequency) / (f4 - f3), 0, 1)
        response = 0.25 * (1 - np.cos(np.pi * rise)) * (1 - np.cos(np.pi * fall)) + 0j
        order = ORDERS[self.to_motion] - ORDERS[self.from_motion]
        passed = response != 0
        response[passed] *= (2j * np.pi * frequency[passed]) ** order
        if self.half_duration_s > 0:
            decay_s = self.half_duration_s / DECAY
            response *= np.exp(-((np.pi * frequency * decay_s) ** 2))
        response[-1] = response[-1].real
        return response


@dataclass(frozen=True)
class Chain:
    """The steps from a synthetic as it was read to the common axis.

    Attributes
    ----------
    channel_id : str
    axis : Axis
        Times of the synthetic after the origin.
    n_taper : int
        Samples of the cosine taper at each end.
    spectral : SpectralStep
    resampling : Resampling
        To the common axis.
    """

    channel_id: str
    axis: Axis
    n_taper: int
    spectral: SpectralStep
    resampling: Resampling

    def _weights(self) -> np.ndarray:
        weights = np.ones(self.axis.n)
        n = min(self.n_taper, self.axis.n // 2)
        if n:
            edge = cosine_edge(n)
            weights[:n] *= edge
            weights[-n:] *= edge[::-1]
        return weights

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Return the synthetic on the common axis."""
        y = self.spectral.apply(x * self._weights(), self.axis.delta_s)
        return self.resampling.apply(y)

    def transpose(self, y: np.ndarray) -> np.ndarray:
        """Return the transposed map of samples on the common axis."""
        x = self.resampling.transpose(y)
        x = self.spectral.apply(x, self.axis.delta_s, transposed=True)
        return x * self._weights()


def chain_of(trace: Trace, own: Axis, common: Axis, settings: PairSettings) -> Chain:
    """Return the steps that bring a synthetic to the common motion and axis.

    Parameters
    ----------
    trace : Trace
        The synthetic; ``stats.motion`` is its motion.
    own, common : Axis
        Times of its samples, and of those of all compared records.
    settings : PairSettings
    """
    rate_hz = 1 / own.delta_s
    step = SpectralStep(
        trace.stats.motion,
        settings.motion,
        settings.half_duration_s,
        settings.corners(rate_hz),
    )
    n_taper = round(settings.taper_s * rate_hz)
    return Chain(trace.id, own, n_taper, step, resampling(own, common))


@dataclass(frozen=True)
class LinearSide:
    """All synthetics of a station, and how they give the compared components.

    Attributes
    ----------
    chains : tuple of Chain
    weights : mapping of str to mapping of int to float
        For each component the weights of the chains.
    delta_s : float
        Sampling interval of the common axis.
    spans : mapping of str to (int, int)
        Of each component its first sample on the common axis, and its number of
        samples.
    n : int
        Samples of the common axis.
    """

    chains: tuple[Chain, ...]
    weights: Mapping[str, Mapping[int, float]]
    delta_s: float
    spans: Mapping[str, tuple[int, int]]
    n: int

    def adjoint_traces(
        self, adjoints: Mapping[str, np.ndarray]
    ) -> tuple[AdjointTrace, ...]:
        """Return adjoint sources for the synthetics as they were read.

        Parameters
        ----------
        adjoints : mapping of str to numpy.ndarray
            Adjoint source of each component on the common axis.

        Returns
        -------
        tuple of AdjointTrace
            The change of the misfit is the integral over time of each source times the
            change of its synthetic.
        """
        traces = []
        for number, chain in enumerate(self.chains):
            total = np.zeros(self.n)
            for name, data in adjoints.items():
                weight = self.weights[name].get(number, 0.0)
                first, n = self.spans[name]
                total[first : first + n] += weight * data
            # both are densities in time: the sums have the intervals as factors
            density = chain.transpose(total) * self.delta_s / chain.axis.delta_s
            axis, motion = chain.axis, chain.spectral.from_motion
            place = chain.channel_id, axis.delta_s, axis.start_s
            traces.append(AdjointTrace(*place, density, motion))
        return tuple(traces)


def for_displacement(source: AdjointTrace) -> AdjointTrace:
    """Return the adjoint source by displacement, which is the force of a solver.

    Velocity and acceleration count as central differences of displacement,
    v_i = (u_(i+1) - u_(i-1)) / 2h and a_i = (u_(i+1) - 2 u_i + u_(i-1)) / h^2 with the
    sampling interval h; the source is the transpose of these differences. They are
    exact for the explicit Newmark scheme of SPECFEM if each time step is written. The
    displacement counts as zero before and after the record.

    Parameters
    ----------
    source : AdjointTrace
        The derivative of the misfit by a synthetic of any motion.

    Returns
    -------
    AdjointTrace
        The derivative by the displacement, for the same samples.

    References
    ----------
    Tromp, Tape and Liu (2005), doi:10.1111/j.1365-246X.2004.02453.x.

    Examples
    --------
    >>> peak = np.array([0.0, 0.0, 1.0, 0.0, 0.0])
    >>> source = AdjointTrace("XX.A..BXZ", 0.5, 0.0, peak, "velocity")
    >>> for_displacement(source).data.tolist()
    [0.0, -1.0, 0.0, 1.0, 0.0]
    """
    data, delta_s = np.pad(source.data, 1), source.delta_s
    before, after = data[:-2], data[2:]
    order = ORDERS[source.motion] - ORDERS["displacement"]
    parts = (
        source.data,
        (before - after) / (2 * delta_s),
        (before - 2 * source.data + after) / delta_s**2,
    )
    return replace(source, data=parts[order], motion="displacement")
