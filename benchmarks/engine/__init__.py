"""The engine compared with earlier dispel4py packages and other libraries."""
