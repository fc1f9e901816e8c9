"""Velocity change and dispersion of the correlations of a run.

What enters is the open results of a run: its stacks, pair by pair. What leaves is
tables of measurements as CSV files, and the settings of the measurement as JSON.
"""
