"""A small application on the kit: the peak of each record in a folder of text files."""

import sys
from dataclasses import dataclass
from pathlib import Path

from dispel4py.errors import ParameterError
from seismo_pes.application import parameters
from seismo_pes.application.command_line import (
    add_arguments,
    command_parser,
    dispatch,
    printed,
)
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.lock import RunLock
from seismo_pes.application.options import When, option
from seismo_pes.application.progress import progress_display
from seismo_pes.application.run_record import (
    RunRecord,
    check_started,
    read_record,
    refuse_other_options,
    write_record,
)
from seismo_pes.application.skipped import skipped_table, write_skipped
from seismo_pes.application.terminal import exit_status
from seismo_pes.items.skipped import Skipped

PROGRAM, RECORD = "peaks", ("peaks run", 1)
TABLES = {"data": "Data", "peak": "Peak", "run": "Run"}


@dataclass(frozen=True, kw_only=True)
class Settings(Configuration):
    """Options of the application."""

    data: str = option("data", "text", "folder of records", required=True)
    out: str = option("run", "text", "folder of results", required=True)
    kind: str = option("peak", "choice", "sign", "both", choices=("both", "positive"))
    clip: float = option("peak", "number", "clip at this level", unit="m/s", above=0)
    smooth_s: float = option(
        "peak", "number", "smoothing", unit="s", fill=0.5, only_with=When("clip")
    )
    resume: bool = option("run", "flag", "continue a run", False)
    quiet: bool = option("run", "flag", "no progress", False)


def main(words: list[str]) -> int:
    """Run the command; return its exit status."""
    needed = "--data FOLDER --out FOLDER"
    return exit_status(PROGRAM, lambda: dispatch(PROGRAM, COMMANDS, words, needed))


def init(words: list[str]) -> str:
    """Write a file of all options."""
    return parameters.init(
        PROGRAM, parameters.template(PROGRAM, Settings, TABLES), words
    )


def settings(words: list[str]) -> Settings:
    """Return the options of a command line and its file."""
    parser = command_parser(PROGRAM, "Find the peak of each record.")
    parser.add_argument("--config", help="TOML file of options")
    add_arguments(parser, Settings, TABLES)
    given = vars(parser.parse(words))
    return Settings.resolve(given, given.pop("config"))


def run(config: Settings) -> int:
    """Find the peaks that are still missing; write ``NAME.peak`` for each record."""
    out, skipped = Path(config.out), []
    with RunLock(out) as lock, progress_display(config.quiet) as progress:
        if config.resume:
            check_started(out, "--resume")
        lock.take()
        describe(config, out)
        paths = sorted(Path(config.data).glob("*.txt"))
        for n, path in enumerate(paths, 1):
            done = out / f"{path.stem}.peak"
            try:
                if not done.exists():
                    done.write_text(str(max(map(float, path.read_text().split()))))
            except ValueError as error:
                skipped.append(Skipped("read", path.name, str(error)))
            if progress is not None:
                progress.update("records", n, len(paths))
        write_skipped(out, skipped)
    sys.stdout.write(skipped_table(skipped) + "\n")
    return 0


def describe(config: Settings, out: Path) -> None:
    """Write the record of the run, or add a start to it."""
    if config.resume:
        fields, _ = read_record(out, *RECORD)
        free = ("resume", "quiet")
        refuse_other_options(fields["config"], config, free, f"{out}: --resume")
        record = RunRecord(**fields).start_again("resume", ["numpy"])
    elif any(out.glob("*.peak")):
        raise ParameterError(f"{out} holds results: --resume continues them")
    else:
        record = RunRecord.begin(config.to_dict(), ["numpy"])
    write_record(out, *RECORD, record)


COMMANDS = {"run": lambda words: run(settings(words)), "init": printed(init)}
