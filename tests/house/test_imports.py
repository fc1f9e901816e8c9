"""Imports go in one direction, and light modules import nothing heavy."""

import subprocess
import sys

import pytest

# The order of imports inside dispel4py: a module may import the modules on the lines
# above its own. A new module gets a place here; `mappings`, `provenance` are whole
# packages.
ENGINE_LAYERS = (
    ("files", "terminal"),
    ("failure", "file_search"),
    ("errors", "result", "description"),
    (
        "core",
        "declaration",
        "message",
        "types",
        "policy",
        "summary",
        "clock",
        "call_timer",
    ),
    ("catalog", "grouping", "nodes", "cost", "layout", "outputs", "inputs"),
    ("workflow_graph", "router"),
    ("placing",),
    ("base", "plan", "loading"),
    ("lineage",),
    ("observe",),
    ("watch",),
    ("stop",),
    ("outlet",),
    ("instance", "draw", "progress", "trace"),
    ("dead_letters",),
    ("mappings", "provenance", "registry", "utils", "visualisation"),
    ("run", "command_line", "schedulers"),
    ("testing",),
    ("parsers",),
    ("cli", "new"),
    ("examples",),
    ("__main__",),
)
# The same for the rooms of the library: the way of the data.
LIBRARY_LAYERS = (
    ("signal",),
    (
        "extras",
        "full_disk",
        "library_warnings",
        "methods",
        "python_program",
    ),
    ("regular_file",),
    ("hdf5_input", "whole_file"),
    ("items",),
    ("application",),
    ("element",),
    ("gathering",),
    ("metadata",),
    ("reading",),
    ("preprocessing",),
    ("comparing",),
    ("stacking",),
    ("correlating",),
    ("measuring", "writing"),
    ("plotting",),
)
OURS = ("dispel4py", "seismo_pes", "xcorr_app", "misfit_app", "benchmarks")
# The other modules of ours that a package may import: the first rule whose name fits
# decides.
ALLOWED = (
    ("dispel4py", ("dispel4py",)),
    ("seismo_pes.signal", ("seismo_pes.signal",)),
    # the kit of applications runs graphs, watches and records them, and meets the
    # terminal
    (
        "seismo_pes.application",
        (
            "seismo_pes",
            "dispel4py.command_line",
            "dispel4py.declaration",
            "dispel4py.errors",
            "dispel4py.failure",
            "dispel4py.file_search",
            "dispel4py.files",
            "dispel4py.mappings",
            "dispel4py.observe",
            "dispel4py.provenance",
            "dispel4py.run",
            "dispel4py.terminal",
        ),
    ),
    # a figure shows names as a terminal does
    (
        "seismo_pes.plotting.figure",
        ("seismo_pes", "dispel4py.errors", "dispel4py.terminal"),
    ),
    (
        "seismo_pes",
        (
            "seismo_pes",
            "dispel4py.core",
            "dispel4py.base",
            "dispel4py.description",
            "dispel4py.errors",
            "dispel4py.file_search",
            "dispel4py.files",
        ),
    ),
    ("xcorr_app", ("xcorr_app", "seismo_pes", "dispel4py")),
    ("misfit_app", ("misfit_app", "seismo_pes", "dispel4py")),
    (
        "benchmarks",
        ("benchmarks", "xcorr_app", "misfit_app", "seismo_pes", "dispel4py"),
    ),
)
APPLICATIONS = ("seismo_pes.application", "xcorr_app", "misfit_app", "benchmarks")
# Modules that only the engine itself may import; applications ask the registry of the
# mappings.
INSIDE_THE_ENGINE = ("mappings", "instance", "plan", "message", "grouping")
FOR_APPLICATIONS = {"dispel4py.mappings"}
SCIENCE = {"numpy", "scipy", "obspy", "h5py", "matplotlib", "geographiclib"}
# Packages from elsewhere, by the part of the house that may name them.
THIRD_PARTY = (
    ("dispel4py.mappings.mpi.post", {"numpy"}),
    ("dispel4py.mappings.mpi.world", {"mpi4py"}),
    ("dispel4py.mappings.job", {"cloudpickle"}),
    ("dispel4py.mappings.spark.context", {"pyspark"}),
    ("dispel4py.mappings.spark.run", {"pyspark"}),
    ("dispel4py.mappings.redis", {"redis"}),
    ("dispel4py.mappings.storm.nimbus", {"thriftpy2"}),
    ("dispel4py.mappings.dask", {"dask", "distributed"}),
    ("dispel4py.mappings", {"numpy", "threadpoolctl"}),
    ("dispel4py.testing.conformance", {"numpy"}),
    ("dispel4py.progress", {"rich"}),
    ("dispel4py.provenance.databases", {"numpy", "psycopg", "orjson"}),
    ("dispel4py.provenance.notebook", {"pandas", "networkx"}),
    ("dispel4py.provenance", {"numpy", "orjson"}),
    ("dispel4py", {"numpy"}),
    ("seismo_pes.signal", {"numpy", "scipy"}),
    ("seismo_pes.metadata.deferred", {*SCIENCE, "lxml"}),
    ("seismo_pes.metadata.xml", {*SCIENCE, "lxml"}),
    ("seismo_pes.application.progress", {"rich"}),
    ("seismo_pes.application.checked_arrays", {"numpy"}),
    ("seismo_pes.application", set()),
    ("seismo_pes.correlating.tiles.correlator", {*SCIENCE, "threadpoolctl"}),
    ("seismo_pes", SCIENCE),
    ("xcorr_app", {*SCIENCE, "rich"}),
    ("misfit_app", {*SCIENCE, "rich"}),
    ("benchmarks.engine", {"numpy", "mpi4py", "joblib", "dask"}),
    ("benchmarks.mappings", {"numpy", "distributed"}),
    ("benchmarks", SCIENCE),
)
# Public paths of dispel4py 1.x that lead from a module to one above it: the functions
# that draw, and the table of targets in which users look up a module by its name.
OLD_PATHS = {
    ("dispel4py.workflow_graph", "dispel4py.visualisation"),
    ("dispel4py.new.mappings", "dispel4py.new.simple_process"),
    ("dispel4py.new.mappings", "dispel4py.new.multi_process"),
    ("dispel4py.new.mappings", "dispel4py.new.mpi_process"),
}
HEAVY = ("obspy", "mpi4py", "matplotlib", "h5py", "rich", "scipy", "seismo_pes")


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def rule_for(name, table):
    return next(value for package, value in table if within(name, package))


