"""The pairs of a run, and the channels that they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.application.options import flag
from seismo_pes.correlating.pairs.rotation import Rotation
from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.stations import Channel, PatternIndex, read_station_list
from seismo_pes.regular_file import read_text
from xcorr_app.config.pairs import PairOptions
from xcorr_app.planning.colocated import with_several_locations, without_radial
from xcorr_app.planning.components import Components
from xcorr_app.planning.table import ChannelTable

__all__ = ["ChosenPairs", "NoPairs", "choose_pairs", "rotation_of"]

BLOCK = 1024  # channels whose pairs are counted at once: 1 MB of booleans
RULES = (
    "components",
    "distance_km",
    "azimuth_deg",
    "pair_list",
    "networks",
    "new_stations",
)


class NoPairs(ParameterError):
    """No pair is left to correlate; like a run without a window, it exits with 1."""

    exit_status = 1


@dataclass(frozen=True)
class ChosenPairs:
    """The pairs of a run.

    Attributes
    ----------
    channels : list of Channel
        The channel table; pairs are indices into it. Rotated channels are among them.
    selection : PairSelection
        Which pairs of the table are correlated.
    rotation : Rotation or None
        The channels to rotate, if radial and transverse channels are wanted.
    recorded_ids : list of str
        Ids of the recorded channels that pairs need.
    n_pairs, n_possible : int
        Number of pairs that are correlated, and of all pairs of the table.
    skipped : list of Skipped
        Names in a list of pairs that no channel has, and pairs of two sensors at one
        place or station.
    """

    channels: list[Channel]
    selection: PairSelection
    rotation: Rotation | None
    recorded_ids: list[str]
    n_pairs: int
    n_possible: int
    skipped: list[Skipped]

    @property
    def recorded(self) -> list[int]:
        """Indices of the channels that are recorded, not computed by a rotation."""
        indices: list[int] = _recorded(len(self.channels), self.rotation).tolist()
        return indices


def choose_pairs(
    table: ChannelTable, options: PairOptions, components: Components
) -> ChosenPairs:
    """Choose the pairs of a channel table, and keep the channels that they need.

    Channels of earlier starts of the run are always kept.

    Parameters
    ----------
    table : ChannelTable
        All channels.
    options : PairOptions
        The rules for pairs.
    components : Components
        Whether components are rotated, and whether whole instruments are read.

    Raises
    ------
    ParameterError
        If a list cannot be read, or the rules exclude all pairs.
    """
    ids = [channel.id for channel in table.channels]
    skipped: list[Skipped] = []
    selection = _selection(options, table.channels, skipped)
    rotation = rotation_of(table.channels) if components.rotated else None
    n_pairs, needed = _count_pairs(selection, rotation, len(ids))
    if not n_pairs:
        n_possible = _n_possible(table.channels, rotation, options)
        raise NoPairs(_no_pair(options, ids, n_possible, table.not_rotated))
    needed_ids = _with_instruments(ids, needed, components.whole_instruments)
    kept_ids = needed_ids | table.earlier
    rows = [k for k, id_ in enumerate(ids) if id_ in kept_ids]
    kept = [table.channels[k] for k in rows]
    selection = selection.subset(np.array(rows))
    if rotation is not None:
        rotation = rotation_of(kept)
        skipped += without_radial(kept, rotation, selection)
    if "single-station" in options.pairs:
        skipped += with_several_locations(kept, selection)
    return ChosenPairs(
        kept,
        selection,
        rotation,
        [id_ for id_, name in table.names.items() if name in needed_ids],
        n_pairs,
        _n_possible(kept, rotation, options),
        skipped,
    )


def _with_instruments(
    ids: list[str], needed: np.ndarray, whole: bool
) -> frozenset[str]:
    """Return the ids of needed channels; if ``whole``, of their instruments."""
    needed_ids = {id_ for id_, is_needed in zip(ids, needed, strict=True) if is_needed}
    if whole:
        stems = {id_[:-1] for id_ in needed_ids}
        recorded = (id_ for id_ in ids if id_[-1:] not in "RT")
        needed_ids |= {id_ for id_ in recorded if id_[:-1] in stems}
    return frozenset(needed_ids)


def rotation_of(channels: Sequence[Channel]) -> Rotation:
    """Return the rotations of the channels of a table."""
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


# -- counting -----------------------------------------------------------------------


def _recorded(n: int, rotation: Rotation | None) -> np.ndarray:
    """Return the indices of the recorded channels."""
    computed: set[int] = set()
    if rotation is not None:
        computed = {k for _, r, t in rotation.rotated.values() for k in (r, t)}
    return np.array([k for k in range(n) if k not in computed], np.int64)


def _count_pairs(
    selection: PairSelection, rotation: Rotation | None, n: int
) -> tuple[int, np.ndarray]:
    """Return the number of pairs, and which of the ``n`` channels they need."""
    recorded = _recorded(n, rotation)
    needed = np.zeros(n, bool)
    n_pairs = 0
    for a in range(0, len(recorded), BLOCK):
        for b in range(a, len(recorded), BLOCK):
            i, j = recorded[a : a + BLOCK], recorded[b : b + BLOCK]
            wanted = selection.allowed(i, j) & (i[:, None] <= j)
            n_pairs += int(wanted.sum())
            needed[i] |= wanted.any(axis=1)
            needed[j] |= wanted.any(axis=0)
    if rotation is not None:
        pairs = rotation.pairs(recorded, recorded, selection)
        n_pairs += int(pairs.wanted.sum())
        for side in (pairs.a, pairs.b):
            needed[recorded[side.reshape(-1)]] = True
        needed[pairs.rotated.reshape(-1)] = True
    return n_pairs, needed


def _n_possible(
    channels: Sequence[Channel], rotation: Rotation | None, options: PairOptions
) -> int:
    """Return the number of pairs of the wanted kinds, without other rules."""
    n = len(_recorded(len(channels), rotation))
    return n * (n - 1) // 2 + (n if "auto" in options.pairs else 0)


def _no_pair(
    options: PairOptions,
    ids: Sequence[str],
    n_possible: int,
    not_rotated: list[Skipped],
) -> str:
    """Return the error that names the rules which exclude all pairs."""
    rules = [name for name in RULES if getattr(options, name) is not None]
    spelled = [_spelled(name, getattr(options, name)) for name in rules]
    spelled.append(f"--pairs {' '.join(options.pairs)}")
    examples = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
    if len(ids) == 1 and not rules:
        return f"the only channel is {ids[0]}, which has no pairs: add --pairs auto"
    hint = f"; {not_rotated[0].what} {not_rotated[0].reason}" if not_rotated else ""
    return (
        f"no pair is left of {n_possible:,} by {', '.join(spelled)}; channels are "
        f"{examples}{hint}"
    )


def _spelled(name: str, value: object) -> str:
    if isinstance(value, tuple):
        words = [f"{v:g}" if isinstance(v, float) else str(v) for v in value]
        return f"{flag(name)} {' '.join(words)}"
    return f"{flag(name)} {value}"


# -- rules --------------------------------------------------------------------------


def _selection(
    options: PairOptions, channels: Sequence[Channel], skipped: list[Skipped]
) -> PairSelection:
    """Apply the rules to a channel table; add listed names without a channel."""
    index = {channel.id: k for k, channel in enumerate(channels)}
    listed = members = networks = None
    if options.pair_list is not None:
        names = _listed_pairs(options.pair_list, list(index), skipped)
        listed = {(index[first], index[second]) for first, second in names}
    if options.new_stations is not None:
        patterns = PatternIndex(read_station_list(options.new_stations))
        members = {k for id_, k in index.items() if patterns.matching(id_)}
    if options.networks is not None:
        crosses = [cross.split(" x ") for cross in options.networks]
        networks = [(first, second) for first, second in crosses]
    return PairSelection(
        list(index),
        [channel.latitude for channel in channels],
        [channel.longitude for channel in channels],
        kinds=options.pairs,
        components=options.components,
        distance_km=options.distance_km,
        azimuth_deg=options.azimuth_deg,
        listed=listed,
        networks=networks,
        members=members,
    )


def _listed_pairs(
    path: str, ids: list[str], skipped: list[Skipped]
) -> frozenset[tuple[str, str]]:
    """Return the pairs of channels in a file."""
    matches: dict[str, list[str]] = {}
    pairs: set[tuple[str, str]] = set()
    for place, *names in _pair_lines(path):
        for name in names:
            if name not in matches:
                matches[name] = [id_ for id_ in ids if _matches(name, id_)]
        reason = f"not among the channels of the run ({place})"
        unknown = [name for name in names if not matches[name]]
        skipped += [Skipped("select", name, reason) for name in unknown]
        first, second = names
        pairs |= {(a, b) for a in matches[first] for b in matches[second]}
    return frozenset(pairs)


def _pair_lines(path: str) -> Iterator[tuple[str, str, str]]:
    """Yield file and line number, and the two names of each line."""
    try:
        text = read_text(path)
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


def _matches(name: str, channel_id: str) -> bool:
    n_codes = name.count(".") + 1
    return fnmatchcase(".".join(channel_id.split(".")[:n_codes]), name)
