"""Draw the figures of docs/pes.md, which show the effect of elements.

Run as ``python tools/draw_pes.py [NAME ...]``. The data are synthetic and always the
same.
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
    broadband,
    changing_coda,
    drifting,
    make_trace,
    noise,
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
from seismo_pes.plotting.figure import (
    FAINT,
    INK,
    NEGATIVE,
    POSITIVE,
    draw_image,
    new_figure,
    style,
)
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


def write_title(axes: Axes, text: str, colour: str = INK) -> None:
    """Write a title above the axes, on the left."""
    axes.set_title(text, fontsize=9, color=colour, pad=3, fontweight="normal")


def draw_traces(axes: Axes, traces: Pieces, colour: str, **look: Any) -> None:
    """Draw traces over seconds."""
    for trace in [traces] if isinstance(traces, Trace) else traces:
        t = trace.times() + (trace.stats.starttime - START)
        axes.plot(t, trace.data, color=colour, **({"lw": 0.6} | look))


def draw_before_after(
    before: Pieces, after: Pieces, remark: str = "", **look: Any
) -> Figure:
    """Draw waveforms before and after an element, in two panels."""
    figure, (top, bottom) = panels(2, sharex=True)
    draw_traces(top, before, FAINT, **look)
    draw_traces(bottom, after, POSITIVE, **look)
    write_title(top, "before")
    write_title(bottom, f"after{remark and ': '}{remark}", POSITIVE)
    bottom.set_xlabel("s")
    bottom.margins(x=0.01)
    return figure


def draw_spectra(
    before: Trace,
    after: Trace,
    marks: Sequence[float] = (),
    relative: bool = False,
) -> Figure:
    """Draw power spectral densities; if relative, divided by their largest values."""
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


def draw_correlations(*rows: tuple[Correlation, str], arrivals: bool = True) -> Figure:
    """Draw correlations, each in a panel."""
    figure, axes = panels(len(rows), sharex=True)
    for panel, (c, name) in zip(axes, rows, strict=True):
        last = c is rows[-1][0]
        panel.plot(c.lags_s, c.data, color=POSITIVE if last else FAINT, lw=0.8)
        if c.deviation is not None:
            band = c.data - 2 * c.deviation, c.data + 2 * c.deviation
            panel.fill_between(c.lags_s, *band, color=POSITIVE, alpha=0.25, lw=0)
        write_title(panel, name, POSITIVE if last else INK)
        panel.set_yticks([])
    axes[-1].set_xlabel("lag, s")
    axes[-1].margins(x=0.01)
    return figure


def draw_velocity(changes: measuring.VelocityChanges) -> Figure:
    """Draw measured and true velocity changes."""
    figure, (axes,) = panels(1, 2.0)
    days = changes.start_ns / DAY_NS
    axes.plot(days, 100 * TRUE_DVV, color=FAINT, lw=3, label="true")
    value, error = 100 * changes.dvv, 100 * changes.error
    if value.ndim == 1:
        axes.errorbar(
            days, value, error, color=POSITIVE, fmt="o", ms=3, lw=0.8, label="measured"
        )
    else:
        colours = (POSITIVE, NEGATIVE, "#009e73")
        for row, hz, colour in zip(value.T, changes.frequency_hz, colours, strict=True):
            axes.plot(days, row, "o", ms=3, color=colour, label=f"at {hz:g} Hz")
    axes.set(xlabel="day", ylabel="dv/v, %")
    axes.legend(fontsize=9, ncols=2, loc="upper right")
    return figure


# -- figures ------------------------------------------------------------------------


def draw_normalised(
    function: Callable[..., Any], *values: Any, **options: Any
) -> Figure:
    """Draw noise with an earthquake before and after a normalisation."""
    before = with_earthquake()
    stream = function in (preprocessing.running_absolute_mean, preprocessing.agc)
    data = Stream([before]) if stream else before
    return draw_before_after(before, function(data, *values, **options))


def draw_onebit() -> Figure:
    """Draw 40 s before and after: a longer record would look like a bar."""
    before = with_earthquake().slice(START + 225, START + 265)
    return draw_before_after(before, preprocessing.onebit(before), lw=0.9)


def draw_taper() -> Figure:
    """Draw a record whose ends are tapered."""
    return draw_before_after(
        make_trace(noise()), preprocessing.taper(make_trace(noise()), 60.0)
    )


def draw_resample() -> Figure:
    """Draw samples before and after."""
    before = make_trace(noise(400, 1, (0.05, 0.4)))
    after = preprocessing.resample(before, 2.5, START.ns)
    figure, (axes,) = panels(1, 1.8)
    draw_traces(axes, before, FAINT, marker=".", ms=5, label="10 Hz")
    draw_traces(axes, after, POSITIVE, marker="o", ms=5, lw=0, label="2.5 Hz")
    axes.set(xlabel="s", xlim=(5, 35))
    axes.set_ylim(top=3)
    axes.legend(fontsize=9, ncols=2, loc="upper left")
    return figure


def draw_response() -> Figure:
    """Draw obspy's example record in counts and in metres per second."""
    before = obspy.read()[0]
    inventory = obspy.read_inventory()
    clean = preprocessing.taper(preprocessing.demean(before), 1.0)
    corners = (0.1, 0.3, 40.0, 48.0)
    (after,) = preprocessing.remove_response([clean], inventory, "VEL", corners)
    figure, (top, bottom) = panels(2, sharex=True)
    top.plot(before.times(), before.data, color=FAINT, lw=0.6)
    bottom.plot(after.times(), 1e6 * after.data, color=POSITIVE, lw=0.6)
    write_title(top, "before: counts")
    write_title(bottom, "after: ground velocity, µm/s", POSITIVE)
    bottom.set_xlabel("s")
    return figure


