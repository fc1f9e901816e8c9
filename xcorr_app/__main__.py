"""``python -m xcorr_app`` is ``xcorr-app``."""

import sys

from xcorr_app.cli import main

if __name__ == "__main__":
    sys.exit(main())
