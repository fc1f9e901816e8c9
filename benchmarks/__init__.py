"""Measurements: each figure is a ratio to a peer or a limit, taken in one run."""
