"""How both records of a station are processed."""

from __future__ import annotations

from dataclasses import dataclass

from dispel4py.errors import DataError

__all__ = ["PairSettings"]

# Corners of the default pre-filter, in units of 1/longest and 1/shortest period, and
# its limits as parts of the Nyquist frequency.
PRE_FILTER_LOW = (0.4, 0.7)
PRE_FILTER_HIGH = (1.4, 2.0)
NYQUIST_PARTS = (0.85, 0.98)
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class PairSettings:
    """How both records of a station are processed.

    Attributes
    ----------
    periods_s : (float, float)
        Shortest and longest period of all bands.
    motion : str
        ``displacement``, ``velocity`` or ``acceleration``: the motion that is compared.
    components : str
        Letters of the components that are compared, such as ZRT or ZNE.
    response : bool
        Whether the response is removed from the observed records; otherwise they are
        already in SI units, of the motion `observed_motion`.
    observed_motion : str
        See `response`.
    pre_filt : tuple of float, optional
        Four rising corners in Hz of a cosine taper for both sides; by default around
        the periods, and below the Nyquist frequency of the record.
    water_level_db : float, optional
        See `remove_response`.
    taper_s : float
        Length of the cosine taper at each end.
    pad_s : float
        Observed data before and after the synthetic that are processed, too.
    half_duration_s : float
        Synthetics are convolved with a Gaussian source time function of this half
        duration; 0: they are not.
    """

    periods_s: tuple[float, float]
    motion: str = "velocity"
    components: str = "ZRT"
    response: bool = True
    observed_motion: str = "velocity"
    pre_filt: Corners | None = None
    water_level_db: float | None = 60.0
    taper_s: float = 0.0
    pad_s: float = 0.0
    half_duration_s: float = 0.0

    def corners(self, rate_hz: float) -> Corners:
        """Return the corners of the pre-filter for records of a rate.

        Parameters
        ----------
        rate_hz : float

        Raises
        ------
        DataError
            If the rate is too low for them.
        """
        nyquist_hz = rate_hz / 2
        if self.pre_filt is not None:
            if self.pre_filt[3] > nyquist_hz:
                raise DataError(
                    f"the pre-filter ends above {nyquist_hz:g} Hz, the Nyquist "
                    "frequency"
                )
            return self.pre_filt
        short_s, long_s = self.periods_s
        low = [part / long_s for part in PRE_FILTER_LOW]
        high = [
            min(part / short_s, limit * nyquist_hz)
            for part, limit in zip(PRE_FILTER_HIGH, NYQUIST_PARTS, strict=True)
        ]
        if not low[1] < high[0] < high[1]:
            raise DataError(f"all periods are too short for {rate_hz:g} Hz")
        return low[0], low[1], high[0], high[1]
