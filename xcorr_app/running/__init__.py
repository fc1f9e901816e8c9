"""A run while it lasts: its lock, the work that is left, the second phase, its end.

A plan and the folder of the run enter. The work of one start of the run leaves, and
afterwards the summary of that start.
"""
