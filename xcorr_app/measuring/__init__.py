"""Velocity change and dispersion of the correlations of a run.

Stacks of a run enter, pair by pair. Tables of measurements leave, as files and rows.
"""
