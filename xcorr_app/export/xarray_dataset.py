"""Results as an xarray Dataset whose correlations are read when they are used."""

from __future__ import annotations

from typing import Any

import numpy as np

from seismo_pes.extras import optional
from xcorr_app.export.columns import CORRELATION, pair_columns, stacked_pairs
from xcorr_app.export.target import about
from xcorr_app.store import Store

__all__ = ["to_dataset"]


def to_dataset(store: Store, stack: str | None = None) -> Any:
    """Return a stack as an `xarray.Dataset`.

    Parameters
    ----------
    store
        Open results; they must stay open while the dataset is used.
    stack
        Name of the stack; by default ``"all"``, the stack of the whole run.

    Returns
    -------
    xarray.Dataset
        The variable ``correlation`` with the dimensions ``pair`` (``FIRST_SECOND``)
        and ``lag`` (seconds). Geometry, windows and times are coordinates of ``pair``.
        Only the rows that are used are read.

    Raises
    ------
    ParameterError
        If xarray is not installed.
    """
    xarray = optional("xarray")
    # as described on xarray's page "How to add a new backend", under lazy loading
    indexing = xarray.core.indexing
    chosen = stacked_pairs(store, stack)
    rows = _make_lazy_rows(xarray, indexing, store, stack, chosen)
    data = xarray.Variable(("pair", "lag"), indexing.LazilyIndexedArray(rows))
    coordinates = {
        column.name: (column.dims, _decode_times(column.name, column.data))
        for column in pair_columns(store, stack, chosen)
    }
    return xarray.Dataset({CORRELATION: data}, coordinates, about(store, stack))


def _decode_times(name: str, data: np.ndarray) -> np.ndarray:
    return data.astype("datetime64[ns]") if name in ("start", "end") else data


def _make_lazy_rows(
    xarray: Any, indexing: Any, store: Store, stack: str | None, chosen: np.ndarray
) -> Any:
    """Return an array for xarray that reads rows of the store when it is indexed."""

    class Rows(xarray.backends.BackendArray):
        shape = (len(chosen), len(store.lags_s))
        dtype = store.dtype

        def __getitem__(self, key: Any) -> np.ndarray:
            return indexing.explicit_indexing_adapter(
                key, self.shape, indexing.IndexingSupport.OUTER, self._read
            )

        def _read(self, key: tuple[Any, Any]) -> np.ndarray:
            rows, lags = key
            is_one_row = isinstance(rows, int | np.integer)
            indices = chosen[[rows] if is_one_row else rows]
            blocks = [data[:, lags] for _, data in store.blocks(stack, indices)]
            empty = np.empty((0, self.shape[1]), self.dtype)[:, lags]
            correlations = np.concatenate([empty, *blocks])
            return correlations[0] if is_one_row else correlations

    return Rows()
