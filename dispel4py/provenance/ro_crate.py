"""Runs as Provenance Run Crates: RO-Crate 1.1, profiles of Workflow Run RO-Crate.

Source: https://www.researchobject.org/workflow-run-crate/profiles/provenance_run_crate.
An action stands for all calls of a PE: a crate that lists each call of a stream could
not be opened. The calls themselves are in the PROV-JSON file of the crate.
"""

from __future__ import annotations

import json
import mimetypes
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dispel4py.provenance.files import whole_file
from dispel4py.provenance.products import get_products
from dispel4py.provenance.questions import describe_run
from dispel4py.provenance.statements import Selection, statements
from dispel4py.provenance.store import Store
from dispel4py.provenance.w3c import write_prov_json

__all__ = ["write_crate"]

_W3ID = "https://w3id.org"
_WORKFLOW_CRATE = f"{_W3ID}/workflowhub/workflow-ro-crate/1.0"
_PROFILES = {
    f"{_W3ID}/ro/wfrun/process/0.5": "Process Run Crate",
    f"{_W3ID}/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    f"{_W3ID}/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    _WORKFLOW_CRATE: "Workflow RO-Crate",
}
_ENGINE, _LANGUAGE = "#dispel4py", "#workflow-language"
_OUTCOMES = {"complete": "CompletedActionStatus", "running": "ActiveActionStatus"}


def write_crate(store: Store, selection: Selection, folder: Path) -> list[str]:
    """Write the crate of a run into a folder; return the names of its files.

    Parameters
    ----------
    store : Store
    selection : Selection
        One run and its products.
    folder : Path
        It is made; files in it are replaced.
    """
    (n,) = selection.runs
    run = describe_run(store, n)
    products = [
        product
        for product in get_products(store, list(selection.numbers))
        if product.get("location")
    ]
    folder.mkdir(parents=True, exist_ok=True)
    graph = {"pes": run["pes"], "edges": run["edges"]}
    _write_json(folder / "workflow.json", graph)
    with (
        whole_file(folder / "provenance.json") as path,
        open(path, "w", encoding="utf-8") as file,
    ):
        write_prov_json(statements(store, selection), file)
    entities = _Crate(run, products, _readings(store, n)).entities()
    context = [
        f"{_W3ID}/ro/crate/1.1/context",
        f"{_W3ID}/ro/terms/workflow-run/context",
    ]
    crate = {"@context": context, "@graph": entities}
    _write_json(folder / "ro-crate-metadata.json", crate)
    return ["provenance.json", "ro-crate-metadata.json", "workflow.json"]


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    with whole_file(path) as part:
        part.write_text(f"{text}\n", encoding="utf-8")


def _readings(store: Store, n: int) -> dict[str, set[str]]:
    """Return the files that each PE has read."""
    found: dict[str, set[str]] = {}
    for pe, path in store.rows(
        "SELECT DISTINCT instance.pe, file.path FROM reading "
        "JOIN file ON file.n = reading.file JOIN product p ON p.n = reading.product "
        "JOIN instance ON instance.n = p.instance WHERE instance.run = ?",
        [n],
    ):
        found.setdefault(pe, set()).add(path)
    return found


def _reference(*names: str) -> Any:
    """Return a reference to one entity, or a list of references."""
    references = [{"@id": name} for name in names]
    return references[0] if len(references) == 1 else references


def _file_id(path: str) -> str:
    return f"file://{quote(path)}" if path.startswith("/") else quote(path, ":/")


