"""The text of conditions, from which `parse` makes them again."""

from dispel4py.provenance.conditions import And, Has, Match, Not, OneOf, Or, Relative


def written(tree):
    """Return a condition as a user writes it."""
    if isinstance(tree, And | Or):
        word = " and " if isinstance(tree, And) else " or "
        return "(" + word.join(map(written, tree.conditions)) + ")"
    if isinstance(tree, Not):
        return f"not {written(tree.condition)}"
    if isinstance(tree, Relative):
        return f"{tree.kind}({written(tree.condition)})"
    name = f"`{tree.name}`" if tree.name.isascii() else tree.name
    if isinstance(tree, Has):
        return f"has({name})"
    if isinstance(tree, Match):
        return f"{name} ~ {literal(tree.pattern)}"
    if isinstance(tree, OneOf):
        return f"{name} in ({', '.join(map(literal, tree.values))})"
    return f"{name} {tree.operator} {literal(tree.value)}"


def literal(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return repr(value)
