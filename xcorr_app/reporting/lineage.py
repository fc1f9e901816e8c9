"""What the correlation of a pair was made of, from the records of provenance.

The products of the pair are the correlations of its tile. Their ancestors are the tile,
and for each channel of the tile spectra, waveforms and files; those of the two channels
belong to the pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.lineage import lineage, relatives
from dispel4py.provenance.products import find_run, get_products
from dispel4py.provenance.questions import describe_run, list_runs
from dispel4py.provenance.search import matching
from dispel4py.provenance.store import Store as Records
from dispel4py.provenance.store import open_store
from seismo_pes.items.descriptions import source_id
from xcorr_app.reporting.lineage_page import lineage_page
from xcorr_app.store import Store

__all__ = ["lineage_json", "lineage_text"]


def lineage_json(
    store: Store, pair: Sequence[str], folder: str | Path | None = None
) -> dict[str, Any]:
    """Return what the correlations of a pair were made of, ready for JSON.

    Parameters
    ----------
    store : Store
        Open results.
    pair : sequence of str
        The two channels.
    folder : path, optional
        The folder of provenance; by default that of the run.

    Returns
    -------
    dict
        ``pair``; ``provenance``, the folder of the records; ``runs``, each with its
        configuration, versions and files; ``steps`` with element, parameters, ids of
        products and their interval of time, from the files to the correlation;
        ``files`` of each channel, with size, time and SHA-256; ``lost``, what is
        not known.

    Raises
    ------
    ParameterError
        If there are no records of the run.
    """
    index = store.pair_index(*pair)
    channels = [str(store.pairs[index][name]) for name in ("first_id", "second_id")]
    place = folder or store.config.get("provenance")
    if place is None:
        raise ParameterError(
            "the run has no records of provenance: give --provenance DIR to the run, "
            "and here if its folder has another name now"
        )
    records = open_store(place)
    try:
        unread = ingest(records, place).unread
        found = _lineage(records, store.run_id, channels)
        found["lost"] += [f"records that could not be read: {text}" for text in unread]
        return {"pair": found["pair"], "provenance": str(place)} | found
    finally:
        records.close()


def _lineage(records: Records, run_id: str, channels: Sequence[str]) -> dict[str, Any]:
    runs = [
        describe_run(records, find_run(records, run["id"]))
        for run in reversed(list_runs(records))
    ]
    runs = [run for run in runs if (run["configuration"] or {}).get("run_id") == run_id]
    if not runs:
        raise ParameterError(f"no records of the run {run_id} are in this folder")
    ids = [source_id(channel) for channel in channels]
    numbers = [n for run in runs for n in _of_pair(records, run["id"], ids)]
    numbers += _stacks(records, [run["id"] for run in runs], numbers)
    found = lineage(records, numbers)
    others = {
        product["id"]
        for product in found.products
        if product["terms"].get("source_id", ids[0]) not in ids
    }
    own = [product for product in found.products if product["id"] not in others]
    names = {product["id"]: product["terms"].get("source_id") for product in own}
    return {
        "pair": list(channels),
        "runs": [_about(records, run) for run in runs],
        "steps": _steps(own, runs),
        "files": [
            {"channel": channels[ids.index(str(names[product]))], **file}
            for product, file in found.files
            if names.get(product) in ids
        ],
        "lost": [reason for product, reason in found.lost if product not in others],
    }


def _of_pair(records: Records, run: str, ids: Sequence[str]) -> list[int]:
    """Return the products of a pair in a run, and their ancestors."""
    both = " and ".join(f"ancestor(source_id = '{name}')" for name in ids)
    condition = f"run.id = '{run}' and pe.name = 'CorrelateTiles' and n_pairs > 0"
    seeds = matching(records, f"{condition} and {both}")
    return [*seeds, *(n for n, _ in relatives(records, "ancestor", seeds))]


def _stacks(records: Records, runs: Sequence[str], numbers: Sequence[int]) -> list[int]:
    """Return the products of the second phase for the tiles of some products.

    They were made of the substacks in the part files, which the first phase has
    written.
    """
    terms = [product["terms"] for product in get_products(records, numbers)]
    places = {(t["row"], t["column"]) for t in terms if "stack" in t}
    return [
        n
        for run in runs
        for row, column in sorted(places)
        for n in matching(
            records,
            f"run.id = '{run}' and pe.name = 'RestackPairs' and n_pairs > 0 "
            f"and row = {row} and column = {column}",
        )
    ]


def _about(records: Records, run: dict[str, Any]) -> dict[str, Any]:
    """Return what a run is, with the files that it read besides the waveforms."""
    rows = records.rows(
        "SELECT path FROM file JOIN run ON run.n = file.run WHERE run.id = ? "
        "AND NOT EXISTS (SELECT 1 FROM reading WHERE reading.file = file.n)",
        [run["id"]],
    )
    paths = {path for (path,) in rows}
    names = ("id", "began", "host", "user", "command", "versions", "configuration")
    files = [file for file in run["files"] if file["path"] in paths]
    return {name: run.get(name) for name in names} | {"files": files}


def _steps(
    products: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the elements that made products, in the order of the data."""
    of_pe = {(run["id"], pe["pe"]): pe for run in runs for pe in run["pes"]}
    order = {key: k for k, key in enumerate(of_pe)}  # sources first
    steps: dict[tuple[str, str], dict[str, Any]] = {}
    for product in sorted(products, key=lambda p: order[p["run"], p["pe"]]):
        key = product["run"], product["pe"]
        about = of_pe.get(key, {})
        step = steps.setdefault(
            key,
            {
                "pe": about.get("name", product["pe"]),
                "class": about.get("class"),
                "sha256": about.get("sha256"),
                "parameters": about.get("parameters", {}),
                "products": [],
                "interval": None,
            },
        )
        step["products"].append(product["id"])
        step["interval"] = _longer(step["interval"], product["terms"])
    return list(steps.values())


def _longer(interval: list[str] | None, terms: dict[str, Any]) -> list[str] | None:
    """Return an interval of time that also has the times of a product."""
    times = [terms.get("start"), terms.get("end")]
    if None in times:
        return interval
    start, end = map(str, times)
    first, last = interval or (start, end)
    return [min(first, start), max(last, end)]


def lineage_text(
    store: Store, pair: Sequence[str], folder: str | Path | None = None
) -> str:
    """Return what the correlations of a pair were made of, as text.

    Parameters
    ----------
    store, pair, folder
        As for `lineage_json`.
    """
    return lineage_page(lineage_json(store, pair, folder))
