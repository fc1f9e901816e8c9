"""Ambient-noise cross-correlation of many stations."""
