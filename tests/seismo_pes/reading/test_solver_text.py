import numpy as np
import pytest

from dispel4py.errors import DataError
from seismo_pes.reading.formats.solver_text import interval_of_times, read_solver_text
from seismo_pes.reading.synthetics import absolute, motion_of_file, read_synthetics


# rounded times that do not rise are the next test
@pytest.mark.parametrize(
    ("delta_s", "decimals"),
    [
        (delta_s, decimals)
        for delta_s in (0.0125, 0.05, 1 / 3, 0.00987654)
        for decimals in (2, 4, 9)
        if delta_s > 10.0**-decimals
    ],
)
def test_the_interval_is_that_of_the_whole_column(delta_s, decimals):
    n = 4000
    times = np.round(-1.5 + np.arange(n) * delta_s, decimals)
    found, start_s = interval_of_times(times)
    # over the whole record the error is below the rounding of the column
    assert abs((found - delta_s) * n) < 10.0**-decimals
    assert start_s == pytest.approx(-1.5, abs=10.0**-decimals)


def test_rounded_times_that_repeat_still_have_an_interval():
    found, _ = interval_of_times(np.round(np.arange(1000) * 0.004, 2))
    assert found == 0.004


@pytest.mark.parametrize("digits", [4, 5, 6])
@pytest.mark.parametrize("delta_s", [0.0125, 0.05, 0.0033])
def test_times_of_few_significant_digits_are_exact_at_the_beginning(digits, delta_s):
    """1.2345E+02 is rounded to 0.01 s, 1.2345E-01 to 0.00001 s."""
    n = 30_000
    exact = -0.0125 + np.arange(n) * delta_s
    found, start_s = interval_of_times(
        np.array([float(f"{t:.{digits}e}") for t in exact])
    )
    assert abs((found - delta_s) * n) < 10.0 ** (2 - digits)
    assert start_s == pytest.approx(-0.0125, abs=1e-3 * delta_s)


@pytest.mark.parametrize(
    "times", [[0.0], [0.0, np.nan], [1.0, 0.5, 0.0], [0.0, 1.0, 5.0, 6.0]]
)
def test_other_columns_are_refused(times):
    with pytest.raises(DataError):
        interval_of_times(np.array(times))


def test_specfem(tmp_path):
    path = tmp_path / "IV.CAFR.HXX.semd"
    data = np.sin(np.arange(100.0))
    rows = zip(np.arange(100) * 0.05 - 2.0, data, strict=True)
    path.write_text("".join(f"{t:.4f} {x:.12e}\n" for t, x in rows))
    trace = read_solver_text(path)
    assert trace.id == "IV.CAFR..HXX"
    assert trace.stats.delta == 0.05
    assert trace.stats.starttime.timestamp == -2.0
    np.testing.assert_allclose(trace.data, data, rtol=0, atol=1e-12)
    assert motion_of_file(path) == "displacement"
    (moved,) = absolute(read_synthetics(path), 1_600_000_000_000_000_000)
    assert moved.stats.starttime.timestamp == 1_599_999_998.0


@pytest.mark.parametrize(
    ("kind", "component", "sign"),
    [("theta", "N", -1.0), ("phi", "E", 1.0), ("r", "Z", 1.0)],
)
def test_ses3d(tmp_path, kind, component, sign):
    path = tmp_path / "IV.CAFR_.___.x"
    head = f"{kind} component seismograms\nnt= 3\ndt= 0.13\nreceiver location\n"
    head += "x= 1 y= 2 z= 3\nsource location\nx= 1 y= 2 z= 3\n"
    path.write_text(head + "1.0\n2.0\n3.0\n")
    trace = read_solver_text(path)
    assert trace.id == f"IV.CAFR..BX{component}"
    assert trace.stats.delta == 0.13
    assert trace.data.tolist() == [sign, 2 * sign, 3 * sign]


@pytest.mark.parametrize(
    "content", [b"", b"1.0", b"a b\nc d", b"\xff\xfe", b"0 1\n0 1"]
)
def test_other_contents_are_refused(tmp_path, content):
    path = tmp_path / "IV.CAFR.HXZ.semv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"HXZ\.semv"):
        read_synthetics(path)
