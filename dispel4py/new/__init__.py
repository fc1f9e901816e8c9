"""The import paths of dispel4py 1.x and stream-d4py, each a few lines over the engine.

New code uses `dispel4py.run` and `dispel4py.core`, `base`, `workflow_graph`.
"""
