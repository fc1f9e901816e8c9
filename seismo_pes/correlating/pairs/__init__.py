"""Pairs: which channels are correlated with which, and in which directions.

The channel table enters; the selection of pairs and the rotation of their components
leave.
"""
