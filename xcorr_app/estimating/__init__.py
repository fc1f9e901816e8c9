"""The estimate of a run: time, memory and disk.

The work of one start of a run enters. An `Estimate` leaves, and nothing is written.
"""
