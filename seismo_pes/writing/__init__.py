"""Writing files: traces, and the results of a correlation run.

Traces and rows of correlations enter; SAC, miniSEED, npz and ASDF files, and the part
files of a result folder leave.
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
