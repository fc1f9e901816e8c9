import numpy as np
import pytest

from seismo_pes.signal.errors import Rejected
from seismo_pes.signal.misfits import measure

DELTA_S = 0.25
T = np.arange(800) * DELTA_S
FIRST, SECOND = (40.0, 110.0), (58.25, 128.25)


def at(packet, seconds, factor=1.0):
    return factor * packet(T - seconds, 3, half_width_s=14.0)


@pytest.mark.parametrize("name", ["dd_cc", "dd_mt"])
@pytest.mark.parametrize("late_s", [0.0, 0.11, -0.68, 1.9])
def test_known_double_difference(name, late_s, packet):
    """Errors that both stations share cancel; times are those of the first station."""
    row = measure(
        name,
        at(packet, 3.1 + late_s, 2.0),
        at(packet, 1.0),
        DELTA_S,
        window_s=FIRST,
        other=(at(packet, 18.3, 0.4), at(packet, 16.2)),
        other_window_s=SECOND,
    )
    assert row.quantities["dt_s"] == pytest.approx(late_s, abs=2e-4)
    expected = 1.0 - 16.2 + (58.25 - 40.0)  # arrivals in their windows
    assert row.quantities["dt_synthetic_s"] == pytest.approx(expected, abs=2e-4)
    assert row.value == pytest.approx(0.5 * late_s**2, abs=5e-4)


def test_order_of_the_stations_changes_the_sign(packet):
    first = (at(packet, 1.6), at(packet, 1.0))
    second = (at(packet, 0.3), at(packet, 0.2))
    one = measure("dd_cc", *first, DELTA_S, window_s=FIRST, other=second)
    two = measure("dd_cc", *second, DELTA_S, window_s=FIRST, other=first)
    assert one.quantities["dt_s"] == pytest.approx(0.5, abs=1e-4)
    assert two.quantities["dt_s"] == pytest.approx(-0.5, abs=1e-4)
    assert two.misfit == pytest.approx(one.misfit, rel=1e-9)
    assert two.adjoint == pytest.approx(one.adjoint_other, abs=1e-9)


def test_waveforms_of_known_difference(packet):
    """Half of the energy of the double difference."""
    row = measure(
        "dd_waveform",
        at(packet, 0.0, 3.0),
        at(packet, 0.0, 1.0),
        DELTA_S,
        other=(at(packet, 0.0, 1.5), at(packet, 0.0, 1.0)),
    )
    energy = np.sum(at(packet, 0.0) ** 2) * DELTA_S
    assert row.value == pytest.approx(0.5 * 1.5**2 * energy, rel=1e-12)
    assert np.array_equal(row.adjoint_other, -row.adjoint)


@pytest.mark.parametrize("name", ["dd_cc", "dd_mt"])
def test_a_difference_beyond_half_a_period_is_rejected(name, packet):
    with pytest.raises(Rejected, match="cycle skip") as caught:
        measure(
            name,
            at(packet, 6.5),
            at(packet, 0.0),
            DELTA_S,
            window_s=FIRST,
            other=(at(packet, 0.0), at(packet, 0.0)),
        )
    assert caught.value.numbers["dt_s"] == pytest.approx(6.5, abs=0.2)


@pytest.mark.parametrize("name", ["dd_waveform", "dd_cc", "dd_mt"])
def test_windows_of_different_length_are_rejected(name, packet):
    with pytest.raises(Rejected, match="different length"):
        measure(
            name,
            at(packet, 0.2),
            at(packet, 0.0),
            DELTA_S,
            window_s=FIRST,
            other=(at(packet, 0.0), at(packet, 0.0)),
            other_window_s=(40.0, 100.0),
        )
