"""Velocity changes by all methods, and by MSNoise, for known changes."""
