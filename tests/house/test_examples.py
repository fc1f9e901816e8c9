"""Every example of the pages runs, in the order of the page, on a small archive."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from xcorr_app import synthetic

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "docs/xcorr-app.md",
    "docs/engine.md",
    "docs/elements.md",
    "docs/write-a-pe.md",
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Commands for a shell, or with tests of their own: these are not run here.
LEFT_OUT = ("make ", ". .venv/bin/activate", "xcorr-app demo")
OURS = ("xcorr-app", "dispel4py", "mpiexec")
MOST_PROCESSES = 2


@dataclass(frozen=True)
class Network(synthetic.Network):
    """The stations in the examples of the pages."""

    n_stations: int = 2
    hours: float = 3.0
    start: str = "2022-01-02"

    def codes(self) -> list[str]:
        return ["CCA", "HEC"]


def blocks(page):
    """Language and text of each fenced block of a page."""
    return FENCE.findall((ROOT / page).read_text(encoding="utf-8"))


def commands(text):
    """Command lines of a block, those continued on the next line joined."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A folder with the data that the pages assume."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "NETWORK_CODE", "CI")
        synthetic.make_archive(Network(), folder)
    (folder / "stationxml").mkdir()
    (folder / "stations.xml").rename(folder / "stationxml" / "CI.xml")
    (station_list,) = [text for kind, text in blocks("README.md") if kind == "text"]
    (folder / "stations.txt").write_text(station_list)
    return folder


@pytest.fixture
def workplace(archive, tmp_path, monkeypatch):
    for name in ("archive", "stationxml", "stations.txt"):
        (tmp_path / name).symlink_to(archive / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def limit_processes(words):
    """Return the command with fewer processes: an example may be for a cluster."""
    for i, word in enumerate(words[:-1]):
        if word == "-n":
            words[i + 1] = str(min(MOST_PROCESSES, int(words[i + 1])))
    return words


def run_command(words):
    assert words[0] in OURS, f"no such command: {shlex.join(words)}"
    if "--out" in words and not {"--resume", "--update"} & set(words):
        shutil.rmtree(words[words.index("--out") + 1], ignore_errors=True)
    scripts = sysconfig.get_path("scripts")
    done = subprocess.run(
        limit_processes(words),
        env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page, workplace):
    names = {"__name__": "example"}
    example = workplace / "squares.py"
    for kind, text in blocks(page):
        if kind == "python":
            exec(compile(text, page, "exec"), names)
            if "class Square" in text:
                example.write_text(text)
        elif kind == "sh":
            for words in commands(text):
                if not shlex.join(words).startswith(LEFT_OUT):
                    run_command(words)


def test_the_left_out_commands_exist():
    done = subprocess.run(
        [sys.executable, "-m", "xcorr_app", "demo", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    for option in ("--out", "--stations", "--hours"):
        assert option in done.stdout
