"""Observed against synthetic seismograms: reserved for the misfit application."""
