"""The options of mappings, also of a mapping that another package brings."""

from __future__ import annotations

import sys
from dataclasses import fields

import pytest

from dispel4py.cli import main
from dispel4py.declaration import options_of
from dispel4py.errors import MappingUnavailable, ParameterError
from dispel4py.mappings import get_mapping, mapping_class, place
from dispel4py.mappings.base import Place
from dispel4py.mappings.multi.settings import MultiOptions
from dispel4py.mappings.options import Options
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

GRAPH = "dispel4py.examples.squares"
ELSEWHERE = '''
"""A mapping of another package: it writes its options, and runs as simple does."""
import os
import sys
from dataclasses import dataclass
from dispel4py.errors import MappingUnavailable
from dispel4py.mappings.base import Place
from dispel4py.mappings.options import Options, option
from dispel4py.mappings.simple import Simple

@dataclass(frozen=True)
class FarOptions(Options):
    queue: str = option("short", "queue of the cluster (default: short)", "NAME")
    n_hosts: int | None = option(None, "hosts to ask for", "N")
    exclusive: bool = option(False, "ask for whole hosts")

class Far(Simple):
    """Runs far away."""
    name = "far"
    Options = FarOptions
    launcher = "far-run -n N"

    @classmethod
    def joined(cls):
        rank = os.environ.get("FAR_RANK")
        return None if rank is None else Place("far", int(rank), 2)

    @classmethod
    def launch(cls, n, command):
        sys.stdout.write(f"{n} times {' '.join(command[1:])}")
        return 7

    @classmethod
    def require(cls):
        if "FAR_RANK" not in os.environ:
            raise MappingUnavailable("there is no far-run")

    def execute(self, plan, inputs, observers):
        given = self.options
        sys.stdout.write(f"{given.queue} {given.n_hosts} {given.exclusive}\\n")
        return super().execute(plan, inputs, observers)
'''


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Install a package that has a mapping called far."""
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[dispel4py.mappings]\nfar = elsewhere:Far\nlost = nowhere:Lost\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("FAR_RANK", "0")
    yield tmp_path
    sys.modules.pop("elsewhere", None)


def test_options_of_another_package_are_options_of_the_command(elsewhere, capfd):
    words = ["far", GRAPH, "-i", "2", "--queue", "long", "--exclusive", "--quiet"]
    assert main(words) == 0
    assert capfd.readouterr().out == "long None True\n"
    assert main(["--n-hosts", "3", *words[:4], "--quiet"]) == 0
    assert capfd.readouterr().out == "short 3 False\n"
    assert main(["far", "--help"]) == 0
    output = capfd.readouterr().out
    assert "options of far" in output
    assert "queue of the cluster (default: short)" in output


def test_its_launcher_starts_the_command(elsewhere, monkeypatch, capfd):
    monkeypatch.delenv("FAR_RANK")
    words = ["far", GRAPH, "-n", "3", "--queue", "long"]
    assert main(words) == 7
    assert capfd.readouterr().out == f"3 times -m dispel4py {' '.join(words)}"
    assert main(words[:2]) == 2
    assert "far needs -n N, or 'far-run -n N dispel4py far" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected_message"),
    [
        (["far", "--n-hosts", "many"], "argument --n-hosts: invalid int value: 'many'"),
        (["far", "--restart-workers"], "with the mappings 'multi', 'storm' only"),
        (["simple", "--queue", "long"], "unrecognized arguments: --queue long"),
        (["simple", "--start-method", "fork"], "works with the mapping 'multi' only"),
        (["lost"], "the mapping 'lost' cannot be imported: No module named 'nowhere'"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused_in_a_line(
    elsewhere, words, expected_message, capfd
):
    assert main([words[0], GRAPH, *words[1:]]) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert expected_message in error


def test_the_list_names_missing_programs(elsewhere, monkeypatch, capfd):
    monkeypatch.delenv("FAR_RANK")
    assert main(["mappings"]) == 0
    lines = dict(line.split(None, 1) for line in capfd.readouterr().out.splitlines())
    assert lines["multi"].startswith("Runs each process of the plan as a process of th")
    assert lines["far"] == "cannot run here: there is no far-run"
    assert lines["lost"].startswith("cannot run here: the mapping 'lost' cannot be")


def test_run_takes_options_by_keyword(elsewhere, capfd):
    from dispel4py.examples.squares import graph

    run(graph, 1, mapping="far", queue="long")
    assert capfd.readouterr().out == "long None False\n"
    with pytest.raises(ParameterError, match="has no option 'queu': did you mean 'que"):
        run(graph, 1, mapping="far", queu="long")


@pytest.mark.parametrize(
    "option", [{"start_method": "fork"}, {"restart_workers": True}]
)
@pytest.mark.parametrize("mapping", ["simple", "mpi"])
def test_run_refuses_options_of_another_mapping(mapping, option):
    (name,) = option
    if mapping == "mpi":
        pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    with pytest.raises(
        ParameterError, match=rf"^{name} works with the mappings? 'multi'"
    ):
        run(WorkflowGraph(), mapping=mapping, **option)


def test_every_option_has_a_type_a_default_and_help():
    for options in (Options, MultiOptions):
        declarations = options_of(options)
        assert all(declaration.help for declaration in declarations.values())
        names = {field.name for field in fields(options)}
        assert names - declarations.keys() == {"measure"}  # follows from --summary
    with pytest.raises(ParameterError, match="unknown start method 'spoon'"):
        get_mapping("multi", start_method="spoon")
    with pytest.raises(MappingUnavailable, match="did you mean 'multi'"):
        get_mapping("mutli")


def test_a_process_knows_its_place(monkeypatch):
    for name in ("PMI_RANK", "PMI_SIZE", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    assert place() == Place("", 0, 1)
    assert mapping_class("mpi").must_launch()
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert place() == Place("", 0, 1)  # a shell of Slurm
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "8")
    assert place() == Place("mpi", 3, 8)
    assert not mapping_class("mpi").must_launch()
    monkeypatch.setenv("PMI_RANK", "1")
    assert place().rank == 1
