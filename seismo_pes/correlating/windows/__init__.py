"""Windows of time: where each begins and ends, and which samples it holds.

Segments of a channel enter, arrays of windows leave, one row for each window.
"""
