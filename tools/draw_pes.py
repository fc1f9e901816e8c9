"""Draw what the elements do: the pictures of docs/pes.md, from made-up data.

Run as ``python tools/draw_pes.py [NAME ...]``; the same data give the same pictures.
"""

import io
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import obspy
from example_data import (
    DAY_NS,
    RATE_HZ,
    START,
    TRUE_DVV,
    changing,
    drifting,
    made,
    noise,
    wide,
    windows,
    with_earthquake,
)
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from obspy import Stream, Trace
from PIL import Image
from scipy.signal import welch

from seismo_pes import correlating, measuring, preprocessing, stacking
from seismo_pes.items.correlation import Correlation
from seismo_pes.plotting.figure import FAINT, INK, NEGATIVE, POSITIVE, new_figure, style
from seismo_pes.plotting.figure import image as draw_image
from seismo_pes.preprocessing import merge_stream, resolve_overlaps

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
WIDTH, DPI, N_COLOURS = 6.6, 110, 48
Pieces = Trace | Iterable[Trace]


# -- panels -------------------------------------------------------------------------


def panels(
    n: int, height: float = 1.15, **shared: Any
) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with rows of axes."""
    figure = new_figure(WIDTH, 0.45 + height * n)
    return figure, np.atleast_1d(figure.subplots(n, 1, **shared))


def say(axes: Axes, text: str, colour: str = INK) -> None:
    """Write over the axes, at the left."""
    axes.set_title(text, fontsize=9, color=colour, pad=3, fontweight="normal")


def lines(axes: Axes, traces: Pieces, colour: str, **look: Any) -> None:
    """Draw traces over seconds."""
    for trace in [traces] if isinstance(traces, Trace) else traces:
        t = trace.times() + (trace.stats.starttime - START)
        axes.plot(t, trace.data, color=colour, **({"lw": 0.6} | look))


def before_after(before: Pieces, after: Pieces, said: str = "", **look: Any) -> Figure:
    """Draw waveforms above each other."""
    figure, (top, bottom) = panels(2, sharex=True)
    lines(top, before, FAINT, **look)
    lines(bottom, after, POSITIVE, **look)
    say(top, "before")
    say(bottom, f"after{said and ': '}{said}", POSITIVE)
    bottom.set_xlabel("s")
    bottom.margins(x=0.01)
    return figure


def spectra(
    before: Trace,
    after: Trace,
    marks: Sequence[float] = (),
    relative: bool = False,
) -> Figure:
    """Draw power spectral densities, each by its largest value where relative."""
    figure, (axes,) = panels(1, 2.2)
    for trace, colour, name in ((before, FAINT, "before"), (after, POSITIVE, "after")):
        f, power = welch(trace.data, trace.stats.sampling_rate, nperseg=4096)
        power = power / power.max() if relative else power
        axes.loglog(f[2:-2], power[2:-2], color=colour, lw=1.1, label=name)
    top = axes.get_ylim()[1]
    axes.set_ylim(top * 1e-8, top)
    for mark in marks:
        axes.axvline(mark, color=NEGATIVE, lw=0.8, ls=(0, (5, 3)))
    axes.set(xlabel="Hz", ylabel="power density")
    axes.legend(fontsize=9, loc="lower left")
    return figure


def correlations(*rows: tuple[Correlation, str], arrivals: bool = True) -> Figure:
    """Draw stacks above each other."""
    figure, axes = panels(len(rows), sharex=True)
    for one, (c, name) in zip(axes, rows, strict=True):
        last = c is rows[-1][0]
        one.plot(c.lags_s, c.data, color=POSITIVE if last else FAINT, lw=0.8)
        if c.deviation is not None:
            band = c.data - 2 * c.deviation, c.data + 2 * c.deviation
            one.fill_between(c.lags_s, *band, color=POSITIVE, alpha=0.25, lw=0)
        say(one, name, POSITIVE if last else INK)
        one.set_yticks([])
    axes[-1].set_xlabel("lag, s")
    axes[-1].margins(x=0.01)
    return figure


def velocity(found: measuring.VelocityChanges) -> Figure:
    """Draw what was measured over what is true."""
    figure, (axes,) = panels(1, 2.0)
    days = found.start_ns / DAY_NS
    axes.plot(days, 100 * TRUE_DVV, color=FAINT, lw=3, label="true")
    value, error = 100 * found.dvv, 100 * found.error
    if value.ndim == 1:
        axes.errorbar(
            days, value, error, color=POSITIVE, fmt="o", ms=3, lw=0.8, label="measured"
        )
    else:
        colours = (POSITIVE, NEGATIVE, "#009e73")
        for row, hz, colour in zip(value.T, found.frequency_hz, colours, strict=True):
            axes.plot(days, row, "o", ms=3, color=colour, label=f"at {hz:g} Hz")
    axes.set(xlabel="day", ylabel="dv/v, %")
    axes.legend(fontsize=9, ncols=2, loc="upper right")
    return figure


# -- pictures -----------------------------------------------------------------------


def normalised(function: Callable[..., Any], *values: Any, **options: Any) -> Figure:
    """Draw noise with an earthquake before and after a normalisation."""
    before = with_earthquake()
    stream = function in (preprocessing.running_absolute_mean, preprocessing.agc)
    given = Stream([before]) if stream else before
    return before_after(before, function(given, *values, **options))


def onebit() -> Figure:
    """Half a minute of it: more would be a bar."""
    before = with_earthquake()
    parts = [one.slice(START + 225, START + 265) for one in (before,)]
    return before_after(parts[0], preprocessing.onebit(parts[0]), lw=0.9)


def taper() -> Figure:
    """Draw a record whose ends are tapered."""
    return before_after(made(noise()), preprocessing.taper(made(noise()), 60.0))


def resample() -> Figure:
    """Draw samples before and after."""
    before = made(noise(400, 1, (0.05, 0.4)))
    after = preprocessing.resample(before, 2.5, START.ns)
    figure, (axes,) = panels(1, 1.8)
    lines(axes, before, FAINT, marker=".", ms=5, label="10 Hz")
    lines(axes, after, POSITIVE, marker="o", ms=5, lw=0, label="2.5 Hz")
    axes.set(xlabel="s", xlim=(5, 35))
    axes.set_ylim(top=3)
    axes.legend(fontsize=9, ncols=2, loc="upper left")
    return figure


def removed_response() -> Figure:
    """Draw obspy's example record in counts and in metres per second."""
    before = obspy.read()[0]
    inventory = obspy.read_inventory()
    clean = preprocessing.taper(preprocessing.demean(before), 1.0)
    corners = (0.1, 0.3, 40.0, 48.0)
    (after,) = preprocessing.remove_response([clean], inventory, "VEL", corners)
    figure, (top, bottom) = panels(2, sharex=True)
    top.plot(before.times(), before.data, color=FAINT, lw=0.6)
    bottom.plot(after.times(), 1e6 * after.data, color=POSITIVE, lw=0.6)
    say(top, "before: counts")
    say(bottom, "after: ground velocity, µm/s", POSITIVE)
    bottom.set_xlabel("s")
    return figure


