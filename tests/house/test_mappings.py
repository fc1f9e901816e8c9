"""No mapping is named outside its own module: other modules ask the registry."""

import ast

from dispel4py.mappings import REGISTRY

# The registry, the modules of the mappings, the old public paths of each of them, and
# the measurements, which are of certain mappings.
MAY_NAME = ("dispel4py.mappings", "dispel4py.new", "benchmarks")
DEFAULTS = {"default", "mapping"}


def defaults(tree):
    """Constants that are the default of an argument, a field or an option."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            yield from node.defaults
            yield from node.kw_defaults
        elif isinstance(node, ast.AnnAssign) or (
            isinstance(node, ast.keyword) and node.arg in DEFAULTS
        ):
            yield node.value


def test_no_mapping_is_named_elsewhere(sources):
    named = []
    for name, source in sources.items():
        if any(name == part or name.startswith(f"{part}.") for part in MAY_NAME):
            continue
        allowed = {id(node) for node in defaults(source.tree)}
        named += [
            f"{source.relative}:{node.lineno} {node.value!r}"
            for node in source.nodes
            if isinstance(node, ast.Constant)
            and node.value in REGISTRY
            and id(node) not in allowed
        ]
    assert not named, "\n".join(named)
