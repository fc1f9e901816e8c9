"""Cases of items: arrays, waveforms, objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from dispel4py.base import (
    IterativePE,
    ProducerPE,
    SimpleFunctionPE,
)
from dispel4py.testing.conformance.cases import case
from dispel4py.testing.conformance.elements import (
    Items,
    Pass,
    chain,
)
from dispel4py.testing.conformance.groupings import Reading


class Arrays(ProducerPE):
    """Sends arrays of 2 MB."""

    def _process(self, inputs: Any) -> None:
        for k in range(12):
            self.write("output", np.full(250_000, float(k)))


class Scale(IterativePE):
    """Multiplies arrays, without changing its input."""

    def _process(self, data: Any) -> Any:
        return 2.0 * data


@case({"Scale2.output": [np.full(250_000, 4.0 * k) for k in range(12)]})
def large_arrays() -> Any:
    return chain(Arrays(), Scale(), Scale()), None


@case()
def arrays_of_every_kind() -> Any:
    large = np.arange(60_000.0).reshape(200, 300)
    fixed = np.arange(20_000)
    fixed.setflags(write=False)
    kinds = [
        large.T,
        large[::3, ::2],
        np.asfortranarray(large),
        large.astype(np.complex64),
        large.astype(">f8"),
        np.zeros((0, 5)),
        np.array(3.5),
        np.array([("a", 1.5)] * 9000, dtype=[("name", "U5"), ("value", "f8")]),
        np.array(["text", "longer text"]),
        np.array([1, "x", None], dtype=object).tolist(),
        np.array(["2022-05-17"], dtype="M8[ns]").astype(np.int64),
        np.ma.masked_array([1.0, 2.0], [True, False]).filled(0.0),
        fixed,
        np.float32(2.5).item(),
    ]
    return chain(Items(*kinds), Pass(), Pass()), None


@case()
def items_of_every_kind() -> Any:
    kinds = [
        *(0, 1.5, 2j, "text", b"bytes", True, 1 << 100),
        *((1, (2, 3)), [1, [2]], {"a": {"b": np.arange(4)}}, {1, 2}, frozenset({3})),
        *("x" * 300_000, b"y" * 300_000, bytes(70_000), Reading("CI.CCA", 3)),
        *(range(5), ..., ValueError("a value"), slice(1, 2)),
        {"many": [np.full(20_000, k) for k in range(3)], "few": "x"},
    ]
    return chain(Items(*kinds), Pass(), Pass()), None


class Reuse(ProducerPE):
    """Writes the same buffer several times, with different contents."""

    def __init__(self, size: int) -> None:
        ProducerPE.__init__(self)
        self.size = size

    def _process(self, inputs: Any) -> None:
        buffer = np.zeros(self.size)
        for k in range(20):
            buffer[:] = k
            self.write("output", buffer)


def mean(data: Any) -> float:
    return float(data.mean())


@case({"PE_mean1.output": [float(k) for k in range(20)]})
def sender_reuses_a_small_buffer() -> Any:
    return chain(Reuse(10), SimpleFunctionPE(mean)), None


@case({"PE_mean1.output": [float(k) for k in range(20)]})
def sender_reuses_a_large_buffer() -> Any:
    return chain(Reuse(50_000), SimpleFunctionPE(mean)), None
