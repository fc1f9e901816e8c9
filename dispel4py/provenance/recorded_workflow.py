"""A recorded run whose products can be made again: its graph and its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.plan import Plan
from dispel4py.provenance.values import values_of_file
from dispel4py.workflow_graph import WorkflowGraph

__all__ = ["RecordedRun", "RecordedWorkflow", "Reload"]


class RecordedWorkflow:
    """The graph of a run, and what the program of the run knows of its products.

    An application whose runs are not started by ``dispel4py MAPPING GRAPH`` names its
    package in the record of a run (``package`` of
    `dispel4py.provenance.run_record.Provenance`). The function ``reload`` of the module
    ``recorded_run`` of the package takes this record and a folder for files, and
    returns an object of this class, or of a subclass.

    Parameters
    ----------
    graph : WorkflowGraph
        The graph of the run. Its elements write into the other folder.
    inputs : sequence
        Items that the source of the run may have had. The terms in its record tell
        which of them a call had.
    folders : tuple of Path, optional
        The folder in which the run wrote its files, and that in which they are made
        again; None if they are the same.
    """

    def __init__(
        self,
        graph: WorkflowGraph,
        inputs: Sequence[Any] = (),
        folders: tuple[Path, Path] | None = None,
    ) -> None:
        self.graph, self.inputs, self.folders = graph, inputs, folders

    def place_of(self, location: str) -> str:
        """Return the path at which a file of the run is made again.

        Parameters
        ----------
        location : str
            Path of the file in the run.
        """
        if self.folders is not None:
            path, folder = Path(location), self.folders[0].absolute()
            if path.is_relative_to(folder):
                return str(self.folders[1] / path.relative_to(folder))
        return location

    def file_values(self, path: Path) -> np.ndarray | None:
        """Return the numbers in a file, to compare two files whose bytes differ.

        Parameters
        ----------
        path : Path

        Returns
        -------
        numpy.ndarray or None
            One axis; None for a format that is not known.
        """
        return values_of_file(path)

    def ancestors_of_part(
        self, terms: Mapping[str, Any]
    ) -> Callable[[Mapping[str, Any]], bool] | None:
        """Return a function that tells which ancestors a part of a product has.

        Parameters
        ----------
        terms : mapping
            Terms of the part.

        Returns
        -------
        callable or None
            Takes the terms of an ancestor of the whole product. None: all are needed.
        """
        return None

    def part(self, item: Any, k: int, terms: Mapping[str, Any]) -> Any:
        """Return an item that has only one of its parts; None if there is no such item.

        Parameters
        ----------
        item : object
        k : int
            Number of the part in the run.
        terms : mapping
            Terms of the part in the run.
        """
        return None

    def stored(self, item: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the values that the results of the run have for an item, and its own.

        Parameters
        ----------
        item : object
            An item, or a part of it, that was made again.

        Returns
        -------
        tuple of numpy.ndarray or None
            Two arrays of equal shape; None if the results do not have the item.
        """
        return None

    def drawable(self, item: Any) -> Any:
        """Return an item, a part of it or a file as a preview can draw it.

        Parameters
        ----------
        item : object or Path
        """
        return item


#: Takes the record of a run and a folder for files that are made again.
Reload = Callable[[dict[str, Any], Path], RecordedWorkflow]


@dataclass(frozen=True)
class RecordedRun:
    """A workflow with the plan of the run.

    Attributes
    ----------
    plan : Plan
    workflow : RecordedWorkflow
    inputs : mapping, optional
        The inputs of each instance of a source, by its index in the plan; None if those
        of ``workflow`` are chosen by their terms.
    """

    plan: Plan
    workflow: RecordedWorkflow
    inputs: Mapping[int, Any] | None = None
