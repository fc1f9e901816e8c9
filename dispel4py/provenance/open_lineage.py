"""Runs as events of OpenLineage: the run, and a job for each of its PEs.

Source: https://openlineage.io/spec/2-0-2/OpenLineage.json.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any, TextIO

from dispel4py import __version__
from dispel4py.provenance.questions import describe_run, errors
from dispel4py.provenance.statements import timestamp
from dispel4py.provenance.store import Store

__all__ = ["write_open_lineage"]

_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
_FACETS = "https://openlineage.io/spec/facets"
_PRODUCER = f"urn:dispel4py:{__version__}"
_ENDS = {"complete": "COMPLETE", "running": "RUNNING", "interrupted": "ABORT"}


def write_open_lineage(store: Store, n: int, file: TextIO) -> None:
    """Write the events of a run, one JSON object on each line.

    Parameters
    ----------
    store : Store
    n : int
        The run, by its number in the store.
    file : file
    """
    for event in _events(store, n):
        file.write(f"{json.dumps(event, ensure_ascii=False)}\n")


def _events(store: Store, n: int) -> Iterator[dict[str, Any]]:
    run = describe_run(store, n)
    name = run["name"] or "workflow"
    end = _ENDS.get(run["outcome"], "FAIL")
    files = _files(store, n)
    jobs: list[tuple[str, str, dict[str, Any], list[Any], list[Any]]]
    jobs = [(name, run["id"], {}, *_all_files(run, files))]
    for pe in run["pes"]:
        parent = _facet(
            "ParentRunFacet",
            "1-2-0",
            run={"runId": _run_id(run["id"])},
            job={"namespace": "dispel4py", "name": name},
        )
        sides = files.get(pe["pe"], ([], []))
        jobs.append(
            (
                f"{name}.{pe['pe']}",
                f"{run['id']}/{pe['pe']}",
                {"parent": parent},
                *sides,
            )
        )
    message = next((f"{g['error']}: {g['message']}" for g in errors(store, n)), None)
    for kind, moment in (("START", run["began"]), (end, run["ended"])):
        for job, run_id, facets, inputs, outputs in jobs:
            more = dict(facets)
            if kind == "FAIL" and message:
                more["errorMessage"] = _facet(
                    *("ErrorMessageRunFacet", "1-0-1"),
                    message=message,
                    programmingLanguage="PYTHON",
                )
            yield {
                "eventType": kind,
                "eventTime": timestamp(moment or run["began"] or 0),
                "producer": _PRODUCER,
                "schemaURL": f"{_SCHEMA}#/$defs/RunEvent",
                "run": {"runId": _run_id(run_id), "facets": more},
                "job": {"namespace": "dispel4py", "name": job},
                "inputs": inputs if kind == "START" else [],
                "outputs": [] if kind == "START" else outputs,
            }


def _run_id(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:dispel4py:provenance:{text}"))


def _facet(name: str, version: str, **content: Any) -> dict[str, Any]:
    address = f"{_FACETS}/{version}/{name}.json#/$defs/{name}"
    return {"_producer": _PRODUCER, "_schemaURL": address, **content}


def _dataset(path: str, size: Any = None) -> dict[str, Any]:
    dataset: dict[str, Any] = {"namespace": "file", "name": path}
    if size is not None:
        statistics = _facet("OutputStatisticsOutputDatasetFacet", "1-0-2", size=size)
        dataset["outputFacets"] = {"outputStatistics": statistics}
    return dataset


def _files(store: Store, n: int) -> dict[str, tuple[list[Any], list[Any]]]:
    """Return the files that each PE has read and written."""
    files: dict[str, tuple[list[Any], list[Any]]] = {}
    for pe, path in store.rows(
        "SELECT DISTINCT instance.pe, file.path FROM reading "
        "JOIN file ON file.n = reading.file JOIN product p ON p.n = reading.product "
        "JOIN instance ON instance.n = p.instance WHERE instance.run = ?",
        [n],
    ):
        files.setdefault(pe, ([], []))[0].append(_dataset(path))
    for pe, path, size in store.rows(
        "SELECT instance.pe, p.location, max(p.size) FROM product p "
        "JOIN instance ON instance.n = p.instance WHERE instance.run = ? "
        "AND p.location IS NOT NULL GROUP BY instance.pe, p.location",
        [n],
    ):
        files.setdefault(pe, ([], []))[1].append(_dataset(path, size))
    return files


def _all_files(
    run: dict[str, Any], files: dict[str, tuple[list[Any], list[Any]]]
) -> tuple[list[Any], list[Any]]:
    outputs = {d["name"]: d for _, written in files.values() for d in written}
    return [_dataset(file["path"]) for file in run["files"]], list(outputs.values())
