"""``python -m misfit_app`` is ``misfit-app``."""

from typing import NoReturn

from misfit_app.cli import main
from seismo_pes.application.terminal import end_process


def command() -> NoReturn:
    """Run the command and end the process with its exit status."""
    end_process(main())


if __name__ == "__main__":
    command()