def draw_rotation() -> Figure:
    """Draw a wave that is polarised along one azimuth."""
    wave = noise(900, 3) * np.hanning(900)
    angle = np.deg2rad(30)
    horizontal = {"HHN": np.cos(angle), "HHE": np.sin(angle)}
    stream = Stream()
    for i, (code, part) in enumerate(horizontal.items()):
        trace = make_trace(part * wave + 0.05 * noise(900, 20 + i))
        trace.stats.channel = code
        stream.append(trace)
    turned = preprocessing.rotate(stream, 30.0)
    figure, axes = panels(4, 0.62, sharex=True, sharey=True)
    names = ("north", "east", "radial, towards 30°", "transverse")
    for panel, trace, name in zip(axes, [*stream, *turned], names, strict=True):
        colour = FAINT if name in ("north", "east") else POSITIVE
        draw_traces(panel, trace, colour, lw=0.8)
        write_title(panel, name, INK if colour == FAINT else POSITIVE)
        panel.set(yticks=[], ylim=(-2.7, 2.7))
    axes[-1].set_xlabel("s")
    return figure


def draw_gaps() -> Figure:
    """Draw a short gap and a long one."""
    data = noise(600, 1, (0.1, 0.5))
    parts = [make_trace(data[:150])]
    parts += [
        make_trace(data[165:400], start_s=16.5),
        make_trace(data[480:], start_s=48),
    ]
    after, _ = preprocessing.fill_gaps(Stream(parts), 2.0)
    return draw_before_after(parts, after, "the gap of 1.5 s is filled", lw=1)


def draw_spikes() -> Figure:
    """Draw spikes and the record without them."""
    data = noise(1200, 1, (0.05, 0.4)).copy()
    data[[210, 211, 700, 950]] += [14, 11, -16, 12]
    after, _ = preprocessing.despike(make_trace(data), 5.0, 2.0)
    return draw_before_after(make_trace(data), after, lw=0.9)


def draw_transients() -> Figure:
    """Draw a record with loud windows, and without them."""
    before = with_earthquake()
    after, _ = preprocessing.drop_transients(before, 8.0, 20.0)
    return draw_before_after(before, after, "windows of 20 s above 8 MAD are gaps")


def draw_overlaps() -> Figure:
    """Draw two traces that overlap and differ."""
    data = noise(400, 1, (0.1, 0.5))
    pair = [make_trace(data[:250]), make_trace(data[150:] + 2.5, start_s=15)]
    figure, axes = panels(4, 0.68, sharex=True, sharey=True)
    draw_traces(axes[0], pair[0], FAINT, lw=1)
    draw_traces(axes[0], pair[1], NEGATIVE, lw=1)
    write_title(axes[0], "two traces that differ")
    for panel, rule in zip(axes[1:], ("first", "last", "mean"), strict=True):
        after, _ = resolve_overlaps(Stream(pair), rule)
        draw_traces(panel, after, POSITIVE, lw=1)
        write_title(panel, f"rule {rule}", POSITIVE)
        panel.set_yticks([])
    axes[-1].set_xlabel("s")
    return figure


