"""Spectra of windows.

Arrays of windows enter; whitened, band-limited spectra leave.
"""