def rotated() -> Figure:
    """Draw a wave that comes along one azimuth."""
    wave = noise(900, 3) * np.hanning(900)
    angle = np.deg2rad(30)
    horizontal = {"HHN": np.cos(angle), "HHE": np.sin(angle)}
    stream = Stream()
    for i, (code, part) in enumerate(horizontal.items()):
        trace = made(part * wave + 0.05 * noise(900, 20 + i))
        trace.stats.channel = code
        stream.append(trace)
    turned = preprocessing.rotate(stream, 30.0)
    figure, axes = panels(4, 0.62, sharex=True, sharey=True)
    names = ("north", "east", "radial, towards 30°", "transverse")
    for one, trace, name in zip(axes, [*stream, *turned], names, strict=True):
        colour = FAINT if name in ("north", "east") else POSITIVE
        lines(one, trace, colour, lw=0.8)
        say(one, name, INK if colour == FAINT else POSITIVE)
        one.set(yticks=[], ylim=(-2.7, 2.7))
    axes[-1].set_xlabel("s")
    return figure


def filled_gaps() -> Figure:
    """Draw a short gap and a long one."""
    data = noise(600, 1, (0.1, 0.5))
    parts = [made(data[:150])]
    parts += [made(data[165:400], start_s=16.5), made(data[480:], start_s=48)]
    after, _ = preprocessing.fill_gaps(Stream(parts), 2.0)
    return before_after(parts, after, "the gap of 1.5 s is filled", lw=1)


def despiked() -> Figure:
    """Draw spikes and the record without them."""
    data = noise(1200, 1, (0.05, 0.4)).copy()
    data[[210, 211, 700, 950]] += [14, 11, -16, 12]
    after, _ = preprocessing.despike(made(data), 5.0, 2.0)
    return before_after(made(data), after, lw=0.9)


def dropped_transients() -> Figure:
    """Draw the loud windows that are taken out."""
    before = with_earthquake()
    after, _ = preprocessing.drop_transients(before, 8.0, 20.0)
    return before_after(before, after, "windows of 20 s above 8 MAD are gaps")


