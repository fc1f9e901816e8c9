"""Docstrings of public functions describe parameters and exceptions."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from dispel4py.observe import Observer

WITHOUT = ("dispel4py.new", "dispel4py.examples")
RAISING = ("dispel4py", "seismo_pes")
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
CONSTRUCTORS = {"__init__", "__new__", "__post_init__"}
# Methods of observers, which need not derive from the class that explains them.
HOOKS = {name for name in vars(Observer) if not name.startswith("_")}
# Raised by methods that a subclass must override.
ABSTRACT = "NotImplementedError"


@dataclass(frozen=True)
class Documented:
    """A public function, and the docstring where its parameters are explained."""

    where: str
    node: FUNCTIONS
    docstring: str
    owner: str

    @property
    def n_arguments(self) -> int:
        arguments = self.node.args
        names = [
            item.arg
            for item in (
                *arguments.posonlyargs,
                *arguments.args,
                arguments.vararg,
                *arguments.kwonlyargs,
                arguments.kwarg,
            )
            if item is not None
        ]
        is_static = any(
            getattr(mark, "id", "") == "staticmethod"
            for mark in self.node.decorator_list
        )
        return len(names) - (bool(self.owner) and not is_static)

    def has(self, section: str) -> bool:
        pattern = rf"^ *{section}\n *-{{{len(section)}}}$"
        return re.search(pattern, self.docstring, re.MULTILINE) is not None

    def raises(self) -> set[str]:
        """Public exceptions that the body raises itself."""
        names = {
            raised_name(node)
            for node in inner_nodes(self.node)
            if isinstance(node, ast.Raise)
        }
        return {name for name in names if name[:1].isupper()} - {ABSTRACT}


def inner_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Nodes of a body, without those of functions and classes defined in it."""
    todo = list(ast.iter_child_nodes(function))
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, FUNCTIONS | ast.ClassDef | ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))


def raised_name(node: ast.Raise) -> str:
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return getattr(raised, "id", "") or getattr(raised, "attr", "")


def is_public(name: str) -> bool:
    return not name.startswith("_")


def is_overload(node: FUNCTIONS) -> bool:
    return any(
        getattr(mark, "id", "") in ("overload", "setter")
        or getattr(mark, "attr", "") == "setter"
        for mark in node.decorator_list
    )


def public_functions(source) -> Iterator[Documented]:
    """Functions and methods for others; the text of a constructor is its class's."""
    for node in source.tree.body:
        if isinstance(node, FUNCTIONS) and is_public(node.name):
            yield documented(source, node, node, "")
        elif isinstance(node, ast.ClassDef) and is_public(node.name):
            for method in node.body:
                if not isinstance(method, FUNCTIONS) or is_overload(method):
                    continue
                if method.name in CONSTRUCTORS:
                    yield documented(source, method, node, node.name)
                elif is_public(method.name):
                    yield documented(source, method, method, node.name)


def documented(source, node, holder, owner) -> Documented:
    name = ".".join(part for part in (owner, node.name) if part)
    where = f"{source.relative}:{node.lineno} {name}"
    return Documented(where, node, ast.get_docstring(holder) or "", owner)


def explained_by_bases(sources, section) -> set[tuple[str, str]]:
    """Class and method, where a class that it derives from explains the method."""
    bases: dict[str, list[str]] = {}
    explained: set[tuple[str, str]] = set()
    for source in sources.values():
        for node in source.nodes:
            if isinstance(node, ast.ClassDef):
                bases[node.name] = [getattr(base, "id", "") for base in node.bases]
        for function in public_functions(source):
            name = function.node.name
            if function.has(section) and name not in CONSTRUCTORS:
                explained.add((function.owner, name))

    @cache
    def ancestors(name: str) -> set[str]:
        own = [base for base in bases.get(name, []) if base != name]
        return set(own).union(*(ancestors(base) for base in own))

    return {
        (name, method)
        for name in bases
        for ancestor, method in explained
        if ancestor in ancestors(name)
    }


def engine(sources):
    for name, source in sources.items():
        ours = name == "dispel4py" or name.startswith("dispel4py.")
        if ours and not name.startswith(WITHOUT):
            yield source


def without_parameters(sources) -> list[str]:
    """Functions of the engine with two or more arguments that are not explained."""
    inherited = explained_by_bases(sources, "Parameters")
    return [
        function.where
        for source in engine(sources)
        for function in public_functions(source)
        if function.n_arguments >= 2
        and not function.has("Parameters")
        and not (function.node.name == "__init__" and function.has("Attributes"))
        and function.node.name not in HOOKS
        and (function.owner, function.node.name) not in inherited
    ]


def without_raises(sources) -> list[str]:
    """Functions of engine and library whose exceptions are not explained."""
    inherited = explained_by_bases(sources, "Raises")
    return [
        f"{function.where}: {', '.join(sorted(function.raises()))}"
        for name, source in sources.items()
        if name.startswith(RAISING) and not name.startswith(WITHOUT)
        if is_public(name.rpartition(".")[2])
        for function in public_functions(source)
        if function.raises()
        and not function.has("Raises")
        and (function.owner, function.node.name) not in inherited
    ]


def test_parameters_of_the_engine_are_explained(sources):
    silent = without_parameters(sources)
    assert not silent, "\n".join(silent)


def test_exceptions_are_explained(sources):
    silent = without_raises(sources)
    assert not silent, "\n".join(silent)


@dataclass(frozen=True)
class Sample:
    """A module made of a text, for the tests of the rules themselves."""

    tree: ast.Module
    relative: str = "sample.py"

    @property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))


SAMPLE = """
class Box:
    '''A box.'''

    def __init__(self, width, height):
        self.width, self.height = width, height

    def fill(self, item, *, n):
        '''Fill the box.'''

    def empty(self, n):
        '''Empty the box.'''
        if n > 9:
            raise errors.DataError("too many")

    @staticmethod
    def join(first, second):
        '''Join two boxes.'''

def send(*items, **options):
    '''Send items.'''
    raise ValueError

def _hidden(first, second):
    raise ValueError

def read(path, mode):
    '''Read.

    Parameters
    ----------
    path, mode : str

    Raises
    ------
    ParameterError
        Always.
    '''
    raise ParameterError(path)
"""


def test_missing_sections_are_found():
    sample = {"dispel4py.sample": Sample(ast.parse(SAMPLE))}
    names = [where.split()[1] for where in without_parameters(sample)]
    assert names == ["Box.__init__", "Box.fill", "Box.join", "send"]
    raising = [where.split(maxsplit=1)[1] for where in without_raises(sample)]
    assert raising == ["Box.empty: DataError", "send: ValueError"]
