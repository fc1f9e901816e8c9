"""The names of methods are those that the library has functions for."""

from seismo_pes import methods
from seismo_pes.preprocessing.overlaps import RULES
from seismo_pes.signal import stretching
from seismo_pes.stacking.stacks import STACKS


def test_each_name_has_a_function():
    assert list(STACKS) == list(methods.STACKS)
    assert list(RULES) == list(methods.OVERLAPS)


def test_names_of_sides_are_those_of_the_arrays():
    assert methods.SIDES == stretching.SIDES