def resolved_overlaps() -> Figure:
    """Draw two traces that overlap and differ."""
    data = noise(400, 1, (0.1, 0.5))
    pair = [made(data[:250]), made(data[150:] + 2.5, start_s=15)]
    figure, axes = panels(4, 0.68, sharex=True, sharey=True)
    lines(axes[0], pair[0], FAINT, lw=1)
    lines(axes[0], pair[1], NEGATIVE, lw=1)
    say(axes[0], "two traces that differ")
    for one, rule in zip(axes[1:], ("first", "last", "mean"), strict=True):
        after, _ = resolve_overlaps(Stream(pair), rule)
        lines(one, after, POSITIVE, lw=1)
        say(one, f"rule {rule}", POSITIVE)
        one.set_yticks([])
    axes[-1].set_xlabel("s")
    return figure


def merged() -> Figure:
    """Draw pieces that become one."""
    data = noise(600, 1, (0.1, 0.5))
    cuts = ((0, 180), (180, 420), (380, 600))
    parts = [made(data[a:b] + 0.0, start_s=a / RATE_HZ) for a, b in cuts]
    figure, (top, bottom) = panels(2, sharex=True)
    for shift, part, colour in zip((0, 1, 2), parts, (FAINT, INK, FAINT), strict=True):
        lines(top, made(part.data + 2 * shift, start_s=cuts[shift][0] / 10), colour)
    lines(bottom, merge_stream(Stream(parts)), POSITIVE)
    say(top, "before: three pieces, two of which overlap")
    say(bottom, "after", POSITIVE)
    bottom.set_xlabel("s")
    return figure


def correlated() -> Figure:
    """Draw two records and their correlation."""
    common = noise(9000, 5, (0.1, 0.5))
    data = common[30:8030], common[:8000]
    a, b = (made(x + 0.7 * noise(8000, 30 + i)) for i, x in enumerate(data))
    b.stats.station = "BBB"
    c = correlating.correlate_pair(a, b, max_lag_s=20.0, window_s=100.0)
    one = stacking.stack(c)
    figure, (axes,) = panels(1, 1.6)
    axes.plot(one.lags_s, one.data, color=POSITIVE, lw=1)
    axes.axvline(3.0, color=NEGATIVE, lw=0.8, ls=(0, (5, 3)))
    say(axes, "the second station feels the noise 3 s after the first")
    axes.set(xlabel="lag, s", yticks=[])
    return figure


def stacked() -> Figure:
    """Draw kinds of stacks."""
    c = windows(30, 0.45)
    kinds = ("linear", "nth-root", "robust", "phase-weighted")
    rows = [(stacking.stack(c, kind), f"stack of 30, {kind}") for kind in kinds]
    first = Correlation.of(c.first, c.second, c.data[0], RATE_HZ)
    return correlations((first, "one window"), *rows)


def moving() -> Figure:
    """Draw windows and moving stacks as images."""
    c = windows(40, 1.2)
    m = stacking.moving_stack(c, 10 * 86400.0, 86400.0)
    figure = new_figure(WIDTH, 2.6)
    both = figure.subplots(1, 2, sharey=True)
    names = ("each day", "moving stacks of ten days")
    for axes, one, name in zip(both, (c, m), names, strict=True):
        limit = float(np.abs(one.data).max())
        edges = float(one.end_ns[0] / DAY_NS) - 1, float(one.end_ns[-1] / DAY_NS)
        draw_image(axes, one.data, one.lags_s, edges, 0.7 * limit)
        axes.set_xlabel("lag, s")
        say(axes, name, INK if one is c else POSITIVE)
    both[0].set_ylabel("day")
    return figure


def symmetric() -> Figure:
    """Draw both sides and their mean."""
    c = stacking.stack(windows(60, 0.45))
    return correlations((c, "both sides"), (stacking.symmetric(c), "their mean"))


def bootstrapped() -> Figure:
    """Draw a stack and its uncertainty."""
    c = stacking.bootstrap(windows(30, 0.45))
    return correlations((c, "stack of 30 windows, and two standard deviations"))


def dispersed() -> Figure:
    """Draw picks of a wave whose velocity is known."""
    n, rate_hz, km = 8192, 5.0, 200.0
    f = np.fft.rfftfreq(n, 1 / rate_hz)
    phase = 3.0 + 0.05 / np.maximum(f, 0.02)
    band = np.exp(-(((np.log(np.maximum(f, 1e-3)) - np.log(0.15)) / 0.6) ** 2))
    half = np.fft.irfft(band * np.exp(-2j * np.pi * f * km / phase), n)[:1001]
    both = np.concatenate([half[:0:-1], half])
    c = Correlation.of("XX.A..Z", "XX.B..Z", both, rate_hz, distance_km=km)
    found = measuring.measure_dispersion(
        c, np.arange(4.0, 12.5, 0.5), (2.0, 4.5), reference_km_s=3.6, phase_shift_rad=0
    ).picks
    f = 1 / np.linspace(4, 12, 100)
    slowness = (2 * f * (3 * f + 0.05) - 3 * f**2) / (3 * f + 0.05) ** 2
    figure, (axes,) = panels(1, 2.2)
    axes.plot(1 / f, 3 + 0.05 / f, color=FAINT, lw=3)
    axes.plot(1 / f, 1 / slowness, color=FAINT, lw=3, label="true")
    at = found.instantaneous_period_s
    axes.plot(at, found.phase_km_s, "o", ms=4, color=NEGATIVE, label="phase velocity")
    axes.plot(at, found.group_km_s, "o", ms=4, color=POSITIVE, label="group velocity")
    axes.set(xlabel="period, s", ylabel="km/s")
    axes.legend(fontsize=9, ncols=3, loc="upper left")
    axes.set_ylim(2.9, 4.1)
    return figure