def _format_of(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def _moment(seconds: float | None) -> str | None:
    """Return a time as the profile wants it: in UTC, with milliseconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _fragment(kind: str, pe: str) -> str:
    return f"#{kind}/{quote(pe, safe='')}"


class _Crate:
    """Makes the entities of the crate of one run."""

    def __init__(
        self,
        run: dict[str, Any],
        products: list[dict[str, Any]],
        readings: dict[str, set[str]],
    ) -> None:
        self.run, self.products, self.readings = run, products, readings
        self.inputs = {file["path"]: file for file in run["files"]}
        self.outputs = {product["location"]: product for product in products}

    def entities(self) -> list[dict[str, Any]]:
        """Return all entities."""
        pes = self.run["pes"]
        return [
            {
                "@id": "ro-crate-metadata.json",
                "@type": "CreativeWork",
                "conformsTo": _reference(f"{_W3ID}/ro/crate/1.1", _WORKFLOW_CRATE),
                "about": {"@id": "./"},
            },
            self._root(),
            *(
                {"@id": i, "@type": "CreativeWork", "name": name, "version": i[-3:]}
                for i, name in _PROFILES.items()
            ),
            self._workflow(),
            *self._contextual(),
            *(self._step(k, pe) for k, pe in enumerate(pes)),
            *(self._tool(pe) for pe in pes),
            *self._actions(),
            *(self._input(file) for file in self.inputs.values()),
            *(self._output(path) for path in self.outputs if path not in self.inputs),
        ]

    def _root(self) -> dict[str, Any]:
        run = self.run
        files = [_file_id(path) for path in {**self.inputs, **self.outputs}]
        title = f"Run {run['id']} of {run['name'] or 'a workflow'}"
        return {
            "@id": "./",
            "@type": "Dataset",
            "name": title,
            "description": f"{title}, with the provenance of its products",
            "datePublished": _moment(run["ended"] or run["began"] or 0),
            "license": "not stated",
            "author": {"@id": "#user"},
            "conformsTo": _reference(*_PROFILES),
            "mainEntity": {"@id": "workflow.json"},
            "hasPart": [
                {"@id": name} for name in ("workflow.json", "provenance.json", *files)
            ],
            "mentions": _reference(
                "#run",
                "#engine-run",
                *(_fragment("action", pe["pe"]) for pe in run["pes"]),
            ),
        }

    def _workflow(self) -> dict[str, Any]:
        pes = [pe["pe"] for pe in self.run["pes"]]
        return {
            "@id": "workflow.json",
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": self.run["name"] or "workflow",
            "encodingFormat": "application/json",
            "programmingLanguage": {"@id": _LANGUAGE},
            "hasPart": [{"@id": _fragment("tool", pe)} for pe in pes],
            "step": [{"@id": _fragment("step", pe)} for pe in pes],
        }

    def _contextual(self) -> list[dict[str, Any]]:
        versions = self.run["versions"] or {}
        version = str(versions.get("dispel4py", versions.get("dispel4py-seismo", "")))
        return [
            {
                "@id": "provenance.json",
                "@type": "File",
                "name": "All calls and products as PROV-JSON",
                "encodingFormat": "application/json",
            },
            {
                "@id": _LANGUAGE,
                "@type": "ComputerLanguage",
                "name": "dispel4py graph",
                "url": {"@id": "https://github.com/dispel4py/dispel4py"},
            },
            {
                "@id": _ENGINE,
                "@type": "SoftwareApplication",
                "name": "dispel4py",
                "softwareVersion": version or "unknown",
            },
            {"@id": "#user", "@type": "Person", "name": self.run["user"] or "unknown"},
        ]

    def _step(self, k: int, pe: dict[str, Any]) -> dict[str, Any]:
        return {
            "@id": _fragment("step", pe["pe"]),
            "@type": "HowToStep",
            "name": pe["pe"],
            "position": str(k),
            "workExample": {"@id": _fragment("tool", pe["pe"])},
        }

    def _tool(self, pe: dict[str, Any]) -> dict[str, Any]:
        tool = {
            "@id": _fragment("tool", pe["pe"]),
            "@type": "SoftwareApplication",
            "name": pe["class"] or pe["pe"],
        }
        if pe["sha256"]:
            tool["identifier"] = f"sha256:{pe['sha256']}"
            tool["softwareVersion"] = pe["sha256"][:12]
        return tool

    def _actions(self) -> list[dict[str, Any]]:
        run, pes = self.run, [pe["pe"] for pe in self.run["pes"]]
        times = {
            "startTime": _moment(run["began"]),
            "endTime": _moment(run["ended"]),
            "actionStatus": "http://schema.org/"
            + _OUTCOMES.get(run["outcome"], "FailedActionStatus"),
            "agent": {"@id": "#user"},
        }
        times = {name: value for name, value in times.items() if value is not None}
        actions = [
            {
                "@id": "#run",
                "@type": "CreateAction",
                "name": f"Run {run['id']}",
                "description": " ".join(map(str, run["command"] or [])) or "a run",
                "instrument": {"@id": "workflow.json"},
                "object": [{"@id": _file_id(path)} for path in self.inputs],
                "result": [{"@id": _file_id(path)} for path in self.outputs],
                **times,
            },
            {
                "@id": "#engine-run",
                "@type": "OrganizeAction",
                "name": f"dispel4py runs {run['id']}",
                "description": f"mapping {run['mapping']}",
                "instrument": {"@id": _ENGINE},
                "object": [{"@id": _fragment("control", pe)} for pe in pes],
                "result": {"@id": "#run"},
                **times,
            },
        ]
        for pe in pes:
            actions += self._pe_actions(pe, times)
        return actions

    def _pe_actions(self, pe: str, times: dict[str, Any]) -> list[dict[str, Any]]:
        outputs = [p["location"] for p in self.products if p["pe"] == pe]
        inputs = sorted(self.readings.get(pe, ()))
        return [
            {
                "@id": _fragment("control", pe),
                "@type": "ControlAction",
                "name": f"Calls of {pe}",
                "instrument": {"@id": _fragment("step", pe)},
                "object": {"@id": _fragment("action", pe)},
            },
            {
                "@id": _fragment("action", pe),
                "@type": "CreateAction",
                "name": pe,
                "description": f"All calls of {pe}",
                "instrument": {"@id": _fragment("tool", pe)},
                "object": [{"@id": _file_id(path)} for path in inputs],
                "result": [{"@id": _file_id(path)} for path in dict.fromkeys(outputs)],
                **times,
            },
        ]

    def _input(self, file: dict[str, Any]) -> dict[str, Any]:
        entity = {"@id": _file_id(file["path"]), "@type": "File"}
        entity["name"] = Path(file["path"]).name
        entity["encodingFormat"] = _format_of(file["path"])
        if file["size"] is not None:
            entity["contentSize"] = str(file["size"])
        if file["sha256"]:
            entity["sha256"] = file["sha256"]
        return entity

    def _output(self, path: str) -> dict[str, Any]:
        product = self.outputs[path]
        entity: dict[str, Any] = {"@id": _file_id(path), "@type": "File"}
        entity["name"] = Path(path).name
        known = [_format_of(path), *filter(None, [product.get("format")])]
        entity["encodingFormat"] = known if len(known) > 1 else known[0]
        if product.get("sha256"):
            entity["sha256"] = product["sha256"]
        if product.get("size") is not None:
            entity["contentSize"] = str(product["size"])
        return entity
