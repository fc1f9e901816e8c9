"""Codes of channels from files: their allowed characters, and safe names of files.

A code becomes a part of file names, of lines on a terminal, and of cells of tables. So
a code with other characters than letters, digits and a few marks is refused.
"""

from __future__ import annotations

import os
import re

__all__ = ["defective_code", "file_name_of"]

KINDS = ("network", "station", "location", "channel")
# bytes: the ids of a pair are the name of a file, of up to 255 bytes
LONGEST_ID = 100
# letters and digits of any language, and other characters that networks use in codes
CODE = re.compile(r"([\w ][\w -]*|-+)?")
# characters with a meaning in paths on any system, and characters that are not visible
NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u2028\u2029]')


def defective_code(channel_id: str) -> str:
    """Return the reason why a text is not the id of a channel; "" if it is one.

    Parameters
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.

    Examples
    --------
    >>> defective_code("CI.FMP..BHZ")
    ''
    >>> defective_code("/tmp/pw.A..BHZ")
    "network code '/tmp/pw': a code has letters and digits"
    """
    if len(os.fsencode(channel_id)) > LONGEST_ID:
        return f"id {channel_id[:LONGEST_ID]!r}...: is longer than {LONGEST_ID} bytes"
    codes = channel_id.split(".")
    if len(codes) != len(KINDS):
        return f"id {channel_id!r}: is not network.station.location.channel"
    for kind, code in zip(KINDS, codes, strict=True):
        if not CODE.fullmatch(code):
            return f"{kind} code {code!r}: a code has letters and digits"
    return ""


def file_name_of(text: str) -> str:
    """Return a text as the name of a file, without a path for any text.

    >>> file_name_of("../x/CI.FMP..BHZ")
    '.._x_CI.FMP..BHZ'
    """
    return NOT_IN_NAMES.sub("_", text)
