"""Pictures of graphs: their content, and how they are drawn."""

import re
import shutil
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from dispel4py import cli
from dispel4py.base import CompositePE, create_iterative_chain
from dispel4py.core import GenericPE
from dispel4py.draw import (
    draw,
    image_bytes,
    mermaid,
    plan_record,
    plan_text,
    write_image,
)
from dispel4py.draw.scene import TINTS, make_scene
from dispel4py.errors import Dispel4pyError, GraphError, ParameterError
from dispel4py.plan import make_plan
from dispel4py.visualisation import display
from dispel4py.workflow_graph import WorkflowGraph

needs_graphviz = pytest.mark.skipif(
    shutil.which("dot") is None, reason="graphviz's program dot is not installed"
)


class Box(GenericPE):
    def __init__(self, name="Box", inputs=("input",), outputs=("output",), **options):
        GenericPE.__init__(self, options.pop("numprocesses", 1))
        self.name = name
        for port in inputs:
            self._add_input(port, **options)
        for port in outputs:
            self._add_output(port)


def by_hash(item, n):
    return 0


def station_graph():
    """Ports, every grouping, partitions, a type."""
    read = Box("Read", (), ("traces", "skipped"))
    work = Box("Work", ("input",), tuple_type=list[int], numprocesses=3)
    sinks = [
        Box("Sum", grouping=["network", "station"]),
        Box("All", grouping="all"),
        Box("One", grouping="global"),
        Box("Mine", grouping=by_hash),
        Box("Mine", grouping=lambda item, n: 0),
    ]
    graph = WorkflowGraph()
    graph.connect(read, "traces", work, "input")
    for sink in sinks:
        graph.connect(work, "output", sink, "input")
    graph.partitions, graph.numprocesses = [[read], [work]], [1, 3]
    return graph


def nested_graph():
    inner, outer = CompositePE(), CompositePE()
    inner.name, outer.name = "Inner", "Outer"
    inner.connect(Box("A"), "output", Box("B"), "input")
    inner._map_input("input", inner.pes[0], "input")
    inner._map_output("output", inner.pes[1], "output")
    extra = Box("Extra", grouping=[0])
    outer.connect(inner, "output", extra, "input")
    outer._map_input("input", inner, "input")
    outer._map_input("input", extra, "input")
    outer._map_output("output", extra, "output")
    graph = WorkflowGraph()
    graph.connect(Box("Read"), "output", outer, "input")
    graph.connect(outer, "output", Box("Write"), "input")
    return graph


# ------------------------------------------------------------------------- DOT


def test_dot_has_ports_groupings_and_partitions():
    text = draw(station_graph())
    assert 'label="{Read\\npartition\\ 0|{<o0> traces|<o1> skipped}}"' in text
    assert "{<i0> input:\\ list[int]}" in text
    assert "3\\ instances" in text
    labels = re.findall(r' label="([^{"]*)", fontcolor', text)
    assert labels == [
        "by network, station",
        "all",
        "global",
        "by by_hash()",
        "by function",
    ]
    for k in range(3):
        assert f'fillcolor="{TINTS[k]}"' in text
    for line in (
        "partition 0: 1 process<",
        "partition 1: 3 processes<",
        "2: all other PEs<",
    ):
        assert line in text


def test_dot_nests_composites():
    text = draw(nested_graph())
    outer, inner = text.index("subgraph cluster_0"), text.index("subgraph cluster_1")
    assert outer < inner < text.index('"Extra')
    assert 'label="Outer"' in text
    assert 'label="Inner"' in text
    assert text.count("{") == text.count("}")
    # edges lead to the PEs behind the outer ports
    assert len(re.findall(r'"Read\d":o0:s -> "(A|Extra)\d":i0:n', text)) == 2


def test_dot_escapes_special_characters():
    graph = WorkflowGraph()
    graph.add(Box('a<b>|{"c"}\\', ("in|put",), ("o>",)))
    text = draw(graph)
    assert r"a\<b\>\|\{\"c\"\}\\" in text
    assert r"<i0> in\|put" in text
    assert r"<o0> o\>" in text