def draw_merge() -> Figure:
    """Draw pieces of a record, and the merged record."""
    data = noise(600, 1, (0.1, 0.5))
    cuts = ((0, 180), (180, 420), (380, 600))
    parts = [make_trace(data[a:b] + 0.0, start_s=a / RATE_HZ) for a, b in cuts]
    figure, (top, bottom) = panels(2, sharex=True)
    for shift, part, colour in zip((0, 1, 2), parts, (FAINT, INK, FAINT), strict=True):
        draw_traces(
            top, make_trace(part.data + 2 * shift, start_s=cuts[shift][0] / 10), colour
        )
    draw_traces(bottom, merge_stream(Stream(parts)), POSITIVE)
    write_title(top, "before: three pieces, two of which overlap")
    write_title(bottom, "after", POSITIVE)
    bottom.set_xlabel("s")
    return figure


def draw_correlation() -> Figure:
    """Draw two records and their correlation."""
    common = noise(9000, 5, (0.1, 0.5))
    data = common[30:8030], common[:8000]
    a, b = (make_trace(x + 0.7 * noise(8000, 30 + i)) for i, x in enumerate(data))
    b.stats.station = "BBB"
    c = correlating.correlate_pair(a, b, max_lag_s=20.0, window_s=100.0)
    stack = stacking.stack(c)
    figure, (axes,) = panels(1, 1.6)
    axes.plot(stack.lags_s, stack.data, color=POSITIVE, lw=1)
    axes.axvline(3.0, color=NEGATIVE, lw=0.8, ls=(0, (5, 3)))
    write_title(axes, "the noise reaches the second station 3 s after the first")
    axes.set(xlabel="lag, s", yticks=[])
    return figure


def draw_stacks() -> Figure:
    """Draw the stacks of several methods."""
    c = windows(30, 0.45)
    kinds = ("linear", "nth-root", "robust", "phase-weighted")
    rows = [(stacking.stack(c, kind), f"stack of 30, {kind}") for kind in kinds]
    first = Correlation.of(c.first, c.second, c.data[0], RATE_HZ)
    return draw_correlations((first, "one window"), *rows)


def draw_moving_stacks() -> Figure:
    """Draw windows and moving stacks as images."""
    c = windows(40, 1.2)
    m = stacking.moving_stack(c, 10 * 86400.0, 86400.0)
    figure = new_figure(WIDTH, 2.6)
    both = figure.subplots(1, 2, sharey=True)
    names = ("each day", "moving stacks of ten days")
    for axes, series, name in zip(both, (c, m), names, strict=True):
        limit = float(np.abs(series.data).max())
        edges = float(series.end_ns[0] / DAY_NS) - 1, float(series.end_ns[-1] / DAY_NS)
        draw_image(axes, series.data, series.lags_s, edges, 0.7 * limit)
        axes.set_xlabel("lag, s")
        write_title(axes, name, INK if series is c else POSITIVE)
    both[0].set_ylabel("day")
    return figure


def draw_symmetric() -> Figure:
    """Draw both branches of a correlation, and their mean."""
    c = stacking.stack(windows(60, 0.45))
    return draw_correlations(
        (c, "both branches"), (stacking.symmetric(c), "their mean")
    )


def draw_bootstrap() -> Figure:
    """Draw a stack and its uncertainty."""
    c = stacking.bootstrap(windows(30, 0.45))
    return draw_correlations((c, "stack of 30 windows, with two standard deviations"))


def draw_dispersion() -> Figure:
    """Draw picks of a wave whose velocity is known."""
    n, rate_hz, km = 8192, 5.0, 200.0
    f = np.fft.rfftfreq(n, 1 / rate_hz)
    phase = 3.0 + 0.05 / np.maximum(f, 0.02)
    band = np.exp(-(((np.log(np.maximum(f, 1e-3)) - np.log(0.15)) / 0.6) ** 2))
    half = np.fft.irfft(band * np.exp(-2j * np.pi * f * km / phase), n)[:1001]
    both = np.concatenate([half[:0:-1], half])
    c = Correlation.of("XX.A..Z", "XX.B..Z", both, rate_hz, distance_km=km)
    picks = measuring.measure_dispersion(
        c, np.arange(4.0, 12.5, 0.5), (2.0, 4.5), reference_km_s=3.6, phase_shift_rad=0
    ).picks
    f = 1 / np.linspace(4, 12, 100)
    slowness = (2 * f * (3 * f + 0.05) - 3 * f**2) / (3 * f + 0.05) ** 2
    figure, (axes,) = panels(1, 2.2)
    axes.plot(1 / f, 3 + 0.05 / f, color=FAINT, lw=3)
    axes.plot(1 / f, 1 / slowness, color=FAINT, lw=3, label="true")
    period_s = picks.instantaneous_period_s
    axes.plot(
        period_s, picks.phase_km_s, "o", ms=4, color=NEGATIVE, label="phase velocity"
    )
    axes.plot(
        period_s, picks.group_km_s, "o", ms=4, color=POSITIVE, label="group velocity"
    )
    axes.set(xlabel="period, s", ylabel="km/s")
    axes.legend(fontsize=9, ncols=3, loc="upper left")
    axes.set_ylim(2.9, 4.1)
    return figure


