"""The response of a synthetic instrument: a velocity sensor and its digitiser."""

from __future__ import annotations

from typing import Any

__all__ = ["COUNTS_PER_V", "SENSOR_V_PER_M_S", "velocity_response"]

SENSOR_V_PER_M_S = 1500.0
COUNTS_PER_V = 2**24 / 40


def velocity_response(
    rate_hz: float,
    zeros: list[complex],
    poles: list[complex],
    normalisation: float,
    taps: list[float] | None = None,
) -> Any:
    """Return the response of a velocity sensor and its digitiser.

    Parameters
    ----------
    rate_hz : float
        Sampling rate.
    zeros, poles : list of complex
        Zeros and poles of the sensor, rad/s.
    normalisation : float
        Factor for which the modulus of zeros over poles is one at 1 Hz.
    taps : list of float, optional
        Coefficients of the digitiser's symmetric filter. Its delay is corrected.
    """
    from obspy.core.inventory import response as resp

    sensor = resp.PolesZerosResponseStage(
        1,
        SENSOR_V_PER_M_S,
        1.0,
        "M/S",
        "V",
        "LAPLACE (RADIANS/SECOND)",
        1.0,
        zeros,
        poles,
        normalization_factor=normalisation,
    )
    stages = [sensor, _coefficients(2, COUNTS_PER_V, "V", [1.0], rate_hz)]
    if taps is not None:
        stages.append(_coefficients(3, 1.0, "COUNTS", taps, rate_hz))
    gain = SENSOR_V_PER_M_S * COUNTS_PER_V
    sensitivity = resp.InstrumentSensitivity(gain, 1.0, "M/S", "COUNTS")
    return resp.Response(instrument_sensitivity=sensitivity, response_stages=stages)


def _coefficients(
    number: int, gain: float, units: str, taps: list[float], rate_hz: float
) -> Any:
    from obspy.core.inventory import response as resp

    delay_s = (len(taps) - 1) / 2 / rate_hz
    return resp.CoefficientsTypeResponseStage(
        number,
        gain,
        1.0,
        units,
        "COUNTS",
        "DIGITAL",
        numerator=taps,
        denominator=[],
        decimation_input_sample_rate=rate_hz,
        decimation_factor=1,
        decimation_offset=0,
        decimation_delay=delay_s,
        decimation_correction=delay_s,
    )
