"""Loading of the workflow graph in a module or file.

The module is imported by its name, like any other: code under
``if __name__ == "__main__"`` does not run. Worker processes, which import the module
again, find it by the same name on the same path.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import logging
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

from dispel4py.errors import InputError, UserError, suggest
from dispel4py.file_search import files_named
from dispel4py.files import is_file
from dispel4py.workflow_graph import WorkflowGraph

__all__ = ["import_files", "imported_files", "load_graph"]

_log = logging.getLogger(__name__)


def load_graph(source: str, attribute: str | None = None) -> WorkflowGraph:
    """Import a module and return the workflow graph in it.

    Parameters
    ----------
    source : str
        Name of a module (the working directory is searched first), or path of a
        Python file.
    attribute : str, optional
        The variable that holds the graph, or a function without arguments that
        makes it. By default the last graph of the module is used. A graph that is part
        of another graph does not count.

    Returns
    -------
    WorkflowGraph

    Raises
    ------
    InputError
        If there is no such module or file, or no graph in it.
    UserError
        If the module makes a mistake in building the graph; the message names the line.
    Exception
        Any other exception of the module while it is imported.
    """
    _search_first(os.getcwd())
    path = Path(source)
    if source.endswith(".py") or path.name != source:
        module = _import_file(path)
    else:
        module = _import_module(source)
    if attribute is not None:
        return _attribute(module, source, attribute)
    return _only_graph(module, source)


# ------------------------------------------------------------------ importing


def _import_module(name: str) -> ModuleType:
    try:
        return _import(name)
    except ModuleNotFoundError as error:
        # if another module is missing, which this module imports, show the traceback
        missing = error.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise
    if is_file(name):
        raise InputError(f"{name} is a file, but not a Python file (.py)")
    close = difflib.get_close_matches(name, _modules_here(), n=1)
    hint = f"did you mean {close[0]!r}?" if close else "give a module or a .py file"
    raise InputError(f"there is no module {name!r} here or on the Python path: {hint}")


def _import_file(path: Path) -> ModuleType:
    if not is_file(path):
        beside: list[str] = []
        with contextlib.suppress(OSError):  # a hint only
            beside += map(str, files_named(path.parent, "*.py"))
        close = difflib.get_close_matches(str(path), beside, n=1)
        hint = f": did you mean {close[0]!r}?" if close else ""
        raise InputError(f"there is no file {str(path)!r}{hint}")
    path = path.resolve()
    if path.suffix != ".py":
        raise InputError(f"{path} is not a Python file (.py)")
    folder, name = path.parent, path.stem
    while is_file(folder / "__init__.py"):
        folder, name = folder.parent, f"{folder.name}.{name}"
    top = name.partition(".")[0]
    if top == path.stem and top in sys.stdlib_module_names:
        reason = "is that of a Python module"
        raise InputError(f"{path}: rename the file, {path.stem!r} {reason}")
    _search_first(str(folder))
    if "." in path.stem:
        return _import_dotted(path, name.removesuffix(path.stem))
    module = _import(name)
    imported = Path(module.__file__ or "").resolve()
    if imported != path:
        raise InputError(f"{path}: rename the file, {name!r} is already {imported}")
    return module


#: Modules that are found by a path only: their names, and their files.
_files: dict[str, str] = {}


def _import_dotted(path: Path, package: str) -> ModuleType:
    """Import a file with a dot in its name, by the name with underscores."""
    name = package + path.stem.replace(".", "_")
    while _files.get(name, str(path)) != str(path) or (
        name not in _files and importlib.util.find_spec(name) is not None
    ):
        name += "_"
    _files[name] = str(path)
    with _with_location():
        import_files({name: str(path)})
    return sys.modules[name]


def imported_files() -> dict[str, str]:
    """Return the modules that other processes find by a path only, and their files."""
    return {name: path for name, path in _files.items() if name in sys.modules}


def import_files(files: Mapping[str, str]) -> None:
    """Import modules that are found by a path only, unless they are known.

    Parameters
    ----------
    files : mapping
        Name of the module to its file.
    """
    for name, path in files.items():
        if name in sys.modules:
            continue
        if "." in name:
            importlib.import_module(name.rpartition(".")[0])
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise


def _import(name: str) -> ModuleType:
    importlib.invalidate_caches()
    with _with_location():
        return importlib.import_module(name)


@contextlib.contextmanager
def _with_location() -> Iterator[None]:
    """Add the line of the user's code to the message of a mistake."""
    try:
        yield
    except UserError as error:
        where = _user_line(error)
        if where is None:
            raise
        raise type(error)(f"{where}: {error}") from error


def _user_line(error: BaseException) -> str | None:
    """Return file and line in the user's code that raised ``error``."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not is_internal(frame.filename):
            return f"{frame.filename}, line {frame.lineno}"
    return None


def is_internal(filename: str) -> bool:
    """Return whether a file belongs to the engine or the import system."""
    engine = Path(__file__).parent
    if "<frozen" in filename or f"{os.sep}importlib{os.sep}" in filename:
        return True
    path = Path(filename)
    return path.is_relative_to(engine) and not path.is_relative_to(engine / "examples")


def _search_first(folder: str) -> None:
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)


def _modules_here() -> list[str]:
    return [entry.name[:-3] for entry in os.scandir() if entry.name.endswith(".py")]


# ------------------------------------------------------------ graphs of a module


def _attribute(module: ModuleType, source: str, attribute: str) -> WorkflowGraph:
    if not hasattr(module, attribute):
        names = [name for name, _ in _graphs(module)] or [
            name for name in vars(module) if not name.startswith("_")
        ]
        raise InputError(
            f"{source} has no variable {attribute!r}: {suggest(attribute, names)}"
        )
    value = getattr(module, attribute)
    if callable(value) and not isinstance(value, type):
        with _with_location():
            value = value()
    if not isinstance(value, WorkflowGraph):
        raise InputError(
            f"{attribute!r} of {source} is a {type(value).__name__}, "
            "not a WorkflowGraph"
        )
    return value


def _only_graph(module: ModuleType, source: str) -> WorkflowGraph:
    graphs: dict[int, tuple[str, WorkflowGraph]] = {}
    for name, graph in _graphs(module):
        graphs.setdefault(id(graph), (name, graph))
    inner = {id(part) for _, graph in graphs.values() for part in _parts(graph)}
    whole = [entry for key, entry in graphs.items() if key not in inner]
    if not whole:
        raise InputError(
            f"{source} has no workflow graph: assign a WorkflowGraph to a variable "
            "of the module, or name a function that makes one with -a"
        )
    # graphs with outer ports are parts of others, unless all graphs have outer ports
    closed = [
        (name, graph)
        for name, graph in whole
        if not (graph.inputmappings or graph.outputmappings)
    ]
    whole = closed or whole
    *others, (name, graph) = whole
    if others:
        _log.warning(
            "%s has several graphs: the last one runs, %s; choose another with -a (%s)",
            *(source, name, ", ".join(other for other, _ in others)),
        )
    return graph


def _graphs(module: ModuleType) -> Iterable[tuple[str, WorkflowGraph]]:
    return [(n, v) for n, v in vars(module).items() if isinstance(v, WorkflowGraph)]


def _parts(graph: WorkflowGraph) -> Iterator[WorkflowGraph]:
    for node in graph.nodes:
        if isinstance(node, WorkflowGraph):
            yield node
            yield from _parts(node)
