"""The availability of an archive's data, as text, as JSON, and as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.terminal import printable_line
from seismo_pes.items.skipped import Skipped
from seismo_pes.plotting import availability_figure, save
from seismo_pes.reading.archives.availability import Availability

__all__ = ["as_json", "as_text", "draw"]

MOST_SKIPPED = 10  # remarks in the text


def tabulate(availability: Availability) -> list[dict[str, Any]]:
    """Return one dict for each channel."""
    result = []
    for channel_id, fraction, n_gaps, *rates_hz in zip(
        availability.channel_ids,
        availability.fraction,
        availability.n_gaps,
        availability.header_hz,
        availability.measured_hz,
        strict=True,
    ):
        used = np.flatnonzero(fraction > 0)
        first, last = availability.days[used[[0, -1]]] if len(used) else (None, None)
        result.append(
            {
                "channel": channel_id,
                "first_day": None if first is None else str(first),
                "last_day": None if last is None else str(last),
                "n_days": len(used),
                "percent": round(100 * float(fraction.mean()), 2),
                "n_gaps": int(n_gaps),
                "header_hz": _finite(rates_hz[0]),
                "measured_hz": _finite(rates_hz[1]),
            }
        )
    return result


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def as_json(availability: Availability, figure: Path) -> dict[str, Any]:
    """Return the table, the fraction of each day, and the remarks, ready for JSON."""
    return {
        "channels": tabulate(availability),
        "days": [str(day) for day in availability.days],
        "fraction": np.round(availability.fraction, 5).tolist(),
        "skipped": [
            {"what": remark.what, "reason": remark.reason, "count": remark.count}
            for remark in availability.skipped
        ],
        "picture": str(figure),
    }


def as_text(availability: Availability) -> str:
    """Return a table of the channels, and the remarks on unreadable files."""
    width = max(len(name) for name in availability.channel_ids)
    head = f"{'channel':<{width}}  first day   last day    days  complete  gaps  rate"
    lines = [
        f"{row['channel']:<{width}}  {row['first_day'] or '-':<10}  "
        f"{row['last_day'] or '-':<10}  {row['n_days']:>4}  {row['percent']:>6.1f} %  "
        f"{row['n_gaps']:>4}  {_rate_text(row['header_hz'], row['measured_hz'])}"
        for row in tabulate(availability)
    ]
    return "\n".join([head, *lines, *_list_skipped(availability.skipped)])


def _rate_text(header_hz: float | None, measured_hz: float | None) -> str:
    """Return the rate of the headers, and the measured rate if it differs.

    >>> _rate_text(20.0, None), _rate_text(20.0, 19.999)
    ('20 Hz', '20 Hz, measured 19.999 Hz (-50 ppm)')
    """
    if header_hz is None:
        return "-"
    if measured_hz is None:
        return f"{header_hz:g} Hz"
    ppm = (measured_hz / header_hz - 1) * 1e6
    return f"{header_hz:g} Hz, measured {measured_hz:.8g} Hz ({ppm:+.3g} ppm)"


def _list_skipped(skipped: tuple[Skipped, ...]) -> list[str]:
    if not skipped:
        return []
    lines = [f"{len(skipped):,} remarks on files:"]
    lines += [
        printable_line(f"  {skip.what}: {skip.reason}")
        for skip in skipped[:MOST_SKIPPED]
    ]
    n_more = len(skipped) - MOST_SKIPPED
    return [*lines, f"  and {n_more:,} more"] if n_more > 0 else lines


def draw(availability: Availability, path: str | Path, name: str) -> Path:
    """Draw the fraction of each day that each channel has data for."""
    first, last = (str(day) for day in availability.days[[0, -1]])
    n_gaps = int(availability.n_gaps.sum())
    notes = [
        first if first == last else f"{first} to {last}",
        f"{100 * availability.fraction.mean():.1f} % of the time",
        f"{n_gaps:,} gap{'' if n_gaps == 1 else 's'}",
    ]
    figure = availability_figure(
        availability.fraction,
        availability.channel_ids,
        availability.days,
        title=f"{Path(name).name or name}: {len(availability.channel_ids):,} channels",
        note=", ".join(notes),
    )
    return save(figure, path)
