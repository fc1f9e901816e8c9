"""Provenance in notebooks: runs and products as tables, lineage as a graph.

Needs pandas and networkx: ``pip install 'dispel4py-seismo[notebook]'``.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

from dispel4py.errors import MappingUnavailable
from dispel4py.provenance.conditions import ANCESTOR, DESCENDANT
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.lineage import lineage, relatives
from dispel4py.provenance.products import find_product, get_products
from dispel4py.provenance.questions import list_runs
from dispel4py.provenance.search import matching
from dispel4py.provenance.store import open_store

__all__ = ["ProvenanceStore"]


class ProvenanceStore:
    """The runs of a folder of provenance; what is new in it is read first.

    Parameters
    ----------
    folder : str or Path
        The folder of ``--provenance``.
    db : str or Path, optional
        The database: a file, or ``postgresql://...``; by default a file in the folder.

    Examples
    --------
    >>> with ProvenanceStore("provenance") as store:  # doctest: +SKIP
    ...     table = store.products("snr > 5 and station = 'FMP'")
    ...     graph = store.lineage(table.index[0])
    """

    def __init__(self, folder: str | Path, db: str | Path | None = None) -> None:
        self._folder = folder
        self._store = open_store(folder, db)
        self.refresh()

    def __enter__(self) -> ProvenanceStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def refresh(self) -> None:
        """Read what runs have written since; warn of records that cannot be read."""
        for place in ingest(self._store, self._folder).unread:
            warnings.warn(f"records that could not be read: {place}", stacklevel=2)

    def runs(self) -> Any:
        """Return a pandas frame of all runs, the newest first, by their ids."""
        frame = _pandas().DataFrame(list_runs(self._store))
        return frame if frame.empty else frame.set_index("id")

    def products(self, condition: str = "", limit: int | None = None) -> Any:
        """Return a pandas frame of products, by their ids, with a column for each term.

        Parameters
        ----------
        condition : str
            See `dispel4py.provenance.expression`; "" for all products.
        limit : int, optional
            Most products.
        """
        pandas = _pandas()
        found = get_products(self._store, matching(self._store, condition, limit))
        rows = [
            {**{k: v for k, v in product.items() if k != "terms"}, **product["terms"]}
            for product in found
        ]
        frame = pandas.DataFrame(rows)
        return frame if frame.empty else frame.set_index("id")

    def lineage(self, product: str, descendants: bool = False) -> Any:
        """Return a networkx graph that leads from products to those made of them.

        Parameters
        ----------
        product : str
            The id of a product, or the file that it was written to.
        descendants : bool
            Go from the product to its descendants, and not to its ancestors.

        Returns
        -------
        networkx.DiGraph
            Products, with what is known of them as attributes, and files that were
            read.

        Raises
        ------
        MappingUnavailable
            If networkx is not installed.
        """
        try:
            import networkx
        except ImportError:
            raise MappingUnavailable(_HINT.format("networkx")) from None
        n = find_product(self._store, product)
        kind = DESCENDANT if descendants else ANCESTOR
        numbers = [n, *(other for other, _ in relatives(self._store, kind, [n]))]
        known = lineage(self._store, numbers)
        graph = networkx.DiGraph()
        for node in known.products:
            graph.add_node(node["id"], **{k: v for k, v in node.items() if k != "id"})
        graph.add_edges_from((parent, child) for child, parent in known.derivations)
        for child, file in known.files:
            graph.add_node(file["path"], **file)
            graph.add_edge(file["path"], child)
        return graph

    def close(self) -> None:
        """Close the database."""
        self._store.close()


_HINT = "this needs {}: pip install 'dispel4py-seismo[notebook]'"


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise MappingUnavailable(_HINT.format("pandas")) from None
    return pandas
