"""What a run shows: figures of stations while it runs, one page for each event after.

The misfits of a station with its records enter during the run, and figures leave. The
files of a finished run enter afterwards, and HTML pages leave.
"""
