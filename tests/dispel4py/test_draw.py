"""Pictures of graphs: what they say, that nothing overlaps, and how they are made."""

import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispel4py import cli
from dispel4py.base import CompositePE, create_iterative_chain
from dispel4py.core import GenericPE
from dispel4py.draw import draw, image_bytes, plan_record, plan_text, write_image
from dispel4py.draw.arrange import arrange
from dispel4py.draw.layers import spread
from dispel4py.draw.scene import TINTS, make_scene
from dispel4py.errors import GraphError, ParameterError
from dispel4py.plan import make_plan
from dispel4py.workflow_graph import WorkflowGraph


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
        "2: the rest<",
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


def test_dot_escapes_what_has_a_meaning():
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
    image_bytes(graph, "svg", graphviz=False)
    assert draw(graph) == first
    assert before == ([pe.id for pe in graph.pes], len(graph.connections), 3)


# ------------------------------------------------------------------------ layout


def fixed_width(text, size, bold):
    return 0.6 * size * len(text)


@st.composite
def graphs(draw: Any, depth: int = 0) -> WorkflowGraph:
    graph = WorkflowGraph() if depth == 0 else CompositePE()
    nodes: list[Any] = []
    for k in range(draw(st.integers(1, 6 if depth == 0 else 3))):
        if depth < 2 and draw(st.integers(0, 3)) == 0:
            node: Any = draw(graphs(depth + 1))
        else:
            ports = draw(st.sampled_from([("input",), ("input", "second")]))
            grouping = draw(st.sampled_from([None, None, "all", ["a long key"]]))
            node = Box(
                f"Box{depth}{k}", ports, ("output", "skipped"), grouping=grouping
            )
        nodes.append(node)
        graph.add(node)
    for b in range(1, len(nodes)):
        for a in draw(st.sets(st.integers(0, b - 1), max_size=2)):
            graph.connect(nodes[a], "output", nodes[b], "input")
    if depth:
        ends = [0] if draw(st.booleans()) else [0, len(nodes) - 1]
        for k in ends:
            graph._map_input("input", nodes[k], "input")
        graph._map_output("output", nodes[-1], "output")
    return graph


def overlap(one, other):
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def inside(one, frame):
    return (
        frame.x <= one.x
        and frame.y <= one.y
        and one.x + one.width <= frame.x + frame.width + 1e-6
        and one.y + one.height <= frame.y + frame.height + 1e-6
    )


@settings(deadline=None, max_examples=40)
@given(graphs())
def test_nothing_overlaps_and_frames_hold_what_is_theirs(graph):
    scene = make_scene(graph)
    picture = arrange(scene, fixed_width)
    assert sorted(p.box.key for p in picture.boxes) == sorted(pe.id for pe in graph.pes)
    for one, other in itertools.combinations(picture.boxes, 2):
        assert not overlap(one, other)
    for one, other in itertools.combinations(picture.frames, 2):
        assert not overlap(one, other) or inside(one, other) or inside(other, one)
    for box in picture.boxes:
        holding = [frame for frame in picture.frames if overlap(box, frame)]
        assert all(inside(box, frame) for frame in holding)
        assert box.x >= 0
        assert box.x + box.width <= picture.width + 1e-6
        assert box.y + box.height <= picture.height + 1e-6
    if picture.frames:
        held = Counter(
            sum(inside(box, frame) for box in picture.boxes) for frame in picture.frames
        )
        assert held == Counter(len(c.boxes()) for c in scene.root.clusters())


@settings(deadline=None, max_examples=40)
@given(graphs())
def test_ways_lead_down_from_port_to_port_around_boxes(graph):
    picture = arrange(make_scene(graph), fixed_width)
    boxes = {placed.box.key: placed for placed in picture.boxes}
    for way in picture.ways:
        heights = [round(y, 6) for _, y in way.points]
        assert heights == sorted(heights)
        source = boxes.get(way.arrow.source.key)
        if source is not None:
            x, y = way.points[0]
            assert y == pytest.approx(source.y + source.height)
            assert source.x < x < source.x + source.width
        for (x, top), (below_x, bottom) in itertools.pairwise(way.points):
            if x == below_x:
                assert not any(
                    p.x < x < p.x + p.width
                    and p.y < bottom - 1e-6
                    and top + 1e-6 < p.y + p.height
                    for p in picture.boxes
                )


def test_composites_that_feed_each_other_are_drawn_without_frames():
    first, second, between = Box("First"), Box("Second"), Box("Between")
    both = CompositePE()
    for name, pe in (("1", first), ("2", second)):
        both._map_input(f"input{name}", pe, "input")
        both._map_output(f"output{name}", pe, "output")
    graph = WorkflowGraph()
    graph.connect(both, "output1", between, "input")
    graph.connect(between, "output", both, "input2")
    picture = arrange(make_scene(graph), fixed_width)
    assert picture.frames == []
    order = sorted(picture.boxes, key=lambda placed: placed.y)
    assert [placed.box.title for placed in order] == ["First", "Between", "Second"]


def test_a_pe_used_inside_and_outside_a_composite_is_drawn_once():
    graph = nested_graph()
    (composite,) = [node for node in graph.nodes if isinstance(node, CompositePE)]
    graph.connect(Box("More"), "output", composite.pes[0], "input")
    picture = arrange(make_scene(graph), fixed_width)
    assert len(picture.boxes) == len(graph.pes)


