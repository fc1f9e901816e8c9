"""The extras, commands and version of the distribution agree with the code."""

import importlib
import re
import tomllib

import pytest

import dispel4py


@pytest.fixture(scope="module")
def project(repository):
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]


def test_make_installs_every_extra(repository, project):
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    (installed,) = re.findall(r"^EXTRAS := (\S+)$", makefile, re.MULTILINE)
    assert set(installed.split(",")) == set(project["optional-dependencies"])


def test_commands_exist(project):
    for target in project["scripts"].values():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_the_version_is_stated_once(project, repository):
    assert project["version"] == dispel4py.__version__
    changes = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {project['version']}" in changes


def test_packages_are_installed_whole(repository, sources):
    lost = {
        source.path.parent.relative_to(repository).as_posix()
        for source in sources.values()
        if not (source.path.parent / "__init__.py").exists()
    }
    assert not lost, "a folder without __init__.py is left out of the installation"
