"""The kinds of calls, in the order of ``library.c``."""

KINDS = (
    "OPEN_READ", "OPEN_WRITE", "READ", "WRITE", "RENAME", "SYNC", "CUT", "REMOVE",
    "FOLDER", "LIST", "STAT", "ENTRY", "CLOSE", "LINK",
)  # fmt: skip
