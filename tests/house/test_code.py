"""Rules for the sizes, names and contents of all modules."""

import ast
import re

LONGEST_FUNCTION = 60
USUAL_FUNCTION = 40  # body lines at the 95th percentile
LONGEST_MODULE = 450
# Existing workflows import dispel4py.utils: a public path, kept for them.
PUBLIC_PATHS = {"dispel4py.utils"}
REFUSED_NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common)($|_)")


def functions(source):
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(node) -> int:
    """Lines of a function's body, its docstring not counted."""
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is None:
        start = first.lineno
    elif len(node.body) > 1:
        start = node.body[1].lineno
    else:
        start = node.end_lineno
    return node.end_lineno - start + 1


def sized_functions(sources):
    return sorted(
        (body_lines(node), f"{source.relative}:{node.lineno} {node.name}")
        for source in sources.values()
        for node in functions(source)
    )


def test_no_long_functions(sources):
    too_long = [row for row in sized_functions(sources) if row[0] > LONGEST_FUNCTION]
    assert not too_long, too_long


def test_functions_are_usually_short(sources):
    rows = sized_functions(sources)
    usual = rows[int(0.95 * (len(rows) - 1))]
    assert usual[0] <= USUAL_FUNCTION, usual


def test_no_long_modules(sources):
    rows = [(s.text.count("\n"), s.relative) for s in sources.values()]
    assert not [row for row in rows if row[0] > LONGEST_MODULE]


def test_every_module_has_a_docstring(sources):
    silent = [s.relative for s in sources.values() if not ast.get_docstring(s.tree)]
    assert not silent


def test_rooms_describe_their_input_and_output(sources):
    silent = []
    for source in sources.values():
        if source.is_package and within_a_room(source.name):
            text = ast.get_docstring(source.tree) or ""
            if not ("enter" in text and "leave" in text and text.count(".") >= 2):
                silent.append(source.relative)
    assert not silent


def within_a_room(name: str) -> bool:
    """Whether a package is a room of the library or of an application."""
    return name.startswith(("seismo_pes.", "xcorr_app.", "misfit_app."))


def test_names_describe_the_contents(sources):
    vague = [
        name
        for name in sources
        if REFUSED_NAMES.search(name.rpartition(".")[2]) and name not in PUBLIC_PATHS
    ]
    assert not vague


def test_the_library_does_not_print(sources):
    loud = [
        f"{source.relative}:{node.lineno}"
        for source in sources.values()
        if source.path.name != "cli.py" and not source.name.startswith("benchmarks")
        for node in source.nodes
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert not loud


def test_no_bare_except_and_no_bare_exception(sources):
    vague = [
        f"{source.relative}:{node.lineno}"
        for source in sources.values()
        for node in source.nodes
        if (isinstance(node, ast.ExceptHandler) and node.type is None)
        or (isinstance(node, ast.Raise) and raises_plain_exception(node))
    ]
    assert not vague


def raises_plain_exception(node: ast.Raise) -> bool:
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return getattr(raised, "id", "") in {"Exception", "BaseException"}


# Many versions of Python answer "no" by these if the disk fails or a permission is
# missing. `dispel4py.files` and `dispel4py.file_search` raise the error.
QUESTIONS_ABOUT_PATHS = {
    *("exists", "lexists", "isfile", "isdir", "islink", "ismount", "F_OK"),
    *("is_file", "is_dir", "is_symlink", "is_mount", "is_junction", "is_fifo"),
    *("is_socket", "is_block_device", "is_char_device"),
    *("glob", "iglob", "rglob", "walk"),
}
ALLOWED_QUESTIONS = {
    ("dispel4py.files", "is_dir"),  # of an entry of `os.scandir`: it raises
    ("dispel4py.mappings.redis.ledger", "exists"),  # of a key of Redis
}


def test_a_failed_look_at_a_path_is_no_answer(sources):
    questions = {
        (source.name, name)
        for source in sources.values()
        if not source.name.startswith("benchmarks")
        for name in names_of_others(source) & QUESTIONS_ABOUT_PATHS
    }
    assert questions == ALLOWED_QUESTIONS, "use dispel4py.files or .file_search"


def names_of_others(source) -> set[str]:
    """Attributes of objects, and names imported from the standard library's modules."""
    names = {node.attr for node in source.nodes if isinstance(node, ast.Attribute)}
    imports = [node for node in source.nodes if isinstance(node, ast.ImportFrom)]
    for node in imports:
        if node.module in {"os", "os.path", "posixpath", "glob", "pathlib"}:
            names |= {alias.name for alias in node.names}
    return names