@given(
    st.lists(
        st.tuples(st.floats(-100, 100), st.floats(0.01, 20), st.floats(0, 50)),
        min_size=1,
        max_size=12,
    )
)
def test_neighbours_keep_their_distance_and_wishes_come_true_if_they_can(rows):
    wishes, weights, widths = map(list, zip(*rows, strict=True))
    found = spread(wishes, weights, widths, 5.0)
    for k in range(len(found) - 1):
        assert found[k] + widths[k] + 5.0 <= found[k + 1] + 1e-6
    apart = list(itertools.accumulate(widths, lambda x, w: x + w + 5.0, initial=0.0))
    assert spread(apart[:-1], weights, widths, 5.0) == pytest.approx(apart[:-1])


# ------------------------------------------------------------------------ images


@pytest.mark.parametrize(
    ("kind", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_images_of_our_own(kind, begins):
    found = image_bytes(nested_graph(), kind, graphviz=False)
    assert found.startswith(begins)
    assert image_bytes(nested_graph(), kind, graphviz=False) == found


def test_svg_is_well_formed_for_any_name():
    graph = station_graph()
    graph.pes[0].name = "<a> & $b$ 地震 \\alpha"
    svg = image_bytes(graph, "svg", graphviz=False)
    assert ElementTree.fromstring(svg).tag.endswith("svg")


@pytest.mark.parametrize("ending", ["svg", "dot", "gv", "PNG"])
def test_the_ending_says_what_is_written(tmp_path, ending):
    path = tmp_path / f"graph.{ending}"
    write_image(nested_graph(), path, graphviz=False)
    assert path.stat().st_size > 500


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("graph.jpg", "use .dot, .svg"),
        ("graph", "use .dot, .svg"),
        ("none/graph.svg", "no folder"),
    ],
)
def test_files_that_cannot_be(tmp_path, name, said):
    with pytest.raises(ParameterError, match=said):
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
    found = image_bytes(nested_graph(), "svg").decode()
    assert found == f"-Tsvg\n{draw(nested_graph())}\n"


def test_graphviz_that_fails_is_done_without(tmp_path, monkeypatch, caplog):
    fake_dot(tmp_path, monkeypatch, "raise SystemExit(1)")
    assert image_bytes(nested_graph(), "png").startswith(b"\x89PNG")
    assert "graphviz fails" in caplog.text
    with pytest.raises(ParameterError, match="not installed, or fails"):
        image_bytes(nested_graph(), "png", graphviz=True)


def test_drawing_imports_matplotlib_only_for_images():
    program = "import sys, dispel4py.draw; print('matplotlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


# ---------------------------------------------------------------------- commands


def test_draw_writes_dot_to_standard_output(capsys):
    assert cli.main(["draw", "dispel4py.examples.split_merge"]) == 0
    assert capsys.readouterr().out.startswith("digraph workflow {")


def test_draw_writes_a_file(tmp_path):
    path = tmp_path / "graph.svg"
    words = ["draw", "dispel4py.examples.word_count", "-o", str(path)]
    assert cli.main(words) == 0
    assert path.read_bytes().startswith(b"<?xml")


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
        "from                   to                  grouping  ways\n"
        "RandomNumbers0.output  PartialSums1.input  shuffle   1 x 2\n"
        "PartialSums1.output    Statistics2.input   global    2 x 1\n"
    )


def test_plan_shows_expected_seconds_and_notes(tmp_path, capsys):
    profile = tmp_path / "profile.json"
    profile.write_text('{"RandomNumbers": 1, "PartialSums": 9, "Gone": 2}')
    words = ["plan", "dispel4py.examples.statistics", "-n", "2"]
    assert cli.main([*words, "--profile", str(profile)]) == 0
    said = capsys.readouterr().out
    assert "process  expected s  runs" in said
    assert "note: costs of PEs that are not in the graph: Gone" in said
    assert "note: 2 processes for 3 PEs: they share" in said


def test_plan_as_json_holds_everything():
    plan = make_plan(station_graph(), 6)
    found = plan_record(plan)
    assert found["n_processes"] == len(found["processes"]) == 6
    where = {
        (i["pe"], p["process"]) for p in found["processes"] for i in p["instances"]
    }
    assert where == {(i.pe_id, i.process) for i in plan.instances}
    assert where == {(pe["pe"], p) for pe in found["pes"] for p in pe["processes"]}
    assert [route["grouping"] for route in found["routes"]][:2] == [
        "shuffle",
        "by network, station",
    ]
    assert found["pes"][0]["shares_with"] == []
    assert plan_text(plan).count("note:") == len(plan.notes)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "dispel4py.examples.squares"], "-n"),
        (["plan", "dispel4py.examples.squares", "-n", "0"], "1 or more"),
        (
            ["plan", "dispel4py.examples.squares", "-n", "2", "--profile", "no"],
            "No such",
        ),
        (["draw", "dispel4py.examples.squares", "-o", "x.jpg"], ".svg"),
        (["draw", "dispel4py.examples.nothing"], "no module"),
        (["drwa", "dispel4py.examples.squares"], "did you mean 'draw'"),
    ],
)
def test_mistakes_are_one_line(words, said, capsys):
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