def draw_velocity_method(
    method: Callable[..., measuring.VelocityChanges], **options: Any
) -> Figure:
    """Draw velocity changes that a method measures."""
    series, reference = changing_coda()
    return draw_velocity(
        method(series, low_s=10.0, high_s=50.0, reference=reference, **options)
    )


BAND = {"low_hz": 0.2, "high_hz": 1.0}
FIGURES: dict[str, Callable[[], Figure]] = {
    "Merge": draw_merge,
    "Detrend": lambda: draw_before_after(drifting(), preprocessing.detrend(drifting())),
    "DetrendPolynomial": lambda: draw_before_after(
        drifting(), preprocessing.detrend_polynomial(drifting(), 9), "order 9"
    ),
    "DetrendSpline": lambda: draw_before_after(
        drifting(),
        preprocessing.detrend_spline(drifting(), 100.0),
        "a knot every 100 s",
    ),
    "Taper": draw_taper,
    "Resample": draw_resample,
    "Bandpass": lambda: draw_spectra(
        broadband(), preprocessing.bandpass(broadband(), **BAND), tuple(BAND.values())
    ),
    "Bandstop": lambda: draw_spectra(
        broadband(), preprocessing.bandstop(broadband(), **BAND), tuple(BAND.values())
    ),
    "Lowpass": lambda: draw_spectra(
        broadband(), preprocessing.lowpass(broadband(), 0.5), (0.5,)
    ),
    "Highpass": lambda: draw_spectra(
        broadband(), preprocessing.highpass(broadband(), 0.5), (0.5,)
    ),
    "OneBit": draw_onebit,
    "Clip": partial(draw_normalised, preprocessing.clip, n_std=1.0),
    "Winsorize": partial(draw_normalised, preprocessing.winsorize, n_rms=2.0),
    "RunningAbsoluteMean": partial(
        draw_normalised, preprocessing.running_absolute_mean, 20.0
    ),
    "MultibandRam": partial(
        draw_normalised, preprocessing.multiband_ram, [(0.1, 0.3), (0.3, 1.0)], 20.0
    ),
    "Agc": partial(draw_normalised, preprocessing.agc, 20.0),
    "Gain": partial(draw_normalised, preprocessing.gain, 20.0),
    "Envelope": partial(draw_normalised, preprocessing.envelope, 15),
    "WaterLevel": partial(draw_normalised, preprocessing.water_level),
    "Whiten": lambda: draw_spectra(
        broadband(),
        preprocessing.whiten(Stream([broadband()]), **BAND, smooth_hz=0.01)[0],
        tuple(BAND.values()),
        relative=True,
    ),
    "WhitenPsd": lambda: draw_spectra(
        broadband(),
        preprocessing.whiten_psd(broadband(), **BAND, window_s=60.0),
        tuple(BAND.values()),
        relative=True,
    ),
    "RemoveResponse": draw_response,
    "Rotate": draw_rotation,
    "FillGaps": draw_gaps,
    "Despike": draw_spikes,
    "DropTransients": draw_transients,
    "ResolveOverlaps": draw_overlaps,
    "Correlate": draw_correlation,
    "Stack": draw_stacks,
    "MovingStack": draw_moving_stacks,
    "Bootstrap": draw_bootstrap,
    "Symmetric": draw_symmetric,
    "Stretch": partial(draw_velocity_method, measuring.stretch_windows, max_dvv=0.004),
    "Mwcs": partial(
        draw_velocity_method,
        measuring.mwcs,
        low_hz=0.4,
        high_hz=1.6,
        window_s=10.0,
        step_s=2.5,
    ),
    "WaveletStretch": partial(
        draw_velocity_method,
        measuring.wavelet_stretch_windows,
        frequency_hz=(0.5, 0.8, 1.2),
    ),
    "Ftan": draw_dispersion,
}


def main(names: Sequence[str] = ()) -> int:
    """Draw the figures of the named elements, or of all."""
    PICTURES.mkdir(exist_ok=True)
    for name in names or FIGURES:
        with style():
            figure = FIGURES[name]()
            raw = io.BytesIO()
            figure.savefig(raw, format="png", dpi=DPI)
        # with few colours a file has a third of the size
        picture = Image.open(raw).convert("RGB").quantize(N_COLOURS)
        picture.save(PICTURES / f"{name.lower()}.png", optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
