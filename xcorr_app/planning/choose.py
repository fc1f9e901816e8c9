"""From options to the channels and pairs that a run correlates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.application.options import flag
from seismo_pes.correlating.pairs.rotation import Rotation
from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.stations import Channel, PatternIndex, read_station_list
from seismo_pes.signal.errors import ParameterError as SignalError
from seismo_pes.stacking.stacks import stack
from xcorr_app.config import Config

__all__ = [
    "Choice",
    "Turned",
    "check_stacks",
    "choose",
    "needed_codes",
    "oriented_names",
    "rotated_channels",
]

BLOCK = 1024
RULES = (
    "components",
    "distance_km",
    "azimuth_deg",
    "pair_list",
    "networks",
    "new_stations",
)


@dataclass(frozen=True)
class Choice:
    """Which pairs of a channel table are correlated.

    Attributes
    ----------
    selection : PairSelection
    used : numpy.ndarray
        Shape (n,), bool: the channels that any pair needs.
    n_pairs, n_possible : int
        Pairs that are chosen, and that there are.
    skipped : list of Skipped
        Lines of lists that mean nothing here.
    """

    selection: PairSelection
    used: np.ndarray
    n_pairs: int
    n_possible: int
    skipped: list[Skipped]


# -- channels -----------------------------------------------------------------------


def needed_codes(config: Config) -> list[str] | None:
    """Return the channel codes that the pairs of components need; None: no rule.

    >>> plain = {"stations": "a", "data": "b", "out": "c"}
    >>> needed_codes(Config(**plain, components=["ZZ", "RT"]))
    ['??E', '??N', '??Z']
    >>> needed_codes(Config(**plain)) is None
    True
    """
    if config.components is None:
        return None
    letters = {letter for pair in config.components for letter in pair}
    if letters & {"R", "T"}:
        letters = letters - {"R", "T"} | set("ZNE")
    if config.across_components:
        letters |= set("ZNE12")
    if config.orients:
        letters |= set("ZNE123")
    return [f"??{letter}" for letter in sorted(letters)]


def oriented_names(channel_ids: Sequence[str]) -> dict[str, str]:
    """Return what each channel is called once its instrument is turned to Z, N, E.

    Instruments that do not have two or three components keep their names.

    >>> oriented_names(["X.A..BH1", "X.A..BH2", "X.A..BHZ"])
    {'X.A..BH1': 'X.A..BHN', 'X.A..BH2': 'X.A..BHE', 'X.A..BHZ': 'X.A..BHZ'}
    """
    names: dict[str, str] = {}
    for stem, letters in _instruments(channel_ids).items():
        free = [one for one in "ZNE"[-len(letters) :] if one not in letters]
        if not 2 <= len(letters) <= 3 or (len(letters) == 2 and "Z" in letters):
            free, letters = [], ""
        # 1 and 2 stand for north and east, 3 or what else there is for the vertical
        for letter in sorted(letters, key="12NEZ3".find):
            kept = letter in "ZNE"[-len(letters) :]
            order = {"1": "NEZ", "2": "ENZ"}.get(letter, "ZNE")
            new = letter if kept else next(one for one in order if one in free)
            free = [one for one in free if one != new]
            names[stem + letter] = stem + new
    return {id_: names.get(id_, id_) for id_ in channel_ids}


def _instruments(channel_ids: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for id_ in channel_ids:
        found[id_[:-1]] = found.get(id_[:-1], "") + id_[-1:]
    return found


@dataclass(frozen=True)
class Turned:
    """Channels R and T that are made of N and E.

    Attributes
    ----------
    channels : list of Channel
        R and T of each instrument that has all it needs.
    skipped : list of Skipped
        Instruments that have not.
    """

    channels: list[Channel]
    skipped: list[Skipped]


def rotated_channels(located: Mapping[str, Channel]) -> Turned:
    """Return the channels R and T of the instruments that can be turned."""
    channels, skipped = [], []
    for stem, letters in _instruments(list(located)).items():
        if not set("ZNE") <= set(letters):
            hint = "; --orient makes N and E of 1 and 2" if "1" in letters else ""
            reason = f"has components {', '.join(sorted(letters))}, not Z, N, E{hint}"
            skipped.append(Skipped("rotate", stem + "?", f"not turned: {reason}"))
            continue
        z = located[stem + "Z"]
        if not np.isfinite([z.latitude, z.longitude]).all():
            reason = "not turned: its coordinates are unknown"
            skipped.append(Skipped("rotate", stem + "?", reason))
            continue
        place = z.latitude, z.longitude, z.elevation_m
        channels += [Channel(stem + letter, *place) for letter in "RT"]
    return Turned(channels, skipped)


def rotation_of(channels: Sequence[Channel]) -> Rotation:
    """Return which channels of a table are turned to which others."""
    index = {channel.id: k for k, channel in enumerate(channels)}
    triplets: dict[int, tuple[int, int, int]] = {}
    rotated: dict[int, tuple[int, int, int]] = {}
    for stem in dict.fromkeys(id_[:-1] for id_ in index):
        if all(stem + letter in index for letter in "ZNERT"):
            z, n, e, r, t = (index[stem + letter] for letter in "ZNERT")
            triplets |= dict.fromkeys((z, n, e), (z, n, e))
            rotated |= dict.fromkeys((z, n, e), (z, r, t))
    return Rotation(
        triplets,
        rotated,
        tuple(channel.latitude for channel in channels),
        tuple(channel.longitude for channel in channels),
    )


# -- stacks -------------------------------------------------------------------------


def check_stacks(config: Config, rate_hz: float) -> None:
    """Try the ways of stacking that are asked for, with their parameters.

    Raises
    ------
    ParameterError
        If a parameter is unknown, missing or out of range.
    """
    noise = np.random.default_rng(0).standard_normal((5, 65))
    trial = noise[0] + 0.1 * noise[1:]  # alike, so that none is refused for itself
    for name in ("window_stack", "stack"):
        kind = getattr(config, name)
        if kind == "linear":
            continue
        windows = Correlation.of("X.A..Z", "X.B..Z", trial, rate_hz)
        try:
            stack(windows, kind, **(config.stack_options or {}))
        except (ParameterError, SignalError) as error:
            said = str(error).removeprefix(f"stack {kind!r}: ")
            raise ParameterError(
                f"--stack-options for {flag(name)} {kind}: {said}"
            ) from None


# -- pairs --------------------------------------------------------------------------


def choose(
    config: Config, channels: Sequence[Channel], rotation: Rotation | None = None
) -> Choice:
    """Make the selection of pairs that the options describe.

    Raises
    ------
    ParameterError
        If a list cannot be read, or no pair is left.
    """
    ids = [channel.id for channel in channels]
    skipped: list[Skipped] = []
    listed = members = None
    if config.pair_list is not None:
        listed = _listed_pairs(config.pair_list, ids, skipped)
    if config.new_stations is not None:
        index = PatternIndex(read_station_list(config.new_stations))
        members = {k for k, id_ in enumerate(ids) if index.matching(id_)}
    networks = None
    if config.networks is not None:
        crosses = [one.split(" x ") for one in config.networks]
        networks = [(first, second) for first, second in crosses]
    selection = PairSelection(
        ids,
        [channel.latitude for channel in channels],
        [channel.longitude for channel in channels],
        kinds=config.pairs,
        components=config.components,
        distance_km=config.distance_km,
        azimuth_deg=config.azimuth_deg,
        listed=listed,
        networks=networks,
        members=members,
    )
    n_pairs, n_possible, used = _counted(config, selection, rotation, len(ids))
    if not n_pairs:
        raise ParameterError(_nothing_left(config, ids, n_possible))
    return Choice(selection, used, n_pairs, n_possible, skipped)


def _counted(
    config: Config, selection: PairSelection, rotation: Rotation | None, n: int
) -> tuple[int, int, np.ndarray]:
    """Return how many pairs are chosen, and are possible, and the channels used."""
    made = set() if rotation is None else _made(rotation)
    real = np.array([k for k in range(n) if k not in made], np.int64)
    used = np.zeros(n, bool)
    n_pairs = 0
    for a in range(0, len(real), BLOCK):
        for b in range(a, len(real), BLOCK):
            i, j = real[a : a + BLOCK], real[b : b + BLOCK]
            wanted = selection.allowed(i, j) & (i[:, None] <= j)
            n_pairs += int(wanted.sum())
            used[i] |= wanted.any(axis=1)
            used[j] |= wanted.any(axis=0)
    if rotation is not None:
        pairs = rotation.pairs(real, real, selection)
        n_pairs += int(pairs.wanted.sum())
        for side in (pairs.a, pairs.b):
            used[real[side.reshape(-1)]] = True
        used[pairs.rotated.reshape(-1)] = True
    n_auto = len(real) if "auto" in config.pairs else 0
    return n_pairs, len(real) * (len(real) - 1) // 2 + n_auto, used


def _made(rotation: Rotation) -> set[int]:
    return {k for _, r, t in rotation.rotated.values() for k in (r, t)}


def _nothing_left(config: Config, ids: Sequence[str], n_possible: int) -> str:
    rules = [name for name in RULES if getattr(config, name) is not None]
    said = ", ".join(_spelled(name, getattr(config, name)) for name in rules)
    kinds = f"--pairs {' '.join(config.pairs)}"
    examples = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
    if len(ids) == 1 and not rules:
        return f"there is one channel ({ids[0]}) and no pair: add --pairs auto"
    return (
        f"no pair is left of {n_possible:,} by {said + ', ' if said else ''}{kinds}; "
        f"channels are {examples}"
    )


def _spelled(name: str, value: object) -> str:
    if isinstance(value, tuple):
        words = [f"{v:g}" if isinstance(v, float) else str(v) for v in value]
        return f"{flag(name)} {' '.join(words)}"
    return f"{flag(name)} {value}"


def _listed_pairs(
    path: str, ids: Sequence[str], skipped: list[Skipped]
) -> set[tuple[int, int]]:
    """Return the pairs of indices that a file lists."""
    found: dict[str, list[int]] = {}
    pairs: set[tuple[int, int]] = set()
    for where, *words in _pair_lines(path):
        for word in words:
            if word not in found:
                found[word] = [k for k, id_ in enumerate(ids) if _means(word, id_)]
        lost = [word for word in words if not found[word]]
        if lost:
            reason = f"not among the channels of the run ({where})"
            skipped += [Skipped("select", word, reason) for word in lost]
        pairs |= {(i, j) for i in found[words[0]] for j in found[words[1]]}
    return pairs


def _pair_lines(path: str) -> Iterator[tuple[str, str, str]]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ParameterError(f"--pair-list {path}: {reason}") from error
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        if len(words) != 2 or not all(w.count(".") in (1, 3) for w in words):
            raise ParameterError(
                f"{path}:{number}: {line.strip()!r} is not two stations or channels: "
                "write CI.CCA CI.HEC or CI.CCA..BHZ CI.HEC..BHZ"
            )
        yield f"{path}:{number}", words[0], words[1]


def _means(word: str, channel_id: str) -> bool:
    n_codes = word.count(".") + 1
    return fnmatchcase(".".join(channel_id.split(".")[:n_codes]), word)
