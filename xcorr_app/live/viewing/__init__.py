"""The view of a live run: its page, its pictures, its health.

The files in ``OUT/live`` enter; a page in a browser and PNG files leave. The process of
the view only reads these files.
"""
