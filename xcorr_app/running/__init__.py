"""A run while it lasts: its lock, what is left to do, its second phase, its sums."""
