"""Random graphs without cycles, drawn by hypothesis."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from dispel4py.testing.conformance.layouts import GROUPINGS, build, given_by

__all__ = ["build", "given_by", "random_graphs"]


@st.composite
def random_graphs(draw: Any) -> Any:
    """Draw the edges of a graph without cycles, and the layout of its PEs."""
    n = draw(st.integers(1, 6))
    pairs = [(a, b) for b in range(n) for a in range(b)]
    edges = st.tuples(st.sampled_from(pairs or [(0, 0)]), st.integers(0, 1))

    def one_each(values: Any) -> Any:
        return draw(st.lists(values, min_size=n, max_size=n))

    return {
        "n": n,
        "edges": draw(st.lists(edges, max_size=8)) if pairs else [],
        "groupings": one_each(st.sampled_from(sorted(GROUPINGS))),
        "wanted": one_each(st.integers(1, 3)),
        "in_composites": one_each(st.integers(0, 2)),
        "processes": draw(st.integers(1, 6)),
        "values": draw(st.lists(st.integers(0, 1000), max_size=12)),
    }


if __name__ == "__main__":
    layouts = json.loads(Path(sys.argv[1]).read_text())
    found = [given_by(layout, mapping="mpi") for layout in layouts]
    if None not in found:
        sys.stdout.write(json.dumps(found))
