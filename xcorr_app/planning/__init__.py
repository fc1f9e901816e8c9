"""The plan of a run: stations, channels, grid, pairs, spans, division, memory.

A configuration enters. A `RunPlan` leaves, and the `Division` of its work into tiles.
"""
