"""How the process of the command ends."""

import os
import subprocess
import sys

import pytest

from xcorr_app import cli


def test_threads_without_work_do_not_spin():
    """OpenBLAS reads its environment when numpy is loaded, so numpy is loaded later."""
    code = """
import os, sys
import xcorr_app
assert "numpy" not in sys.modules
import xcorr_app.__main__
print(os.environ["OPENBLAS_THREAD_TIMEOUT"])
"""
    names = {"OPENBLAS_THREAD_TIMEOUT"}
    env = {name: value for name, value in os.environ.items() if name not in names}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "4\n"


ELSEWHERE = '''
"""A mapping of another package: it counts its runs, and works as simple does."""
from dispel4py.mappings.simple import Simple

class Far(Simple):
    name = "far"
    n_runs = 0

    def execute(self, plan, inputs, observers):
        Far.n_runs += 1
        return super().execute(plan, inputs, observers)
'''


@pytest.fixture
def far(tmp_path, monkeypatch):
    """Install a package that has a mapping called far."""
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: elsewhere\nVersion: 1.0\n")
    text = "[dispel4py.mappings]\nfar = elsewhere:Far\n"
    (info / "entry_points.txt").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("elsewhere", None)


def test_a_mapping_of_another_package_runs_and_measures(far, tmp_path, capsys):
    out = tmp_path / "demo"
    words = ["demo", "--out", str(out), "--stations", "3", "--hours", "1", "--quiet"]
    assert cli.main([*words, "--mapping", "Far"]) == 0
    mapping = sys.modules["elsewhere"].Far
    n_runs = mapping.n_runs
    assert n_runs
    assert cli.main(["disp", str(out / "correlations"), "--mapping", "far"]) == 0
    assert mapping.n_runs > n_runs
    assert (out / "correlations" / "disp.csv").exists()
    capsys.readouterr()
    assert cli.main([*words, "--mapping", "fair"]) == 2
    message = capsys.readouterr().err
    assert "--mapping: 'fair' is not one of simple, multi, mpi, " in message
    assert ", far (did you mean 'far'?)" in message


RANK_WITH_A_MISTAKE = """
import os, sys
sys.argv[1:] = ["--stations", "nowhere.txt", "--data", ".", "--out", "out"]
if os.environ["PMI_RANK"] in {ranks}:
    sys.argv += ["--window-s", "long"]
from xcorr_app.__main__ import command
command()
"""


@pytest.mark.parametrize("ranks", [["1"], ["0", "1", "2"]])
def test_a_mistake_on_one_rank_ends_all_ranks(ranks, tmp_path):
    pytest.importorskip("mpi4py")
    from dispel4py.mappings.mpi.launch import find_mpiexec

    program = tmp_path / "program.py"
    program.write_text(RANK_WITH_A_MISTAKE.format(ranks=ranks))
    command = [find_mpiexec(), "-n", "3", sys.executable, str(program)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, cwd=tmp_path
    )
    assert done.returncode == 2
    rank = "rank 1: " if ranks == ["1"] else ""
    assert f"error: {rank}--window-s: 'long' is not a number" in done.stderr
    assert done.stderr.count("is not a number") == 1
