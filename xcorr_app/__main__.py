"""``python -m xcorr_app`` is ``xcorr-app``."""

import os
from typing import NoReturn

# After each fork, idle threads of OpenBLAS wait actively for a tenth of a second
# and keep the cores from busy threads; with 4, they sleep after 2^4 clock cycles.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

from seismo_pes.application.terminal import end_process
from xcorr_app.cli import main


def command() -> NoReturn:
    """Run the command and end the process with its exit status."""
    end_process(main())


if __name__ == "__main__":
    command()