def test_dot_counts_equal_edges():
    graph, a, b = WorkflowGraph(), Box("A"), Box("B")
    graph.connect(a, "output", b, "input")
    graph.connect(a, "output", b, "input")
    assert draw(graph).count("->") == 1
    assert 'label="× 2"' in draw(graph)


def test_a_graph_without_anything_special_has_no_legend():
    assert "legend" not in draw(create_iterative_chain([abs, str]))
    assert "legend" in draw(station_graph())


def test_drawing_changes_nothing():
    graph = nested_graph()
    before = [pe.id for pe in graph.pes], len(graph.connections), len(graph.nodes)
    first = draw(graph)
    mermaid(graph)
    assert draw(graph) == first
    assert before == ([pe.id for pe in graph.pes], len(graph.connections), 3)


def test_composites_that_feed_each_other_keep_their_frames():
    first, second, between = Box("First"), Box("Second"), Box("Between")
    both = CompositePE()
    for name, pe in (("1", first), ("2", second)):
        both._map_input(f"input{name}", pe, "input")
        both._map_output(f"output{name}", pe, "output")
    graph = WorkflowGraph()
    graph.connect(both, "output1", between, "input")
    graph.connect(between, "output", both, "input2")
    assert [box.title for box in make_scene(graph).root.boxes()] == [
        "First",
        "Second",
        "Between",
    ]
    assert draw(graph).count("subgraph") == 1


def test_a_pe_used_inside_and_outside_a_composite_is_drawn_once():
    graph = nested_graph()
    (composite,) = [node for node in graph.nodes if isinstance(node, CompositePE)]
    graph.connect(Box("More"), "output", composite.pes[0], "input")
    boxes = make_scene(graph).root.boxes()
    assert len(boxes) == len(graph.pes)
    assert "subgraph" not in draw(graph)


# --------------------------------------------------------------------- Mermaid


def test_mermaid_has_ports_groupings_and_partitions():
    lines = [line.strip() for line in mermaid(station_graph()).splitlines()]
    assert lines[0] == "flowchart TB"
    assert 'pe0["Read<br/>partition 0<br/>out: traces, skipped"]' in lines
    assert 'pe0 -->|"traces → input"| pe1' in lines
    labels = re.findall(r"<br/>((?:by|all|global)[^\"]*)\"\|", "\n".join(lines))
    assert labels == [
        "by network, station",
        "all",
        "global",
        "by by_hash()",
        "by function",
    ]
    assert "3 instances" in lines[2]
    assert 'legend1["partition 1: 3 processes"]' in lines
    for k in range(3):
        assert any(f"classDef partition{k} fill:{TINTS[k]}" in line for line in lines)


def test_mermaid_nests_composites():
    lines = [line.strip() for line in mermaid(nested_graph()).splitlines()]
    outer = lines.index('subgraph composite0["Outer"]')
    inner = lines.index('subgraph composite1["Inner"]')
    assert outer < inner < lines.index("end")
    assert lines.count("end") == 3  # of the legend, too
    assert "legend" not in mermaid(create_iterative_chain([abs, str]))


def test_mermaid_escapes_special_characters():
    graph = WorkflowGraph()
    graph.add(Box('<a> & "b" #1', (), ("out",)))
    assert 'pe0["#lt;a#gt; #amp; #quot;b#quot; #35;1<br/>out: out"]' in mermaid(graph)


# ------------------------------------------------------------------------ images


