"""The text of ``xcorr-app info OUT --pair A B --lineage``."""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from obspy import UTCDateTime

__all__ = ["lineage_page"]

#: Endings of the names of parameters, and the units that they stand for.
UNITS = {"_s": "s", "_hz": "Hz", "_km": "km", "_db": "dB", "_octaves": "octaves"}
NS = 1_000_000_000
#: Parameters of elements that no user chooses: places, memory, tables of the run.
INTERNAL = frozenset(
    (
        *("out", "spool_folder", "memory_bytes", "session", "run_id", "about"),
        *("blocks", "channels", "needed", "pairs", "channel_ids", "parts", "origin_ns"),
        *("all_rates", "unit_energy", "coherent", "n_lags"),
    )
)
#: Width of the names of steps.
WIDTH = 18
#: Characters of a line of parameters.
PAGE = 88


def lineage_page(found: Mapping[str, Any]) -> str:
    """Return what the correlations of a pair were made of.

    Parameters
    ----------
    found
        See `xcorr_app.reporting.lineage.lineage_json`.
    """
    first, second = found["pair"]
    lines = [f"The correlations of {first} and {second}", "", "waveforms"]
    wide = max(map(len, found["pair"]))
    # a file with samples of two days is read for each of them
    files = {f"  {f['channel']:{wide}}  {_file_text(f)}" for f in found["files"]}
    lines += sorted(files)
    others = {f["path"]: f for run in found["runs"] for f in run["files"]}
    if others:
        lines += ["", "stations and responses"]
        lines += [f"  {_file_text(file)}" for file in others.values()]
    lines += ["", "steps", *_steps(found["steps"])]
    lines += ["", "made by", *_makers(found["runs"])]
    lines += [f"not known: {reason}" for reason in dict.fromkeys(found["lost"])]
    last = found["steps"][-1]["products"] if found["steps"] else []
    if last:
        lines += [
            "",
            "The ids of all products are in --json. To compute the last one again:",
            f"  dispel4py prov rerun {last[-1]} --provenance {found['provenance']}",
        ]
    return "\n".join(lines)


def _file_text(file: Mapping[str, Any]) -> str:
    digest = f"  sha256 {file['sha256'][:12]}" if file["sha256"] else ""
    size = "" if file["size"] is None else f"  {file['size']:,} bytes"
    return f"{file['path']}{size}{digest}"


def _makers(runs: list[dict[str, Any]]) -> Iterator[str]:
    """Yield one line for the runs with the same user, host and software."""
    lines: dict[str, list[str]] = {}
    for run in runs:
        software = ", ".join(f"{k} {v}" for k, v in (run["versions"] or {}).items())
        moment = str(UTCDateTime(run["began"]))[:19].replace("T", " ")
        lines.setdefault(f"{run['user']} on {run['host']}, {software}", []).append(
            f"{moment} UTC (run {run['id']})"
        )
    for who, when in lines.items():
        yield f"  {who}"
        yield from (f"    {text}" for text in when)


def _steps(steps: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of all steps; a parameter that was named is not named again."""
    known: set[str] = set()
    for step in steps:
        name = str(step["pe"]).rstrip("0123456789")
        about = _about(str(step["class"]))
        yield f"  {name:{WIDTH}} {about}".rstrip()
        words = [w for w in _words(step["parameters"] or {}) if w not in known]
        known.update(words)
        if words:
            yield from _wrapped(", ".join(words))
        n = len(step["products"])
        result = "1 result" if n == 1 else f"{n} results"
        times = step["interval"]
        span = f", {times[0][:16]} to {times[1][:16]}" if times else ""
        yield f"  {'':{WIDTH}}   {result}{span.replace('T', ' ')}"


def _wrapped(text: str) -> list[str]:
    """Return the lines of a text below the name of its step."""
    indent = " " * (WIDTH + 5)
    return textwrap.wrap(
        text,
        PAGE,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
    )


def _about(name: str) -> str:
    """Return the first sentence of the documentation of an element."""
    module, _, qualified = name.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), qualified)
    except (ImportError, AttributeError, ValueError):  # of another installation
        return ""
    text = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    return " ".join(text.replace("`", "").split()).rstrip(".")


def _words(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parameters that a user chooses, with units, also those of settings."""
    for name, value in parameters.items():
        if name in INTERNAL or value is None or value is False:
            continue
        if isinstance(value, Mapping):
            yield from _words(value)
        elif isinstance(value, str) and value.startswith("<"):
            continue  # an object, of which the record has only the class
        elif text := _value_text(value):
            label, unit, factor = _label(name)
            if value is True:
                yield label
            else:
                number = value / factor if factor != 1 else value
                shown = _value_text(number) if factor != 1 else text
                yield f"{label} {shown}{f' {unit}' if unit else ''}"


def _label(name: str) -> tuple[str, str, int]:
    """Return the words of a name, its unit, and what its values are divided by.

    >>> _label("max_lag_s"), _label("length_ns"), _label("whiten")
    (('max lag', 's', 1), ('length', 's', 1000000000), ('whiten', '', 1))
    """
    if name.endswith("_ns"):
        return name.removesuffix("_ns").replace("_", " "), "s", NS
    for ending, unit in UNITS.items():
        if name.endswith(ending):
            return name.removesuffix(ending).replace("_", " "), unit, 1
    return name.replace("_", " "), "", 1


def _value_text(value: Any) -> str:
    """Return a number, text or short list; "" for what has no short form.

    >>> _value_text(3600.0), _value_text([0.1, 1.0]), _value_text([])
    ('3600', '0.1-1', '')
    """
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        numbers = all(isinstance(v, int | float) for v in value)
        return "-".join(map(_value_text, value)) if numbers and len(value) == 2 else ""
    return str(value)
