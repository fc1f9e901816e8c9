"""Every example of the pages runs, in the order of the page, on a small archive.

Each command and each block of Python is a test of its own. The tests of a page share a
folder and the names of its Python. A test also runs the earlier examples of its page
that have not run, so a single test can be chosen.
"""

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dispel4py import cli as dispel4py
from misfit_app import cli as misfit_app
from xcorr_app import cli as xcorr_app
from xcorr_app import synthetic

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "docs/xcorr-app.md",
    "docs/engine.md",
    "docs/laptop.md",
    "docs/elements.md",
    "docs/misfit-app.md",
    "docs/misfits.md",
    "docs/provenance.md",
    "docs/write-a-pe.md",
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Commands for a shell, or with tests of their own: these are not run here.
LEFT_OUT = ("make ", ". .venv/bin/activate", "xcorr-app demo")
# Called in this process: a new one would import numpy, scipy and obspy again.
MAINS = {
    "dispel4py": dispel4py.main,
    "misfit-app": misfit_app.main,
    "xcorr-app": xcorr_app.main,
}
MOST_PROCESSES = 2
LONGEST_S = 200  # for one program; an idle machine needs 5 s


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


def examples(page: str) -> Iterator[str | list[str]]:
    """Python blocks of a page, and the words of its commands, in order."""
    for kind, text in blocks(page):
        if kind == "python":
            yield text
        elif kind == "sh":
            for words in commands(text):
                if not shlex.join(words).startswith(LEFT_OUT):
                    yield words


@dataclass
class Page:
    """A page whose examples run in order, in a folder."""

    name: str
    folder: Path
    n_run: int = 0
    names: dict = field(default_factory=lambda: {"__name__": "example"})

    def run(self, number: int) -> None:
        """Run an example, and the earlier ones that have not run."""
        todo = list(examples(self.name))[self.n_run : number + 1]
        for example in todo:
            self.n_run += 1
            if isinstance(example, list):
                run_command(example)
            else:
                self._run_python(example)

    def _run_python(self, text: str) -> None:
        exec(compile(text, self.name, "exec"), self.names)
        if "class Square" in text:
            (self.folder / "squares.py").write_text(text)


@pytest.fixture(scope="module")
def pages(archive, tmp_path_factory):
    """All pages, each with a folder that has the data."""
    result = {}
    for name in PAGES:
        folder = tmp_path_factory.mktemp("page")
        for data in ("archive", "stationxml", "stations.txt"):
            (folder / data).symlink_to(archive / data)
        result[name] = Page(name, folder)
    return result


def limit_processes(words):
    """Return the command with fewer processes: an example may be for a cluster."""
    for i, word in enumerate(words[:-1]):
        if word == "-n":
            words[i + 1] = str(min(MOST_PROCESSES, int(words[i + 1])))
    return words


def run_command(words: list[str]) -> None:
    words = limit_processes(words)
    if "--out" in words and not {"--resume", "--update"} & set(words):
        shutil.rmtree(words[words.index("--out") + 1], ignore_errors=True)
    if words[0] in MAINS:
        assert MAINS[words[0]](words[1:]) == 0, shlex.join(words)
    else:
        run_program(words)


def run_program(words: list[str]) -> None:
    assert words[0] == "mpiexec", f"no such command: {shlex.join(words)}"
    scripts = sysconfig.get_path("scripts")
    done = subprocess.run(
        words,
        env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_S,
    )
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"


def labelled_examples():
    """Page and number of every example, with a label that says what it is."""
    for page in PAGES:
        for number, example in enumerate(examples(page)):
            text = "python" if isinstance(example, str) else shlex.join(example)
            yield pytest.param(page, number, id=f"{page}-{number:02d}-{text[:50]}")


@pytest.mark.parametrize(("page", "number"), list(labelled_examples()))
def test_examples_run(page, number, pages, monkeypatch):
    monkeypatch.chdir(pages[page].folder)
    pages[page].run(number)


def test_every_page_has_examples():
    assert [page for page in PAGES if not list(examples(page))] == []


def test_the_left_out_commands_exist(capsys):
    assert xcorr_app.main(["demo", "--help"]) == 0
    help_text = capsys.readouterr().out
    for option in ("--out", "--stations", "--hours"):
        assert option in help_text
