"""Figures, tables and the HTML report of a run.

What enters is the open results of a run, or the availability of an archive. What leaves
is a figure file, text for the terminal, JSON, or one HTML page.
"""
