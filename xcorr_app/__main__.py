"""``python -m xcorr_app`` is ``xcorr-app``."""

from typing import NoReturn

from xcorr_app.cli import main
from xcorr_app.terminal import leave


def command() -> NoReturn:
    """Run the command and end the process with its exit status."""
    leave(main())


if __name__ == "__main__":
    command()
