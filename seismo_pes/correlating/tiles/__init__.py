"""Tiles: two blocks of channels, all pairs of which are correlated together.

Spectra of single channels enter; sums and stacks of correlations leave. Spectra wait
here until their tile is complete.
"""
