"""What an archive has, as text, as JSON, and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from seismo_pes.items.skipped import Skipped
from seismo_pes.plotting import availability_figure, save
from seismo_pes.reading.archives.availability import Availability

__all__ = ["as_json", "as_text", "draw"]

MOST_SKIPPED = 10


def rows(found: Availability) -> list[dict[str, Any]]:
    """Return one dict for each channel."""
    result = []
    for channel_id, fraction, n_gaps in zip(
        found.channel_ids, found.fraction, found.n_gaps, strict=True
    ):
        there = np.flatnonzero(fraction > 0)
        edges = found.days[there[[0, -1]]] if len(there) else [None, None]
        result.append(
            {
                "channel": channel_id,
                "first_day": None if edges[0] is None else str(edges[0]),
                "last_day": None if edges[1] is None else str(edges[1]),
                "n_days": len(there),
                "percent": round(100 * float(fraction.mean()), 2),
                "n_gaps": int(n_gaps),
            }
        )
    return result


def as_json(found: Availability, picture: Path) -> dict[str, Any]:
    """Return all that is known, ready for JSON."""
    return {
        "channels": rows(found),
        "days": [str(day) for day in found.days],
        "fraction": np.round(found.fraction, 5).tolist(),
        "skipped": [
            {"what": one.what, "reason": one.reason, "count": one.count}
            for one in found.skipped
        ],
        "picture": str(picture),
    }


def as_text(found: Availability) -> str:
    """Return a table of the channels, and what could not be read."""
    width = max(len(name) for name in found.channel_ids)
    head = f"{'channel':<{width}}  first day   last day    days  complete  gaps"
    lines = [
        f"{row['channel']:<{width}}  {row['first_day'] or '-':<10}  "
        f"{row['last_day'] or '-':<10}  {row['n_days']:>4}  {row['percent']:>6.1f} %  "
        f"{row['n_gaps']:>4}"
        for row in rows(found)
    ]
    return "\n".join([head, *lines, *_skipped_lines(found.skipped)])


def _skipped_lines(skipped: tuple[Skipped, ...]) -> list[str]:
    if not skipped:
        return []
    lines = [f"{len(skipped):,} remarks on files:"]
    lines += [f"  {one.what}: {one.reason}" for one in skipped[:MOST_SKIPPED]]
    more = len(skipped) - MOST_SKIPPED
    return [*lines, f"  and {more:,} more"] if more > 0 else lines


def draw(found: Availability, path: str | Path, name: str) -> Path:
    """Draw what there is of each channel on each day."""
    first, last = (str(day) for day in found.days[[0, -1]])
    n_gaps = int(found.n_gaps.sum())
    notes = [
        first if first == last else f"{first} to {last}",
        f"{100 * found.fraction.mean():.1f} % of the days",
        f"{n_gaps:,} gap{'' if n_gaps == 1 else 's'}",
    ]
    figure = availability_figure(
        found.fraction,
        found.channel_ids,
        found.days,
        title=f"{Path(name).name or name}: {len(found.channel_ids):,} channels",
        note=", ".join(notes),
    )
    return save(figure, path)
