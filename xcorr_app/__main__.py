"""``python -m xcorr_app`` is ``xcorr-app``."""

import os
import sys
from typing import NoReturn

# Threads of OpenBLAS that wait for work spin for a tenth of a second, each time that a
# process was forked, and take the cores from those that have some.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

from xcorr_app.cli import main


def command() -> NoReturn:
    """Run the command and end the process with its exit status."""
    sys.exit(main())


if __name__ == "__main__":
    command()
