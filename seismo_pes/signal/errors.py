"""The mistakes that a caller of this package can make."""


class ParameterError(ValueError):
    """A parameter outside its allowed range; the message names both."""
