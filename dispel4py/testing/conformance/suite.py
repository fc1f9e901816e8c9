"""The tests of a mapping, as a class for pytest."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dispel4py.errors import RunError
from dispel4py.run import run
from dispel4py.testing.conformance.cases import CASES, outcome
from dispel4py.testing.conformance.elements import Folder, Pass, Range, Total, chain
from dispel4py.testing.conformance.failures import Fragile
from dispel4py.testing.conformance.layouts import drawn, given_by
from dispel4py.testing.conformance.stops import stopped_early

#: In place of the name of a case: streams that are stopped early.
STOPPED = "streams that are stopped early"


@cache
def under_simple(name: str) -> dict[str, Any] | None:
    """Return the results of a case under the mapping ``simple``."""
    return outcome(name)


def run_all(mapping: str, n: int, path: str, provenance: str = "") -> None:
    """Run every case; write the outcome of each case to a file at once.

    A mapping whose launcher starts the whole program is tested by a program that calls
    this function.

    Parameters
    ----------
    mapping : str
    n : int
        Number of processes.
    path : str
        The file: pairs of the name of a case and its outcome, each a pickle.
    provenance : str
        Folder for records of provenance; "" for none.
    """
    with open(path, "ab") as file:
        for name, chosen in CASES.items():
            if n > chosen.at_most:
                continue
            folder = f"{provenance}/{name}" if provenance else None
            result = outcome(name, mapping=mapping, processes=n, provenance=folder)
            if result is not None:
                pickle.dump((name, result), file)
                file.flush()
        streams = stopped_early(mapping=mapping, processes=n)
        if streams is not None:
            pickle.dump((STOPPED, streams), file)


class Conformance:
    """Tests of a mapping, which a subclass names.

    Attributes
    ----------
    mapping : str
        Name of the mapping.
    options : mapping
        Options of all runs. A fixture of the subclass may set them.
    processes : sequence of int
        Each case runs with each of these numbers of processes.
    cases : sequence of str or None
        The cases; None for all. Choose fewer if a run takes seconds to start.
    n_random_graphs : int
        Number of random graphs.
    stops_streams : bool
        Whether an element can stop the source of its items.
    """

    mapping: str
    options: Mapping[str, Any] = MappingProxyType({})
    processes: Sequence[int] = (1, 2, 5)
    cases: Sequence[str] | None = None
    n_random_graphs: int = 10
    stops_streams: bool = True

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Give pytest the cases, the numbers of processes, and the random graphs."""
        if "case_name" in metafunc.fixturenames:
            pairs = [
                (name, n)
                for name in (CASES if self.cases is None else self.cases)
                for n in self.processes
                if n <= CASES[name].at_most
            ]
            metafunc.parametrize(("case_name", "n_processes"), pairs)
        if "seed" in metafunc.fixturenames:
            metafunc.parametrize("seed", range(self.n_random_graphs))

    def test_results_are_those_of_simple(
        self, case_name: str, n_processes: int
    ) -> None:
        """The items of all outputs, the counts, and the failures are the same.

        Parameters
        ----------
        case_name : str
        n_processes : int
        """
        how = {**self.options, "mapping": self.mapping, "processes": n_processes}
        assert outcome(case_name, **how) == under_simple(case_name)

    def test_random_graphs(self, seed: int) -> None:
        """A random graph gives the same results."""
        layout = drawn(seed)
        n = min(layout["processes"], max(self.processes))
        how = {**self.options, "mapping": self.mapping, "processes": n}
        assert given_by(layout, **how) == given_by(layout)

    def test_inputs_of_an_iterator(self) -> None:
        """A source gets each of the inputs that an iterator gives."""
        first, total = Pass(), Total()
        inputs = {first: ({"input": number} for number in range(100))}
        n = max(self.processes)
        graph = chain(first, total)
        result = run(graph, inputs, self.mapping, processes=n, **self.options)
        assert result.output(total.id) == [sum(range(100))]

    def test_streams_are_stopped_early(self) -> None:
        """A source ends also if the order to stop comes before its first call."""
        for n in self.processes if self.stops_streams else ():
            how = {**self.options, "mapping": self.mapping, "processes": n}
            streams = stopped_early(**how)
            assert streams is not None
            for name, (items, expected) in streams.items():
                assert (name, items) == (name, expected)

    def test_relative_paths_begin_in_the_folder_of_the_run(
        self, tmp_path: Path, monkeypatch: Any
    ) -> None:
        """The processes of a run work in the folder in which it is started.

        Parameters
        ----------
        tmp_path : Path
        monkeypatch : pytest.MonkeyPatch
        """
        monkeypatch.chdir(tmp_path)
        pe = Folder()
        graph, n = chain(Range(7), pe), max(self.processes)
        result = run(graph, mapping=self.mapping, processes=n, **self.options)
        assert result.output(pe.id) == [str(tmp_path)] * 7

    def test_a_failure_ends_the_run(self) -> None:
        """The error says which element failed, on which item, and why.

        Raises
        ------
        AssertionError
            If it does not, as in every test.
        """
        graph, n = chain(Range(), Fragile(), Pass()), max(self.processes)
        try:
            run(graph, mapping=self.mapping, processes=n, **self.options)
        except RunError as error:
            (failure,) = error.failures
        else:
            raise AssertionError("the run should have failed")
        assert (failure.pe_id, failure.phase, failure.port) == (
            *("Fragile1", "process"),
            "input",
        )
        assert int(failure.item) % 5 == 0
        assert failure.cause == f"ValueError: {failure.item} is a multiple of 5"
