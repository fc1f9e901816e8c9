"""From items to files.

Traces and rows of correlations enter; SAC, miniSEED, npz, ASDF files and the parts of
a result folder leave.
"""

from seismo_pes.writing.correlation_writer import CorrelationWriter, WriteCorrelations
from seismo_pes.writing.trace_files import (
    WriteAsdf,
    WriteMiniseed,
    WriteNpz,
    WriteSac,
    as_stream,
    file_name,
)

__all__ = [
    "CorrelationWriter",
    "WriteAsdf",
    "WriteCorrelations",
    "WriteMiniseed",
    "WriteNpz",
    "WriteSac",
    "as_stream",
    "file_name",
]
