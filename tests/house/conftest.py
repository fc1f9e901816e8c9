"""The source files of the packages, read and parsed once for the tests of the rules."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

PACKAGES = ("dispel4py", "seismo_pes", "xcorr_app", "misfit_app", "benchmarks")


def _is_type_checking(node: ast.AST) -> bool:
    if not isinstance(node, ast.If):
        return False
    return "TYPE_CHECKING" in ast.dump(node.test)


@dataclass(frozen=True)
class Source:
    """One module: its dotted name, its path from the root, its syntax tree."""

    name: str
    path: Path
    relative: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.relative)

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def room(self) -> str:
        """The package that the module lies in; at the top each module is a room."""
        if self.is_package or self.name.count(".") < 2:
            return self.name
        return self.name.rpartition(".")[0]

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the tree."""
        return list(ast.walk(self.tree))

    @cached_property
    def _imports(self) -> dict[bool, set[str]]:
        return {
            deep: self._imported(self._nodes_that_run(deep)) for deep in (True, False)
        }

    def _nodes_that_run(self, deep: bool) -> Iterator[ast.AST]:
        """Yield nodes that run, without imports for types; `deep` enters functions."""
        todo: list[ast.AST] = [self.tree]
        while todo:
            node = todo.pop()
            yield node
            if _is_type_checking(node):
                continue
            if not deep and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            todo.extend(ast.iter_child_nodes(node))

    def imports(self, deep: bool = True) -> set[str]:
        """Dotted names that this module imports when it runs."""
        return self._imports[deep]

    def faces(self) -> set[str]:
        """Packages that this module imports names from while it is imported itself."""
        nodes = self._nodes_that_run(deep=False)
        return {self._resolve(n) for n in nodes if isinstance(n, ast.ImportFrom)}

    def imports_for_types(self) -> set[str]:
        """Dotted names that this module imports under ``TYPE_CHECKING``."""
        blocks = [node for node in self.nodes if _is_type_checking(node)]
        return self._imported(node for block in blocks for node in ast.walk(block))

    def strings(self) -> set[str]:
        """Texts of the string constants of this module."""
        constants = (node for node in self.nodes if isinstance(node, ast.Constant))
        return {node.value for node in constants if isinstance(node.value, str)}

    def _imported(self, nodes: Iterable[ast.AST]) -> set[str]:
        """Dotted names that import statements among the nodes name."""
        names: set[str] = set()
        for node in nodes:
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = self._resolve(node)
                names |= {f"{base}.{alias.name}" for alias in node.names}
        return names

    def _resolve(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        parts = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*parts, *([node.module] if node.module else [])])


def _read(root: Path, path: Path) -> Source:
    relative = path.relative_to(root)
    name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
    return Source(name, path, str(relative), path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def sources(repository: Path) -> dict[str, Source]:
    """Every module of the packages, by its dotted name."""
    paths = [
        path
        for package in PACKAGES
        for path in sorted((repository / package).rglob("*.py"))
    ]
    return {source.name: source for source in (_read(repository, p) for p in paths)}
