"""How the process of the command ends."""

import os
import subprocess
import sys

import pytest


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
    from dispel4py.mappings.mpi_launch import find_mpiexec

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
