"""Exports are read by other programs, and say what the store says."""

import datetime
import io
import json
import re
import resource
import signal

import pytest
import rdflib
from openlineage.client import event_v2, serde
from openlineage.client.generated import error_message_run, parent_run
from openlineage.client.generated import output_statistics_output_dataset as statistics
from prov.model import ProvDocument
from records import RUN, call, product, write_run

from dispel4py.cli import main
from dispel4py.errors import DataError
from dispel4py.provenance.export import export
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.model import Writer
from dispel4py.provenance.store import open_store

# the prov package calls rdflib by names that rdflib 8 will not have
pytestmark = pytest.mark.filterwarnings("ignore:Dataset.*deprecated:DeprecationWarning")
HOSTILE = 'a "quoted" \\ text,\n with {brackets}, <tags> and é'


@pytest.fixture(scope="module")
def store(make_place, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prov")
    path = write_run(folder)
    writer = Writer(path / "prov-7.jsonl")
    places = {"7": ["My PE (1)", 0]}
    writer.write({"kind": "process", "process": 7, "instances": places})
    terms = {"text": HOSTILE, "odd name, =": 1, "flag": True, "list": [1, 2]}
    writer.write(call(7, 0, ["input", "1.1.2.0"], [product("7.-1.-1.0", terms)]))
    store = open_store(folder, make_place())
    ingest(store, folder)
    yield store
    store.close()


def test_exports_of_both_databases_have_the_same_content(tmp_path, postgresql):
    path = write_run(tmp_path)
    writer = Writer(path / "prov-7.jsonl")
    writer.write({"kind": "process", "process": 7, "instances": {"7": ["Bad", 0]}})
    error = {"type": "ValueError", "message": "a gap", "item": "7"}
    writer.write({**call(7, 0, ["input", "1.1.2.0"], []), "error": error})
    texts = []
    for place in (None, postgresql()):
        store = open_store(tmp_path, place)
        ingest(store, tmp_path)
        lines = export(store, RUN, "prov-n", None)["text"].splitlines()
        texts.append(sorted(lines))
        store.close()
    assert texts[0] == texts[1]


def counts(document):
    kinds = {}
    for record in document.get_records():
        kind = record.get_type().localpart
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def identifiers(document, kind):
    return {
        record.identifier.uri
        for record in document.get_records()
        if record.get_type().localpart == kind
    }


TRUE_COUNTS = {
    "Entity": 17 + 6,  # products and files
    "Activity": 1 + 6 + 6 + 6 + 4 + 1,  # the run and its calls
    "Agent": 1 + 5,  # the user and the PEs
    "Generation": 17,
    # what Filter, Correlate, Stack and My PE got, and the files
    "Usage": 6 + 6 + 3 + 1 + 6,
    "Derivation": 6 + 6 + 3 + 1 + 6,
    "Association": 1 + 23,
    "Delegation": 5,
}


@pytest.mark.parametrize("kind", ["prov-json", "turtle"])
def test_other_programs_read_the_same_statements(store, kind):
    text = export(store, RUN, kind)["text"]
    name = {"prov-json": "json", "turtle": "rdf"}[kind]
    more = {"rdf_format": "turtle"} if name == "rdf" else {}
    document = ProvDocument.deserialize(io.StringIO(text), format=name, **more)
    assert counts(document) == TRUE_COUNTS
    ids = identifiers(document, "Entity")
    assert f"urn:dispel4py:provenance:{RUN}/My%20PE%20%281%29/0/0/output/0" in ids
    (mine,) = (
        record
        for record in document.get_records()
        if record.identifier is not None
        and "My%20PE%20%281%29/0/0/o" in record.identifier.uri
    )
    values = {name.uri: value for name, value in mine.attributes}
    assert values["urn:dispel4py:term:text"] == HOSTILE
    assert values["urn:dispel4py:term:flag"] in (True, "true")


def test_both_formats_have_the_same_derivations(store):
    text = export(store, RUN, "prov-json")["text"]
    document = ProvDocument.deserialize(io.StringIO(text), format="json")
    found = {
        tuple(value.uri for _, value in record.formal_attributes[:2])
        for record in document.get_records()
        if record.get_type().localpart == "Derivation"
    }
    graph = rdflib.Graph().parse(data=export(store, RUN, "turtle")["text"])
    pairs = graph.subject_objects(rdflib.PROV.wasDerivedFrom)
    assert {(str(child), str(parent)) for child, parent in pairs} == found
    stack = f"urn:dispel4py:provenance:{RUN}/Stack/0/3/output/0"
    parents = {parent for child, parent in found if child == stack}
    assert parents == {
        f"urn:dispel4py:provenance:{RUN}/Correlate/0/{n}/output/0" for n in (1, 3, 5)
    }


def test_prov_n_is_what_the_prov_package_writes(store):
    """The package reads no PROV-N; it writes it, and so we compare with its text."""
    json_text = export(store, RUN, "prov-json")["text"]
    document = ProvDocument.deserialize(io.StringIO(json_text), format="json")
    theirs = statements_of(document.get_provn().replace("\n with", " with"))
    ours = statements_of(export(store, RUN, "prov-n")["text"])
    assert len(ours) == sum(TRUE_COUNTS.values())
    assert {line.split("[")[0] for line in ours} == {
        line.split("[")[0] for line in theirs
    }


def statements_of(text):
    """Return the statements of PROV-N, in one spelling."""
    lines = [line.strip() for line in text.splitlines()]
    kept = [x for x in lines if x and not x.startswith(("prefix", "document", "end"))]
    return [_one_spelling(line) for line in kept]


def _one_spelling(line):
    head, bracket, rest = line.replace(", [", "[").partition("[")
    words = [word.strip().rstrip(")") for word in head.partition("(")[2].split(",")]
    words = [_moment(word) for word in words if word not in ("-", "")]
    return f"{head.partition('(')[0]}({','.join(words)}{bracket}{rest}"


def _moment(word):
    try:
        return datetime.datetime.fromisoformat(word).isoformat()
    except ValueError:
        return word


def test_lineage_of_a_product(store):
    name = f"{RUN}/Correlate/0/1/output/0"
    text = export(store, name, "prov-json")["text"]
    document = ProvDocument.deserialize(io.StringIO(text), format="json")
    found = counts(document)
    assert found["Entity"] == 5 + 2
    assert found["Derivation"] == 4 + 2
    assert found["Activity"] == 1 + 2 + 2 + 2


def test_run_crate_has_what_its_profiles_require(store, tmp_path):
    export(store, RUN, "ro-crate", tmp_path / "crate")
    with open(tmp_path / "crate" / "ro-crate-metadata.json", encoding="utf-8") as file:
        crate = json.load(file)
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])
    assert entities["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    root = entities["./"]
    assert {"name", "description", "datePublished", "license"} <= set(root)
    profiles = {profile["@id"] for profile in root["conformsTo"]}
    assert "https://w3id.org/ro/wfrun/provenance/0.5" in profiles
    main_entity = entities[root["mainEntity"]["@id"]]
    assert "ComputationalWorkflow" in main_entity["@type"]
    assert main_entity["programmingLanguage"]["@id"] in entities
    assert len(main_entity["step"]) == len(main_entity["hasPart"]) == 5
    by_type = {}
    for entity in crate["@graph"]:
        by_type.setdefault(str(entity["@type"]), []).append(entity)
    (organize,) = by_type["OrganizeAction"]
    assert entities[organize["instrument"]["@id"]]["@type"] == "SoftwareApplication"
    assert entities[organize["result"]["@id"]]["instrument"] == root["mainEntity"]
    mentioned = {reference["@id"] for reference in root["mentions"]}
    for action in (*by_type["CreateAction"], organize):
        assert action["@id"] in mentioned
        assert action["description"]
        # the profile wants no more than milliseconds
        assert re.fullmatch(r"1970-01-01T00:00:0\d\.\d{3}\+00:00", action["endTime"])
    for control in by_type["ControlAction"]:
        step = entities[control["instrument"]["@id"]]
        action = entities[control["object"]["@id"]]
        assert step["@type"] == "HowToStep"
        assert action["instrument"] == step["workExample"]
    for reference in references(crate["@graph"]):
        is_outside = reference.startswith(("https://w3id.org", "http", "file"))
        assert reference in entities or is_outside, reference
    for part in root["hasPart"]:
        if not part["@id"].startswith("file:"):
            assert (tmp_path / "crate" / part["@id"]).exists()
    with open(tmp_path / "crate" / "provenance.json", encoding="utf-8") as file:
        assert counts(ProvDocument.deserialize(file, format="json")) == TRUE_COUNTS


def references(value):
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for member in value:
            yield from references(member)


def test_open_lineage_events(store):
    text = export(store, RUN, "openlineage")["text"]
    events = [json.loads(line) for line in text.splitlines()]
    ends = [e for e in events if e["eventType"] == "COMPLETE"]
    assert [e["job"]["name"] for e in ends][:2] == ["chain", "chain.Read"]
    assert {d["name"] for d in ends[0]["outputs"]} == {f"/out/{k}.h5" for k in range(3)}
    starts = [e for e in events if e["eventType"] == "START"]
    assert "/data/FMP.0.mseed" in {d["name"] for d in starts[1]["inputs"]}
    parent = ends[1]["run"]["facets"]["parent"]["run"]["runId"]
    assert parent == ends[0]["run"]["runId"]


def test_events_are_those_of_the_open_lineage_package(tmp_path):
    """Its classes refuse wrong ids, times and addresses, and know all fields."""
    path = write_run(tmp_path, ended=False)
    writer = Writer(path / "prov-5.jsonl")
    writer.write({"kind": "process", "process": 5, "instances": {"5": ["Write", 0]}})
    written = product("5.-1.-1.0", {}, location="/out/a b.txt", size=7)
    writer.write(call(5, 0, ["input", "2.2.3.0"], [written]))
    error = {"type": "ValueError", "message": "a gap", "traceback": "Traceback ..."}
    record = call(5, 1, ["input", "2.2.3.1"], [])
    writer.write({**record, "outcome": "failed", "error": error})
    writer.write({"kind": "end", "ended": 9.5, "outcome": "failed"})
    store = open_store(tmp_path)
    ingest(store, tmp_path)
    text = export(store, RUN, "openlineage")["text"]
    store.close()
    events = [json.loads(line) for line in text.splitlines()]
    for event in events:
        theirs = serde.Serde.to_dict(as_open_lineage(event))
        assert without_empty_facets(theirs) == without_empty_facets(event)
    last = events[-1]
    assert last["eventType"] == "FAIL"
    assert last["run"]["facets"]["errorMessage"]["message"] == "ValueError: a gap"
    (output,) = last["outputs"]
    assert output["outputFacets"]["outputStatistics"]["size"] == 7


def as_open_lineage(event):
    """Return an event as an object of the package."""
    run, job = event["run"], event["job"]
    return event_v2.RunEvent(
        eventType=event_v2.RunState(event["eventType"]),
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=event_v2.Run(run["runId"], facets_of(run["facets"])),
        job=event_v2.Job(**job),
        inputs=[event_v2.InputDataset(**dataset) for dataset in event["inputs"]],
        outputs=[
            event_v2.OutputDataset(
                dataset["namespace"],
                dataset["name"],
                facets_of(dataset.get("outputFacets", {})),
            )
            for dataset in event["outputs"]
        ],
    )


def without_empty_facets(value):
    if isinstance(value, list):
        return [without_empty_facets(member) for member in value]
    if not isinstance(value, dict):
        return value
    return {
        name: without_empty_facets(member)
        for name, member in value.items()
        if member or not name.lower().endswith("facets")
    }


def facets_of(facets):
    kinds = {
        "parent": lambda run, job, **more: parent_run.ParentRunFacet(
            parent_run.Run(**run), parent_run.Job(**job), **more
        ),
        "errorMessage": error_message_run.ErrorMessageRunFacet,
        "outputStatistics": statistics.OutputStatisticsOutputDatasetFacet,
    }
    made = {}
    for name, facet in facets.items():
        content = {key: value for key, value in facet.items() if key[0] != "_"}
        made[name] = kinds[name](**content, producer=facet["_producer"])
    return made


@pytest.mark.parametrize("kind", ["prov-n", "openlineage", "ro-crate"])
def test_a_full_disk_leaves_the_file_of_before(kind, tmp_path):
    write_run(tmp_path / "prov")
    store = open_store(tmp_path / "prov")
    ingest(store, tmp_path / "prov")
    target = tmp_path / "exported"
    export(store, RUN, kind, target)
    before = contents(target)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        with pytest.raises(DataError, match="exported"):
            export(store, RUN, kind, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
        store.close()
    assert contents(target) == before


def contents(path):
    paths = [path, *path.parent.glob(".exported*"), *path.rglob("*")]
    return {p: p.read_bytes() for p in paths if p.is_file()}


def test_mistakes(tmp_path, capsys):
    write_run(tmp_path)
    words = ["--provenance", str(tmp_path)]
    product_id = f"{RUN}/Stack/0/3/output/0"
    assert main(["prov", "export", product_id, "--format", "ro-crate", *words]) == 2
    assert "is for runs" in capsys.readouterr().err
    assert main(["prov", "export", RUN, "--format", "ro-crate", *words]) == 2
    assert "-o" in capsys.readouterr().err
    assert main(["prov", "export", RUN, "--format", "xml", *words]) == 2
    assert main(["prov", "export", RUN, "--format", "prov-n", *words]) == 0
    assert capsys.readouterr().out.rstrip().endswith("endDocument")