def measured(
    method: Callable[..., measuring.VelocityChanges], **options: Any
) -> Figure:
    """Draw velocity changes found by a method."""
    series, reference = changing()
    return velocity(
        method(series, low_s=10.0, high_s=50.0, reference=reference, **options)
    )


BAND = {"low_hz": 0.2, "high_hz": 1.0}
DRAWN: dict[str, Callable[[], Figure]] = {
    "Merge": merged,
    "Detrend": lambda: before_after(drifting(), preprocessing.detrend(drifting())),
    "DetrendPolynomial": lambda: before_after(
        drifting(), preprocessing.detrend_polynomial(drifting(), 9), "order 9"
    ),
    "DetrendSpline": lambda: before_after(
        drifting(), preprocessing.detrend_spline(drifting(), 100.0), "a knot each 100 s"
    ),
    "Taper": taper,
    "Resample": resample,
    "Bandpass": lambda: spectra(
        wide(), preprocessing.bandpass(wide(), **BAND), tuple(BAND.values())
    ),
    "Bandstop": lambda: spectra(
        wide(), preprocessing.bandstop(wide(), **BAND), tuple(BAND.values())
    ),
    "Lowpass": lambda: spectra(wide(), preprocessing.lowpass(wide(), 0.5), (0.5,)),
    "Highpass": lambda: spectra(wide(), preprocessing.highpass(wide(), 0.5), (0.5,)),
    "OneBit": onebit,
    "Clip": partial(normalised, preprocessing.clip, n_std=1.0),
    "Winsorize": partial(normalised, preprocessing.winsorize, n_rms=2.0),
    "RunningAbsoluteMean": partial(
        normalised, preprocessing.running_absolute_mean, 20.0
    ),
    "MultibandRam": partial(
        normalised, preprocessing.multiband_ram, [(0.1, 0.3), (0.3, 1.0)], 20.0
    ),
    "Agc": partial(normalised, preprocessing.agc, 20.0),
    "Gain": partial(normalised, preprocessing.gain, 20.0),
    "Envelope": partial(normalised, preprocessing.envelope, 15),
    "WaterLevel": partial(normalised, preprocessing.water_level),
    "Whiten": lambda: spectra(
        wide(),
        preprocessing.whiten(Stream([wide()]), **BAND, smooth_hz=0.01)[0],
        tuple(BAND.values()),
        relative=True,
    ),
    "WhitenPsd": lambda: spectra(
        wide(),
        preprocessing.whiten_psd(wide(), **BAND, window_s=60.0),
        tuple(BAND.values()),
        relative=True,
    ),
    "RemoveResponse": removed_response,
    "Rotate": rotated,
    "FillGaps": filled_gaps,
    "Despike": despiked,
    "DropTransients": dropped_transients,
    "ResolveOverlaps": resolved_overlaps,
    "Correlate": correlated,
    "Stack": stacked,
    "MovingStack": moving,
    "Bootstrap": bootstrapped,
    "Symmetric": symmetric,
    "Stretch": partial(measured, measuring.stretch_windows, max_dvv=0.004),
    "Mwcs": partial(
        measured, measuring.mwcs, low_hz=0.4, high_hz=1.6, window_s=10.0, step_s=2.5
    ),
    "WaveletStretch": partial(
        measured, measuring.wavelet_stretch_windows, frequency_hz=(0.5, 0.8, 1.2)
    ),
    "Ftan": dispersed,
}


def main(names: Sequence[str] = ()) -> int:
    """Draw the pictures of these elements, or all."""
    PICTURES.mkdir(exist_ok=True)
    for name in names or DRAWN:
        with style():
            figure = DRAWN[name]()
            raw = io.BytesIO()
            figure.savefig(raw, format="png", dpi=DPI)
        # few colours: a third of the size
        picture = Image.open(raw).convert("RGB").quantize(N_COLOURS)
        picture.save(PICTURES / f"{name.lower()}.png", optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
