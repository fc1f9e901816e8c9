"""Let every call on a file fail, one after the other, and look at what remains.

    python -m tools.disk_faults                       all commands, all calls: hours
    python -m tools.disk_faults run export-sac --every 7
    python -m tools.disk_faults run --kinds SYNC RENAME
    python -m tools.disk_faults run --power --every 5

A command runs on small data. Its n-th opening, reading, writing, closing, renaming,
syncing, cutting, linking, removing or stat of a file, or listing of a folder, fails,
for every n: with an error of the disk, a full disk, or the end of the process (then
half of a write is done). Or half of a read or write is done without an error. After
that the command has done its work, or has ended with one line that names the file; no
file has its final name without its whole content; and the command, given again or with
``--resume``, gives the same results as without the fault. With ``--power`` the power
fails after the n-th change of a file, see `tools.disk_faults.power`.

``library.c`` counts the calls. It needs gcc and Linux.
"""
