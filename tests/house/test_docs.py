"""The pages are correct: commands parse, and tables and links agree with the code."""

import importlib.util
import re
from pathlib import Path

import pytest

from dispel4py import cli as dispel4py
from dispel4py.mappings import REGISTRY
from misfit_app import cli as misfit_app
from xcorr_app import cli as xcorr_app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PAGE_IDS = [str(page.relative_to(ROOT)) for page in PAGES]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
DEFAULT = re.compile(r"(--[a-z][a-z-]+)(?:(?! -).)*?\((?:[^();]+; )?default: ([^)]+)\)")
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def blocks(page: Path, *languages: str) -> list[str]:
    """Fenced blocks of a page in one of the languages."""
    text = page.read_text(encoding="utf-8")
    return [body for language, body in FENCE.findall(text) if language in languages]


def commands(page: Path) -> list[str]:
    """Command lines that a page tells the reader to type, one string each."""
    lines = []
    for block in blocks(page, "sh", "console"):
        joined = block.replace("\\\n", " ")
        lines += [line.partition(" #")[0].strip() for line in joined.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line and line[0] != "#"]


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):.*##", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_links_lead_somewhere(page):
    lost = [
        link
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert not lost


def test_make_targets_exist():
    named = {
        target
        for page in PAGES
        for line in commands(page)
        if line.startswith("make ")
        for target in line.split()[1:]
    }
    assert named <= make_targets()
    assert {"demo", "install", "test", "check"} <= named


def test_readme_begins_with_the_two_commands():
    first = blocks(ROOT / "README.md", "sh")[0]
    assert [line.split()[:2] for line in first.splitlines()] == [
        ["make", "demo"],
        ["make", "test"],
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/engine.md"])
def test_every_mapping_is_described(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not [name for name in REGISTRY if f"`{name}`" not in text]


@pytest.mark.parametrize(
    ("main", "words", "page"),
    [(xcorr_app.main, [name], "xcorr-app.md") for name in sorted(xcorr_app.COMMANDS)]
    + [
        (misfit_app.main, [name], "misfit-app.md")
        for name in sorted(misfit_app.COMMANDS)
    ]
    + [(dispel4py.main, name.split(), "engine.md") for name in ("", *REGISTRY)],
    ids=[
        *sorted(xcorr_app.COMMANDS),
        *(f"misfit-app {name}" for name in sorted(misfit_app.COMMANDS)),
        *(f"dispel4py {name}" for name in ("", *REGISTRY)),
    ],
)
def test_every_option_is_described(main, words, page, capsys):
    assert main([*words, "--help"]) == 0
    output = " ".join(capsys.readouterr().out.split())
    page = (ROOT / "docs" / page).read_text(encoding="utf-8")
    # the pages need not describe the opposites of switches (--no-strict)
    lost = {o for o in OPTION.findall(output) if o not in page and o[:5] != "--no-"}
    assert not lost
    rows = [line.replace("`", "") for line in page.splitlines() if line[:1] == "|"]
    for option, default in DEFAULT.findall(output):
        message = [row for row in rows if option in row]
        assert any(default in row for row in message), (option, default, message)


def test_tables_agree_with_the_code():
    path = ROOT / "tools" / "write_tables.py"
    spec = importlib.util.spec_from_file_location("write_tables", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    stale = []
    for name, tables in tool.PAGES.items():
        page = (ROOT / "docs" / name).read_text(encoding="utf-8")
        if tool.with_tables(page, tables) != page:
            stale.append(name)
    assert not stale, "run `make docs`"


def test_each_decision_has_a_number_of_its_own():
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")]
    assert len(set(numbers)) == len(numbers)
