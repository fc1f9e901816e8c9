"""The engine beside the dispel4py packages before it, and other ways to do it."""