@needs_graphviz
@pytest.mark.parametrize(
    ("kind", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
@pytest.mark.parametrize("graph", [station_graph, nested_graph])
def test_images(graph, kind, begins):
    assert image_bytes(graph(), kind).startswith(begins)


@needs_graphviz
def test_svg_shows_any_name():
    graph = station_graph()
    graph.pes[0].name = "<a> & $b$ 地震 \\alpha {|}"
    svg = ElementTree.fromstring(image_bytes(graph, "svg"))
    texts = {" ".join("".join(node.itertext()).split()) for node in svg.iter()}
    assert graph.pes[0].name in texts
    assert {"traces", "skipped", "by network, station", "every instance"} <= texts
    assert {"partition 0: 1 process", "partition 1: 3 processes"} <= texts


@needs_graphviz
def test_svg_frames_hold_their_composites():
    svg = ElementTree.fromstring(image_bytes(nested_graph(), "svg"))
    groups = [group for group in svg.iter() if group.get("class") == "cluster"]
    texts = [[t.text for t in group if t.tag.endswith("text")] for group in groups]
    assert texts == [["Outer"], ["Inner"]]


@pytest.mark.parametrize("suffix", ["dot", "gv", "mmd", "MMD"])
def test_texts_need_no_graphviz(tmp_path, suffix, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / f"graph.{suffix}"
    write_image(nested_graph(), path)
    text = mermaid if suffix.lower() == "mmd" else draw
    assert path.read_text() == text(nested_graph())


@needs_graphviz
@pytest.mark.parametrize("suffix", ["svg", "PNG", "pdf"])
def test_the_suffix_selects_the_format(tmp_path, suffix):
    path = tmp_path / f"graph.{suffix}"
    write_image(nested_graph(), path)
    assert path.stat().st_size > 500


def test_without_graphviz_the_message_explains_the_installation(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["draw", "dispel4py.examples.word_count", "-o", str(tmp_path / "g.svg")]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for way in ("apt install", "conda install", "brew install"):
        assert f"{way}" in error
    assert not (tmp_path / "g.svg").exists()


def test_notebooks_show_a_picture(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    shown = display(nested_graph())._repr_mimebundle_()
    assert shown["text/markdown"] == f"```mermaid\n{mermaid(nested_graph())}```\n"
    assert shown["text/plain"] == str(display(nested_graph()))
    fake_dot(tmp_path, monkeypatch, "print('<svg/>')")
    shown = display(nested_graph())._repr_mimebundle_(include=None, exclude=None)
    assert shown["image/svg+xml"] == "<svg/>\n"


@pytest.mark.parametrize(
    ("name", "expected_message"),
    [
        ("graph.jpg", "must be .dot, .mmd, .svg"),
        ("graph", "must be .dot, .mmd, .svg"),
        ("none/graph.svg", "no folder"),
    ],
)
def test_invalid_files_of_pictures_are_refused(tmp_path, name, expected_message):
    with pytest.raises(ParameterError, match=expected_message):
        write_image(nested_graph(), tmp_path / name)


def test_graphs_that_cannot_be_drawn():
    with pytest.raises(GraphError, match="no processing elements"):
        image_bytes(WorkflowGraph())
    with pytest.raises(ParameterError, match="did you mean 'png'"):
        image_bytes(nested_graph(), "pngs")


def fake_dot(tmp_path, monkeypatch, program):
    (tmp_path / "dot").write_text(f"#!{sys.executable}\n{program}")
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_graphviz_draws_where_it_is_installed(tmp_path, monkeypatch):
    echo = "import sys; print(sys.argv[1]); print(sys.stdin.read())"
    fake_dot(tmp_path, monkeypatch, echo)
    result = image_bytes(nested_graph(), "svg").decode()
    assert result == f"-Tsvg\n{draw(nested_graph())}\n"


def test_graphviz_that_fails_ends_in_a_line(tmp_path, monkeypatch, capsys):
    fail = "import sys; sys.stderr.write('no\\nfont'); sys.exit(1)"
    fake_dot(tmp_path, monkeypatch, fail)
    with pytest.raises(Dispel4pyError, match="graphviz failed: no font"):
        image_bytes(nested_graph(), "png")
    words = ["draw", "dispel4py.examples.word_count", "-o", str(tmp_path / "g.svg")]
    assert cli.main(words) == 1
    assert capsys.readouterr().err == "dispel4py: error: graphviz failed: no font\n"


# ---------------------------------------------------------------------- commands


def test_draw_writes_dot_to_standard_output(capsys):
    assert cli.main(["draw", "dispel4py.examples.split_merge"]) == 0
    assert capsys.readouterr().out.startswith("digraph workflow {")


@needs_graphviz
def test_draw_writes_a_file(tmp_path):
    path = tmp_path / "graph.svg"
    words = ["draw", "dispel4py.examples.word_count", "-o", str(path)]
    assert cli.main(words) == 0
    assert path.read_bytes().startswith(b"<?xml")


def test_the_format_counts_before_the_suffix(tmp_path, capsys):
    words = ["draw", "dispel4py.examples.word_count", "--format", "mermaid"]
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    assert text.startswith("flowchart TB")
    assert cli.main([*words, "-o", str(tmp_path / "graph.txt")]) == 0
    assert (tmp_path / "graph.txt").read_text() == text


def test_plan_is_shown_as_text(capsys):
    assert cli.main(["plan", "dispel4py.examples.statistics", "-n", "4"]) == 0
    assert capsys.readouterr().out == (
        "process  runs\n"
        "0        RandomNumbers0\n"
        "1-2      PartialSums1\n"
        "3        Statistics2\n"
        "\n"
        "PE              instances  processes\n"
        "RandomNumbers0          1  0\n"
        "PartialSums1            2  1-2\n"
        "Statistics2             1  3\n"
        "\n"
        "from                   to                  grouping  channels\n"
        "RandomNumbers0.output  PartialSums1.input  shuffle   1 x 2\n"
        "PartialSums1.output    Statistics2.input   global    2 x 1\n"
    )


def test_plan_shows_expected_seconds_and_notes(tmp_path, capsys):
    profile = tmp_path / "profile.json"
    profile.write_text('{"RandomNumbers": 1, "PartialSums": 9, "Gone": 2}')
    words = ["plan", "dispel4py.examples.statistics", "-n", "2"]
    assert cli.main([*words, "--profile", str(profile)]) == 0
    expected_message = capsys.readouterr().out
    assert "process  expected s  runs" in expected_message
    assert "note: costs of PEs that are not in the graph: Gone" in expected_message
    assert "note: 2 processes for 3 PEs: PEs share processes" in expected_message


def test_plan_as_json_holds_everything():
    plan = make_plan(station_graph(), 6)
    result = plan_record(plan)
    assert result["n_processes"] == len(result["processes"]) == 6
    where = {
        (i["pe"], p["process"]) for p in result["processes"] for i in p["instances"]
    }
    assert where == {(i.pe_id, i.process) for i in plan.instances}
    assert where == {(pe["pe"], p) for pe in result["pes"] for p in pe["processes"]}
    assert [route["grouping"] for route in result["routes"]][:2] == [
        "shuffle",
        "by network, station",
    ]
    assert result["pes"][0]["shares_with"] == []
    assert plan_text(plan).count("note:") == len(plan.notes)


@pytest.mark.parametrize(
    ("words", "expected_message"),
    [
        (["plan", "dispel4py.examples.squares"], "-n"),
        (["plan", "dispel4py.examples.squares", "-n", "0"], "1 or more"),
        (
            ["plan", "dispel4py.examples.squares", "-n", "2", "--profile", "no"],
            "No such",
        ),
        (["draw", "dispel4py.examples.squares", "-o", "x.jpg"], ".svg"),
        (["draw", "dispel4py.examples.squares", "--format", "png"], "a file with -o"),
        (["draw", "dispel4py.examples.squares", "--format", "jpg"], "invalid choice"),
        (["draw", "dispel4py.examples.nothing"], "no module"),
        (["drwa", "dispel4py.examples.squares"], "did you mean 'draw'"),
    ],
)
def test_mistakes_give_one_line(words, expected_message, capsys):
    assert cli.main(words) == 2
    errors = capsys.readouterr().err
    assert expected_message in errors
    assert errors.count("\n") == 1
