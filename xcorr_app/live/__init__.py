"""Near real time: the correlation of live stations, window by window.

Records of a live source enter; the stacks in the folder of a run, its status, pictures
and alerts leave. Windows are closed when their data are complete, and pass the same
elements as those of a batch run.
"""
