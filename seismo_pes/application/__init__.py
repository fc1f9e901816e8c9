"""The kit of which applications are made: what all of them need, and no seismology.

The words of a command line, a TOML file or keyword arguments enter; a checked
`Configuration` leaves, and around the run that an application makes of it: progress,
the lock and the description of its folder, the list of skipped data, a report page and
an exit status.
"""
