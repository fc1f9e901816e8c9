"""Errors that the functions of this package raise."""


class ParameterError(ValueError):
    """A parameter outside its allowed range; the message names both."""
