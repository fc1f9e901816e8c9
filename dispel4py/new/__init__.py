"""The import paths of dispel4py 1.x and stream-d4py, which call the engine.

New code uses `dispel4py.run` and `dispel4py.core`, `base`, `workflow_graph`.
"""
