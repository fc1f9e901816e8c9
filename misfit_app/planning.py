"""The plan of a run: the stations of each event, and their elements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError, suggest
from dispel4py.provenance.files import listed_files
from dispel4py.provenance.run_record import Provenance, provenance_options
from misfit_app.input_files import files_of, station_files
from misfit_app.pairs import PairChoice
from misfit_app.weights import WeightSettings
from misfit_app.window_files import foreign_windows, read_windows
from seismo_pes.comparing import PairSettings, PreprocessPair
from seismo_pes.items.comparison import StationFiles
from seismo_pes.items.events import Event
from seismo_pes.items.skipped import Skipped
from seismo_pes.measuring.misfit_settings import MisfitSettings
from seismo_pes.measuring.travel_times import TravelTimes
from seismo_pes.metadata import read_ahead
from seismo_pes.metadata.events import choose_events, read_events
from seismo_pes.reading.synthetics import motion_of_file

__all__ = [
    "Plan",
    "chosen_events",
    "event_labels",
    "run_plan",
]

if TYPE_CHECKING:
    from misfit_app.config import Config

PLACE = "{event}"  # in the name of a folder: the label of the event


#: Elements of the graphs of all phases, for the selection of terms.
ELEMENTS = (
    "Stations",
    "ReadPair",
    "PreprocessPair",
    "MeasureMisfits",
    "DrawStation",
    "WriteStation",
    "WriteIntermediate",
    "KeepBands",
    "StationPairs",
    "MeasurePairs",
    "WritePairs",
    "SumAdjoints",
    "WriteAdjoints",
)
#: Options that may change when a run is continued.
FREE = frozenset(
    {
        "out",  # the folder of a run can be moved
        "mapping",
        "processes",
        "resume",
        "quiet",
        "log_level",
        "provenance",
        "capture",
    }
)


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes
    ----------
    out : Path
        Folder of the results.
    config : mapping of str to object
        The options, for the record of the run.
    tasks : tuple of StationFiles
        Each station of each event.
    preprocess : callable
        Makes the element that follows `ReadPair`.
    settings : MisfitSettings
    synthetic_motion : str
        Motion of synthetics whose names state none.
    skipped : tuple of Skipped
        Files and events that cannot be used.
    adjoint_formats : tuple of str
        Formats of the adjoint sources.
    pairs : PairChoice
        The stations that are compared with each other.
    weights : WeightSettings
    mapping, processes, on_error
        See `dispel4py.run.run`.
    resume : bool
        Whether stations that are done already are kept.
    provenance : Provenance, optional
        Where and how provenance is recorded.
    free_options : frozenset of str
        Options that may change when a run is continued.
    results : str
        Identity of the results, which is known when the run starts.
    """

    out: Path
    config: Mapping[str, Any]
    tasks: tuple[StationFiles, ...]
    preprocess: Callable[[], GenericPE]
    settings: MisfitSettings
    synthetic_motion: str = ""
    skipped: tuple[Skipped, ...] = ()
    adjoint_formats: tuple[str, ...] = ()
    pairs: PairChoice = field(default_factory=PairChoice)
    weights: WeightSettings = field(default_factory=WeightSettings)
    mapping: str = "simple"
    processes: int | None = None
    on_error: str = "stop"
    resume: bool = False
    provenance: Provenance | None = None
    free_options: frozenset[str] = FREE
    results: str = ""

    @property
    def events(self) -> list[Event]:
        """The events in the order of the run."""
        return list(dict.fromkeys(task.event for task in self.tasks))


def event_labels(events: Iterable[Event]) -> dict[str, str]:
    """Return a name for the files of each event, by id; all names differ.

    >>> event_labels([Event("a/7", 0, 0.0, 0.0), Event("b/7", 0, 0.0, 0.0)])
    {'a/7': '7', 'b/7': '7_2'}
    """
    labels: dict[str, str] = {}
    for event in events:
        label, number = event.label, 1
        while label in labels.values():
            number += 1
            label = f"{event.label}_{number}"
        labels[event.id] = label
    return labels


