"""Spectra of windows.

Segments of each channel enter and are cut into windows; whitened spectra of the bands
leave.
"""