def layer_of(name: str, layers: tuple[tuple[str, ...], ...]) -> int | None:
    """Line of a table on which a module stands; None if on none."""
    _, _, rest = name.partition(".")
    if not rest:
        return -1
    part = rest.split(".")[0]
    return next((i for i, layer in enumerate(layers) if part in layer), None)


def our_imports(source, sources):
    """Return the modules of the project that `source` imports, or names from them."""
    return {
        name if name in sources else name.rpartition(".")[0]
        for name in source.imports() | source.imports_for_types()
        if name.split(".")[0] in OURS
    }


def modules_in_strings(source, sources):
    """Modules of ours that `source` may import by a string: ``module`` or its member.

    A package's name alone stands for a group of entry points or a logger, too.
    """
    names = {text.partition(":")[0] for text in source.strings()}
    return {name for name in names if "." in name and name in sources}


LAYERED = [("dispel4py", ENGINE_LAYERS), ("seismo_pes", LIBRARY_LAYERS)]


@pytest.mark.parametrize(("package", "layers"), LAYERED, ids=["engine", "library"])
def test_modules_have_a_place(sources, package, layers):
    inside = [name for name in sources if within(name, package)]
    lost = [name for name in inside if layer_of(name, layers) is None]
    assert not lost, f"give these a line in the table of {package}: {lost}"


@pytest.mark.parametrize(("package", "layers"), LAYERED, ids=["engine", "library"])
def test_imports_point_down(sources, package, layers):
    wrong = []
    for name, source in sources.items():
        if not within(name, package) or name == package:
            continue
        for target in our_imports(source, sources):
            if target.split(".")[:2] == name.split(".")[:2]:
                continue
            if not within(target, package):
                continue
            if (layer_of(target, layers) or -1) >= (layer_of(name, layers) or 0):
                wrong.append(f"{source.relative} imports {target}")
    assert not wrong, "\n".join(wrong)