def chosen_events(
    paths: Iterable[str], ids: Sequence[str]
) -> tuple[list[Event], list[Skipped]]:
    """Return the events of QuakeML files with these ids; all events without ids.

    Raises
    ------
    ParameterError
        If a file cannot be read, or an id is not there, or no event is usable.
    """
    events: list[Event] = []
    skipped: list[Skipped] = []
    for path in paths:
        try:
            some, defects = read_events(path)
        except DataError as error:
            raise ParameterError(f"--event {error}") from None
        for event in some:  # a file may have an event twice
            if event not in events:
                events.append(event)
        skipped += defects
    defective = {entry.what: entry.reason for entry in skipped}
    for public_id in ids:
        if public_id in defective:
            raise ParameterError(f"--event-id {public_id}: {defective[public_id]}")
    chosen = choose_events(events, ids)
    if not chosen:
        reason = f": {skipped[0].what}: {skipped[0].reason}" if skipped else ""
        raise ParameterError(f"--event: no event has time and place{reason}")
    return chosen, [] if ids else skipped


def run_plan(config: Config) -> Plan:
    """Return the plan of a run.

    Parameters
    ----------
    config
        The options.

    Raises
    ------
    ParameterError
        If an option does not fit the data.
    """
    assert config.event is not None
    assert config.stations is not None
    assert config.periods_s is not None
    events, skipped = chosen_events(config.event, config.event_id or ())
    inventory = _inventory(config.stations, events, skipped)
    settings = _misfit_settings(config)
    settings.check()
    TravelTimes(settings.earth_model, settings.phases).check()
    tasks = _tasks(config, events, skipped)
    stations = {task.station for task in tasks}
    for reason in foreign_windows(
        settings.given,
        [event.id for event in events],
        stations,
        config.components,
        settings.bands,
    ):
        skipped.append(Skipped("windows", str(config.windows), reason))
    if config.pair_reference is not None and config.pair_reference not in stations:
        hint = suggest(config.pair_reference, sorted(stations))
        raise ParameterError(
            f"--pair-reference {config.pair_reference}: no records of it: {hint}"
        )
    preprocess = partial(PreprocessPair, _pair_settings(config), inventory)
    return Plan(
        out=Path(str(config.out)),
        config=config.to_dict() | {"mode": "run"},
        tasks=tuple(tasks),
        preprocess=preprocess,
        settings=settings,
        synthetic_motion=config.synthetic_motion or "",
        skipped=tuple(skipped),
        adjoint_formats=config.adjoint or (),
        pairs=PairChoice(config.pair_distance_km, config.pair_reference),
        weights=WeightSettings.of(config.to_dict()),
        mapping=config.mapping,
        processes=config.processes,
        on_error=config.on_error,
        resume=config.resume,
        provenance=provenance_options(
            config.provenance,
            config.capture,
            name="misfit-app",
            configuration=config.to_dict(),
            files=listed_files([*config.event, *config.stations]),
            names=ELEMENTS,
            package="misfit_app",
        ),
    )


def _inventory(
    sources: Sequence[str], events: Sequence[Event], skipped: list[Skipped]
) -> Any:
    """Return the sources of station metadata, those of each event if they differ."""
    labels = event_labels(events)
    by_event = {
        event.id: tuple(source.replace(PLACE, labels[event.id]) for source in sources)
        for event in events
    }
    for paths in dict.fromkeys(by_event.values()):
        try:
            _, defects = read_ahead(paths)
        except ParameterError as error:
            reason = str(error).removeprefix("inventory ")
            raise ParameterError(f"--stations {reason}") from None
        skipped += [entry for entry in defects if entry not in skipped]
    return by_event if any(PLACE in source for source in sources) else tuple(sources)


