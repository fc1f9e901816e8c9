"""Runs of the VERCE platform, from its JSON files, which are accepted unchanged."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dispel4py.errors import DataError, ParameterError, suggest
from dispel4py.files import is_folder
from misfit_app.planning import Plan, chosen_events
from seismo_pes.comparing.verce import VercePreprocess
from seismo_pes.comparing.verce_chain import VerceChain
from seismo_pes.items.comparison import StationFiles
from seismo_pes.items.skipped import Skipped
from seismo_pes.measuring.misfit_settings import MisfitSettings
from seismo_pes.metadata import read_inventory
from seismo_pes.regular_file import read_text

__all__ = [
    "ELEMENTS",
    "RunInput",
    "read_chain",
    "read_parameters",
    "read_run_input",
    "verce_plan",
]

#: Elements of the graph, for the selection of terms.
ELEMENTS = (
    "Stations",
    "ReadPair",
    "VercePreprocess",
    "MeasureMisfits",
    "DrawStation",
    "WriteStation",
    "WriteIntermediate",
)
MISFIT_TYPES = ("time_frequency", "pyflex", "pyflex_and_time_frequency")
SUFFIXES = {"displacement": "d", "velocity": "v", "acceleration": "a"}
N_FREQUENCIES = 100
# Tapers of 5 % at each end of a window.
WINDOW_TAPER = 0.1
# Names of the options of windows in the files, and here.
PICKER = {
    "stalta_waterlevel": "water_level",
    "s2n_limit": "min_snr",
    "snr_max_base": "min_record_amplitude_ratio",
    "snr_integrate_base": "min_record_power_ratio",
    "tshift_acceptance_level": "max_shift_s",
    "tshift_reference": "shift_reference_s",
    "dlna_acceptance_level": "max_dlna",
    "dlna_reference": "dlna_reference",
    "cc_acceptance_level": "min_cc",
    "max_time_before_first_arrival": "max_before_arrival_s",
    "c_0": "internal_minimum",
    "c_1": "min_length_periods",
    "c_2": "prominence",
    "c_3a": "separation_height",
    "c_3b": "separation_periods",
    "c_4a": "before_periods",
    "c_4b": "after_periods",
    "window_signal_to_noise_type": "noise_type",
    "resolution_strategy": "overlap",
}
STRATEGIES = {"merge": "merge", "interval_scheduling": "schedule"}
# Sample numbers for which other values than these have no counterpart here.
INDICES = {
    "noise_start_index": (0, None),
    "noise_end_index": (None,),
    "signal_start_index": (None,),
    "signal_end_index": (-1, None),
}
OTHERS = (
    "misfit_type",
    "min_period",
    "max_period",
    "wavelet_parameter",
    "earth_model",
    "min_surface_wave_velocity",
    "check_global_data_quality",
)


@dataclass(frozen=True)
class RunInput:
    """Where the data of one event are.

    Attributes
    ----------
    observed, synthetic, stations : str
        Folders of waveforms and of StationXML.
    event : str
        QuakeML file.
    event_id : str
    codes : tuple of str
        Stations ``NET.STA``; all that have files, if it is empty.
    out : str
        Folder of the results.
    """

    observed: str
    synthetic: str
    stations: str
    event: str
    event_id: str
    codes: tuple[str, ...] = ()
    out: str = ""


def _read_json(path: str, option: str) -> Any:
    try:
        return json.loads(read_text(path))
    except OSError as error:
        raise ParameterError(f"{option} {path}: {error.strerror or error}") from None
    except DataError as error:
        raise ParameterError(f"{option} {error}") from None
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"{option} {path}: not JSON: {error}") from None


def read_chain(path: str) -> VerceChain:
    """Read a chain file such as ``pipelines.json``.

    Raises
    ------
    ParameterError
        If it cannot be read, or has an unknown step or parameter.
    """
    content = _read_json(path, "--chain")
    try:
        return VerceChain.of(content)
    except ParameterError as error:
        raise ParameterError(f"--chain {path}: {error}") from None


def _entries(content: Any) -> list[Mapping[str, Any]]:
    """Return the ``input`` objects of a file of VERCE, under any name of an element."""
    if not isinstance(content, Mapping):
        return []
    lists = [value for value in content.values() if isinstance(value, list)]
    return [
        entry["input"]
        for values in lists
        for entry in values
        if isinstance(entry, Mapping) and isinstance(entry.get("input"), Mapping)
    ]


def read_run_input(path: str) -> list[RunInput]:
    """Read a run input of VERCE: one or more events and their folders.

    Raises
    ------
    ParameterError
        If it cannot be read, or a key is missing.
    """
    entries = _entries(_read_json(path, "--input"))
    if not entries:
        raise ParameterError(f"--input {path}: has no list of inputs, readDataPE")
    inputs = []
    for entry in entries:
        keys = ("data_dir", "synt_dir", "stations_dir", "events", "event_id")
        for key in keys:
            if not isinstance(entry.get(key), str):
                raise ParameterError(f"--input {path}: {key} is missing")
        networks, stations = (
            _listed(entry.get(name, ())) for name in ("network", "station")
        )
        if len(networks) != len(stations):
            raise ParameterError(
                f"--input {path}: {len(networks)} networks for {len(stations)} stations"
            )
        codes = tuple(f"{n}.{s}" for n, s in zip(networks, stations, strict=True))
        inputs.append(
            RunInput(
                observed=entry["data_dir"],
                synthetic=entry["synt_dir"],
                stations=entry["stations_dir"],
                event=entry["events"],
                event_id=entry["event_id"],
                codes=codes,
                out=str(entry.get("output_dir", "")),
            )
        )
    return inputs


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(entry) for entry in value or ()]


def read_parameters(path: str) -> MisfitSettings:
    """Read the parameters of the measurement, such as `misfit_time_frequency.json`.

    Raises
    ------
    ParameterError
        If it cannot be read, or has an unknown or contradictory value.
    """
    content = _read_json(path, "--parameters")
    entries = _entries(content) or [content]
    sets = []
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise ParameterError(f"--parameters {path}: not a JSON object")
        given = dict(entry.get("parameters", entry))
        if "misfit_type" in entry:
            given.setdefault("misfit_type", entry["misfit_type"])
        if given not in sets:
            sets.append(given)
    if len(sets) > 1:
        raise ParameterError(
            f"--parameters {path}: its {len(sets)} inputs have different parameters: "
            "make a file of each"
        )
    try:
        settings = _settings(sets[0])
        settings.check()
    except (ParameterError, TypeError, ValueError) as error:
        raise ParameterError(f"--parameters {path}: {error}") from None
    return settings


def _settings(given: Mapping[str, Any]) -> MisfitSettings:
    known = (*OTHERS, *PICKER, *INDICES)
    for name in given:
        if name not in known:
            raise ParameterError(f"unknown parameter {name!r}: {suggest(name, known)}")
    kind = given.get("misfit_type")
    if kind not in MISFIT_TYPES:
        listed = ", ".join(MISFIT_TYPES)
        raise ParameterError(f"misfit_type {kind!r}: one of {listed} is known")
    band = float(given["min_period"]), float(given["max_period"])
    if not 0 < band[0] < band[1]:
        raise ParameterError("needs 0 < min_period < max_period")
    transform = {
        "n_frequencies": N_FREQUENCIES,
        "w0": float(given.get("wavelet_parameter", 6.0)),
    }
    measures: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    if kind != "time_frequency":
        measures += ("cc_time", {}), ("cc_amplitude", {})
    if kind != "pyflex":
        measures += ("tf_envelope", transform), ("tf_phase", transform)
    shared: dict[str, Any] = {"bands": (band,), "measures": measures, "filters": False}
    if kind == "time_frequency":
        return MisfitSettings(**shared)
    velocity = given.get("min_surface_wave_velocity")
    return MisfitSettings(
        **shared,
        windows="picked",
        picker=_picker(given),
        earth_model=str(given.get("earth_model", "ak135")),
        phases=("ttall",),
        min_surface_velocity_km_s=None if velocity is None else float(velocity),
        taper_fraction=WINDOW_TAPER,
    )


def _picker(given: Mapping[str, Any]) -> dict[str, Any]:
    for name, usual in INDICES.items():
        if given.get(name, usual[0]) not in usual:
            raise ParameterError(
                f"{name} {given[name]}: only {json.dumps(usual[0])} is supported: the "
                "noise is the time before the first arrival"
            )
    picker = {new: given[old] for old, new in PICKER.items() if old in given}
    strategy = picker.get("overlap", "interval_scheduling")
    if strategy not in STRATEGIES:
        listed = ", ".join(STRATEGIES)
        raise ParameterError(f"resolution_strategy {strategy!r}: one of {listed}")
    picker["overlap"] = STRATEGIES[strategy]
    if not given.get("check_global_data_quality", True):
        for name in ("min_record_amplitude_ratio", "min_record_power_ratio"):
            picker.pop(name, None)
    # without a guard against skipped cycles, as there
    return picker | {"max_shift_periods": 1.0}


def verce_plan(
    inputs: Sequence[RunInput],
    chain: VerceChain,
    settings: MisfitSettings,
    out: str,
    config: Mapping[str, Any],
    **more: Any,
) -> Plan:
    """Return the plan of a run in the mode that is compatible with VERCE.

    Parameters
    ----------
    inputs
        Events and their folders; all must have the same folder of StationXML.
    chain, settings
        From the chain file and the file of parameters.
    out
        Folder of the results.
    config
        The options, for the record of the run.
    more
        Other attributes of `Plan`.

    Raises
    ------
    ParameterError
        If a file or an event is missing.
    """
    folders = {entry.stations for entry in inputs}
    if len(folders) > 1:
        raise ParameterError("the events have different folders of StationXML")
    inventory = folders.pop()
    _, defects = read_inventory(inventory)
    tasks: list[StationFiles] = []
    skipped: list[Skipped] = list(defects)
    for entry in inputs:
        (event,), _ = chosen_events([entry.event], [entry.event_id])
        observed = _named(entry.observed, "*.?H?.mseed")
        suffix = SUFFIXES[chain.motion]
        synthetic = _named(entry.synthetic, f"*.?X?.seed{suffix}")
        codes = entry.codes or tuple(sorted({*observed, *synthetic}))
        if not codes:
            raise ParameterError(
                f"{entry.observed} and {entry.synthetic}: no NET.STA.*.?H?.mseed and "
                f"no NET.STA.?X?.seed{suffix}"
            )
        tasks += [
            StationFiles(
                event,
                code,
                tuple(observed.get(code, ())),
                tuple(synthetic.get(code, ())),
            )
            for code in codes
        ]
    preprocess = partial(VercePreprocess, chain, inventory)
    return Plan(
        Path(out), config, tuple(tasks), preprocess, settings,
        skipped=tuple(skipped), **more,
    )  # fmt: skip


def _named(folder: str, pattern: str) -> dict[str, list[str]]:
    """Return the files of a folder by the two codes at the start of their names."""
    path = Path(folder)
    if not is_folder(path):
        raise ParameterError(f"{folder}: no such folder")
    files: dict[str, list[str]] = {}
    for name in sorted(entry.name for entry in path.iterdir()):
        if fnmatch.fnmatch(name, pattern):
            code = ".".join(name.split(".")[:2])
            files.setdefault(code, []).append(str(path / name))
    return files
