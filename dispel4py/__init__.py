"""dispel4py: describe a stream of work once, run it on a laptop or a cluster."""

__version__ = "0.1.0"