def test_rooms_do_not_import_in_circles(sources):
    """A room is a package; its `__init__` may import its own modules."""
    graph = {source.room: set() for source in sources.values()}
    for source in sources.values():
        if not source.is_package:
            graph[source.room] |= {
                sources[target].room
                for target in our_imports(source, sources)
                if target in sources and sources[target].room != source.room
            }
    assert not sorted(room for room in graph if reaches(graph, room))


def test_packages_import_only_what_the_design_allows(sources):
    wrong = []
    for name, source in sources.items():
        allowed = rule_for(name, ALLOWED)
        for target in our_imports(source, sources):
            if not any(within(target, package) for package in allowed):
                wrong.append(f"{source.relative} imports {target}")
            part = target.split(".")[1] if "." in target else ""
            if (
                any(within(name, package) for package in APPLICATIONS)
                and within(target, "dispel4py")
                and part in INSIDE_THE_ENGINE
                and target not in FOR_APPLICATIONS
            ):
                wrong.append(f"{source.relative} reaches into {target}")
    assert not wrong, "\n".join(wrong)


def test_third_party_imports_stay_in_their_rooms(sources):
    wrong = []
    for name, source in sources.items():
        allowed = rule_for(name, THIRD_PARTY)
        for target in source.imports():
            top = target.split(".")[0]
            if top in sys.stdlib_module_names or top in OURS or top in allowed:
                continue
            wrong.append(f"{source.relative} imports {top}")
    assert not wrong, "\n".join(wrong)


def test_no_import_cycles(sources):
    graph = {
        name: {
            target
            for target in our_imports(source, sources)
            | modules_in_strings(source, sources)
            if target in sources and target != name and (name, target) not in OLD_PATHS
        }
        for name, source in sources.items()
    }
    assert not sorted(name for name in graph if reaches(graph, name))


def test_a_face_and_its_members_do_not_wait_for_each_other(sources):
    """``from room import member`` needs the `__init__` of the room, wherever it is."""
    graph = {
        name: {
            target if target in sources else target.rpartition(".")[0]
            for target in source.imports(deep=False) | source.faces()
        }
        & sources.keys() - {name}
        for name, source in sources.items()
    }
    waiting = [name for name in graph if reaches(graph, name)]
    assert not sorted(waiting)


def reaches(graph, start) -> bool:
    todo, seen = list(graph[start]), set()
    while todo:
        here = todo.pop()
        if here == start:
            return True
        if here not in seen:
            seen.add(here)
            todo.extend(graph[here])
    return False


@pytest.mark.parametrize(
    ("modules", "refused"),
    [
        (
            "dispel4py dispel4py.core dispel4py.base dispel4py.workflow_graph",
            HEAVY,
        ),
        ("dispel4py.run dispel4py.cli dispel4py.mappings", HEAVY),
        ("seismo_pes.signal", ("obspy", "matplotlib", "h5py", "dispel4py")),
        ("xcorr_app.cli", ("obspy", "matplotlib", "h5py", "scipy", "mpi4py")),
        (
            "xcorr_app.workflow",
            ("matplotlib", "rich", "scipy.signal", "scipy.ndimage", "obspy.clients"),
        ),
        (
            "seismo_pes.reading.formats.reading_process "
            "seismo_pes.reading.archives.scan_pool",
            ("matplotlib", "scipy.fft", "scipy.special", "h5py", "obspy.clients"),
        ),
        (
            "misfit_app.workflow",
            ("matplotlib", "rich", "scipy.signal", "scipy.interpolate"),
        ),
    ],
    ids=["graph", "run", "signal", "xcorr-app", "correlations", "reading", "misfits"],
)
def test_light_modules_import_nothing_heavy(modules, refused):
    program = "\n".join(
        [
            "import importlib, sys",
            f"[importlib.import_module(name) for name in {modules.split()!r}]",
            f"print(*[name for name in {refused!r} if name in sys.modules])",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
