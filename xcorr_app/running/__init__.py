"""The execution of a run: the work of each start, the second phase, the summary.

A plan and the folder of the run enter. The work of one start of the run leaves, and
afterwards the summary of that start.
"""
