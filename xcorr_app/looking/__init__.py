"""Pictures, tables and the report of a run.

The results and the measurements of a run enter. Figures and texts leave.
"""
