"""``python -m dispel4py``: the command ``dispel4py``."""

import sys

from dispel4py.cli import main

if __name__ == "__main__":
    sys.exit(main())