def _misfit_settings(config: Config) -> MisfitSettings:
    windows = "picked" if config.window_method == "flexwin" else config.window_method
    given = () if config.windows is None else read_windows(config.windows)
    differ = WeightSettings.of(config.to_dict()).differ
    assert config.periods_s is not None
    return MisfitSettings(
        bands=config.periods_s,
        measures=config.measure_list,
        pair_measures=config.pair_measure_list,
        corners=config.corners,
        windows=windows if config.windows is None else "given",
        given=given,
        judges=config.revalidate,
        picker=config.picker or {},
        earth_model=config.earth_model,
        phases=config.phases,
        min_surface_velocity_km_s=config.min_surface_velocity_km_s,
        phase_groups=config.phase_groups or (),
        group_shift_periods=config.group_shift_periods or {},
        max_surface_velocity_km_s=(
            config.max_surface_velocity_km_s or MisfitSettings.max_surface_velocity_km_s
        ),
        taper_fraction=config.taper_fraction,
        convention=config.convention,
        adjoints=bool(config.adjoint),
        keeps_records=config.figures,
        # the weights of adjoint sources are known when all stations are measured
        keeps_bands=bool(config.pair_measure_list or (differ and config.adjoint)),
    )


def _pair_settings(config: Config) -> PairSettings:
    assert config.periods_s is not None
    corners = config.pre_filt_hz
    periods = [period for band in config.periods_s for period in band]
    return PairSettings(
        periods_s=(min(periods), max(periods)),
        motion=config.motion,
        components=config.components,
        response=config.response == "remove",
        observed_motion=config.observed_motion or "velocity",
        pre_filt=None if corners is None else tuple(corners),  # type: ignore[arg-type]
        water_level_db=config.water_level_db,
        taper_s=config.taper_s or 0.0,
        pad_s=config.pad_s or 0.0,
        half_duration_s=config.half_duration_s,
    )


def _tasks(
    config: Config, events: Sequence[Event], skipped: list[Skipped]
) -> list[StationFiles]:
    sources = str(config.observed), str(config.synthetic)
    if len(events) > 1 and PLACE not in sources[1]:
        raise ParameterError(
            f"--event: {len(events)} events: choose one by --event-id, or name the "
            f"folders of their synthetics by --synthetic with {PLACE}"
        )
    labels = event_labels(events)
    known: dict[tuple[str, str], dict[str, list[str]] | None] = {}
    tasks = []
    for event in events:
        sides = []
        for source, option in zip(sources, ("--observed", "--synthetic"), strict=True):
            key = source.replace(PLACE, labels[event.id]), option
            if key not in known:
                known[key] = _side(*key, len(events) > 1, skipped)
            sides.append(known[key] or {})
        observed, synthetic = sides
        for code in sorted({*observed, *synthetic}):
            of_motion = _of_motion(synthetic.get(code, []), config.motion)
            tasks.append(
                StationFiles(event, code, tuple(observed.get(code, ())), of_motion)
            )
    for option, source in zip(("--observed", "--synthetic"), sources, strict=True):
        if all(files is None for (_, side), files in known.items() if side == option):
            raise ParameterError(f"{option} {source}: no event has such files")
    if not tasks:
        reason = f": {skipped[0].what}: {skipped[0].reason}" if skipped else ""
        raise ParameterError(
            f"--observed {sources[0]}: no waveforms that can be read{reason}"
        )
    return tasks


def _side(
    source: str, option: str, is_one_of_several: bool, skipped: list[Skipped]
) -> dict[str, list[str]] | None:
    """Return the files of each station of a side of an event.

    Of several events, one may lack a side, None: its stations are rejected then.
    """
    try:
        files = files_of(source, option, skipped)
    except ParameterError as error:
        if not is_one_of_several:
            raise
        reason = str(error).removeprefix(f"{option} {source}: ")
        skipped.append(Skipped("read", source, reason))
        return None
    return station_files(files, option == "--synthetic", skipped)


def _of_motion(paths: Sequence[str], motion: str) -> tuple[str, ...]:
    """Return the files of one motion: the wanted one, or the first that there is.

    A channel whose file has the wanted motion needs no conversion.
    """
    motions = {motion_of_file(path) for path in paths}
    for chosen in (motion, "", "displacement", "velocity", "acceleration"):
        if chosen in motions:
            return tuple(path for path in paths if motion_of_file(path) == chosen)
    return ()
