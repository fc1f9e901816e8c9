"""Packages of others are used by their public names, and are not changed."""

import ast
from functools import cache

OURS = {"dispel4py", "seismo_pes", "xcorr_app", "misfit_app", "benchmarks"}
# Names that begin with an underscore but are documented.
DOCUMENTED = {
    "os._exit": "ends a forked child, or a rank that MPI_Abort left alive",
}
# Attributes of other packages that their documentation says to set.
SETTINGS = {
    "mpi4py.rc.initialize",
    "mpi4py.rc.finalize",
    "sys.excepthook",
    "sys.unraisablehook",
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


@cache
def foreign_names(source) -> dict[str, str]:
    """Names in a module that come from packages of others, with their dotted path."""
    names = {}
    for node in source.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return {
        name: path
        for name, path in names.items()
        if path.partition(".")[0] not in OURS | {"__future__"}
    }


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    """Path of an attribute of a foreign name; "" of anything else.

    What a foreign function returns is foreign, too: ``numpy.zeros(3)._private``.
    """
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Call):
        return dotted(node.func, names)
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, names)
        return f"{base}.{node.attr}" if base else ""
    return ""


def private_uses(source):
    """Private names of others that a module imports, or uses as attributes."""
    names = foreign_names(source)
    for name, path in names.items():
        if any(is_private(part) for part in path.split(".")):
            yield f"{source.relative} imports {path} as {name}"
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            path = dotted(node, names)
            if path and path not in DOCUMENTED:
                yield f"{source.relative}:{node.lineno} {path}"


def changes(source):
    """Assignments to attributes of others, and to the class of any object."""
    names = foreign_names(source)
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            path = dotted(node, names)
            if (path and path not in SETTINGS) or node.attr == "__class__":
                yield f"{source.relative}:{node.lineno} sets {ast.unparse(node)}"
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setattr":
            path = dotted(node.args[0], names)
            name = getattr(node.args[1], "value", "")
            if path or name == "__class__":
                yield f"{source.relative}:{node.lineno} sets {ast.unparse(node)}"


def test_only_public_names_of_other_packages(sources):
    uses = [use for source in sources.values() for use in private_uses(source)]
    assert not uses, "\n".join(uses)


def test_other_packages_are_not_changed(sources):
    changed = [change for source in sources.values() for change in changes(source)]
    assert not changed, "\n".join(changed)
