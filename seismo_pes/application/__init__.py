"""The parts that every application needs; they contain no seismology.

The words of a command line, a TOML file or keyword arguments enter; a checked
`Configuration` leaves. The other modules serve the run itself: its progress, the lock
and the record of its folder, the list of skipped data, the report page and the exit
status.
"""
