"""The pictures of elements in the docs: each exists, is shown, and is small."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
LARGEST = 40_000


@pytest.fixture(scope="module")
def tool():
    """The program that draws them."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        spec = importlib.util.spec_from_file_location(
            "draw_pes", ROOT / "tools" / "draw_pes.py"
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "tools"))
    return module


def test_each_picture_is_drawn_shown_and_small(tool):
    forward = {path.stem for path in PICTURES.glob("*.png")}
    assert forward == {name.lower() for name in tool.FIGURES}
    page = (ROOT / "docs" / "pes.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[(\w+)\]\(pictures/(\w+)\.png\)", page)
    assert {name for name, _ in shown} == set(tool.FIGURES)
    assert all(name.lower() == stem for name, stem in shown)
    assert max(path.stat().st_size for path in PICTURES.iterdir()) < LARGEST


@pytest.mark.parametrize("name", ["Taper", "Whiten", "Symmetric"])
def test_the_same_data_give_the_same_picture(tool, name, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "PICTURES", tmp_path)
    tool.main([name])
    (path,) = tmp_path.iterdir()
    first = path.read_bytes()
    tool.main([name])
    assert path.read_bytes() == first
