"""Units of ground motion: each spelling gives the same ground motion."""

import numpy as np
import pytest
from obspy import Inventory, Trace, UTCDateTime
from obspy.core.inventory import Channel, Network, Response, Station

from seismo_pes.metadata.inventory import read_inventory
from seismo_pes.preprocessing.response import remove_response

RATE_HZ = 10.0
UNITS = {
    "M": ("M", "CM", "mm", "UM", "\u00b5m", "NM"),
    "M/S": ("m/s", "M/SEC", "CM/SEC", "MM/S", "um/s", "\u03bcm/s", "NM/S"),
    "M/S**2": (
        "m/s^2",
        "M/S2",
        "M/(S**2)",
        "M/S/S",
        "CM/(SEC**2)",
        "NM/SEC**2",
        "um/s/s",
    ),
}
IN_A_METRE = {"c": 1e2, "m": 1e3, "u": 1e6, "\u00b5": 1e6, "\u03bc": 1e6, "n": 1e9}
CASES = [(base, unit) for base, units in UNITS.items() for unit in units]


def inventory_of(unit, gain):
    start = UTCDateTime(2020, 1, 1)
    response = Response.from_paz(
        zeros=[], poles=[], stage_gain=gain, input_units="M/S", output_units="COUNTS"
    )
    response.response_stages[0].input_units = unit
    channel = Channel("BHZ", "", 1.0, 1.0, 0.0, 0.0, 0.0, -90.0, response=response)
    channel.start_date = start
    station = Station("A", 1.0, 1.0, 0.0, channels=[channel], creation_date=start)
    return Inventory(networks=[Network("XX", stations=[station])], source="test")


@pytest.mark.parametrize(("base", "unit"), CASES)
def test_the_motion_does_not_depend_on_the_spelling_of_the_unit(tmp_path, base, unit):
    """A wave of 1 Hz and 1e-6 of the base unit, recorded with 1e9 counts of it."""
    name = unit.casefold()
    is_plain = name in ("m", "m/s", "m/sec", "m/s^2", "m/s2", "m/(s**2)", "m/s/s")
    factor = 1.0 if is_plain else IN_A_METRE[unit[0].lower()]
    path = tmp_path / "a.xml"
    inventory_of(unit, 1e9 / factor).write(str(path), format="STATIONXML")
    inventory, _ = read_inventory(path)
    times_s = np.arange(2000) / RATE_HZ
    header = {"network": "XX", "station": "A", "channel": "BHZ"}
    header |= {"sampling_rate": RATE_HZ, "starttime": UTCDateTime(2024, 1, 1)}
    taper = np.hanning(2000)
    trace = Trace(1e3 * np.sin(2 * np.pi * times_s) * taper, header)
    (removed,) = remove_response([trace], inventory, "VEL", (0.1, 0.2, 3.0, 4.0))
    # the derivative or the integral of the motion that was recorded
    omega = 2 * np.pi
    velocity = {
        "M": omega * np.cos(omega * times_s),
        "M/S": np.sin(omega * times_s),
        "M/S**2": -np.cos(omega * times_s) / omega,
    }[base]
    expected = 1e-6 * velocity * taper
    middle = slice(500, 1500)
    error = np.abs(removed.data - expected)[middle].max()
    assert error < 5e-3 * np.abs(expected).max()
