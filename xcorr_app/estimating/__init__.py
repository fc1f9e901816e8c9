"""What a run will cost: time, memory and disk.

A plan and the work that is left enter. An `Estimate` leaves, and nothing is written.
"""
