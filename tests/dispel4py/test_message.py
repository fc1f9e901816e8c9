"""The encoding of items, and the items that are copied."""

import threading

import numpy as np
import pytest

from dispel4py.errors import ItemError
from dispel4py.message import LARGE_BUFFER, decode, encode, private_copy


@pytest.mark.parametrize(
    "item",
    [
        None,
        7,
        "text",
        b"x" * LARGE_BUFFER,
        {"a": [1, (2, 3)], "b": {4}},
        np.arange(10),
        np.arange(100_000.0).reshape(100, -1),
        np.arange(100_000.0).reshape(100, -1).T,
        np.arange(200_000.0)[::2],
        np.zeros((0, 3)),
        np.array(1.5),
    ],
    ids=lambda item: f"{type(item).__name__}-{getattr(item, 'shape', '')}",
)
def test_round_trip(item):
    head, buffers = encode(item)
    again = decode(head, [bytearray(buffer) for buffer in buffers])
    np.testing.assert_array_equal(again, item)
    assert type(again) is type(item)
    assert getattr(again, "dtype", None) == getattr(item, "dtype", None)


def test_large_buffers_travel_beside_the_pickle():
    array = np.zeros(LARGE_BUFFER // 8)
    head, buffers = encode([array, array[:-1].copy()])
    assert len(head) > array.nbytes - 8  # a buffer that is slightly too small
    assert [buffer.nbytes for buffer in buffers] == [LARGE_BUFFER]
    assert np.shares_memory(np.frombuffer(buffers[0]), array)


def test_a_decoded_array_belongs_to_its_receiver():
    head, buffers = encode(np.ones(LARGE_BUFFER))
    again = decode(head, [bytearray(buffer) for buffer in buffers])
    again += 1.0
    assert again[0] == 2.0


@pytest.mark.parametrize("item", [threading.Lock(), lambda: 1, [open]])
def test_objects_that_cannot_be_sent_are_named(item):
    if item == [open]:
        item = iter([threading.Lock()])
    with pytest.raises(ItemError, match=f"a {type(item).__name__} cannot be sent"):
        encode(item)


@pytest.mark.parametrize("item", [3, 1.5, "text", b"bytes", None, True, frozenset({1})])
def test_immutable_items_are_not_copied(item):
    assert private_copy(item) is item


@pytest.mark.parametrize("item", [[1, [2]], {"a": {"b": 1}}, {1, 2}, bytearray(b"x")])
def test_items_that_can_change_are_copied_whole(item):
    again = private_copy(item)
    assert again == item
    assert again is not item
    if isinstance(item, list):
        assert again[1] is not item[1]


def test_arrays_are_copied_unless_they_are_read_only():
    array = np.arange(5)
    again = private_copy(array)
    again[0] = 9
    assert array[0] == 0
    array.setflags(write=False)
    assert private_copy(array) is array
    # a view of an array that other code may write to cannot be shared safely
    base = np.arange(5)
    view = base[:3]
    view.setflags(write=False)
    assert private_copy(view) is not view


def test_a_class_may_say_that_its_objects_never_change():
    class Constant:
        def __deepcopy__(self, memo):
            return self

    constant = Constant()
    assert private_copy(constant) is constant
