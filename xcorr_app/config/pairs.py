"""Options of the table ``[pairs]``: which pairs of channels are correlated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from dispel4py.errors import ParameterError
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import option
from seismo_pes.methods import PAIRS

_pairs = partial(option, "pairs")


def _component_pairs(words: tuple[str, ...], label: str) -> tuple[str, ...]:
    """Return pairs of components; three letters mean all nine.

    >>> _component_pairs(("ZRT",), "--components")[:4]
    ('ZZ', 'ZR', 'ZT', 'RZ')
    """
    pairs: list[str] = []
    for word in map(str.upper, words):
        if len(word) not in (2, 3) or not word.isalnum():
            raise ParameterError(
                f"{label} {word}: not two components: write ZZ, RT, or ZRT for all nine"
            )
        is_triple = len(word) == 3
        pairs += [a + b for a in word for b in word] if is_triple else [word]
    return tuple(dict.fromkeys(pairs))


def _are_azimuths(degrees: tuple[float, float], label: str) -> tuple[float, float]:
    low, high = degrees
    if not (-360 <= low <= 360 and -360 <= high <= 360):
        raise ParameterError(
            f"{label} {low:g} {high:g}: must be 0 to 360, clockwise from north"
        )
    return degrees


@dataclass(frozen=True, kw_only=True)
class PairOptions(Configuration):
    """Which pairs of channels are correlated."""

    pairs: tuple[str, ...] = _pairs(
        "choices",
        "pairs of two stations (cross), of two components of one station "
        "(single-station), of a channel with itself (auto)",
        default=("cross", "single-station"),
        choices=PAIRS,
        metavar="KIND",
    )
    autocorrelations: bool = _pairs(
        "flag", "the same as auto in --pairs", default=False, rare=True
    )
    components: tuple[str, ...] | None = _pairs(
        "texts",
        "only these pairs of components: ZZ RT; ZNE or ZRT for all nine; R and T are "
        "rotated from Z, N, E to the great circle of each pair (see --orient)",
        metavar="AB",
        example='["ZZ", "RR", "TT"]',
        parse=_component_pairs,
    )
    distance_km: tuple[float, float] | None = _pairs(
        "range",
        "only pairs of stations whose distance is in this range",
        unit="km",
        example="[5.0, 500.0]",
        least=0,
    )
    azimuth_deg: tuple[float, float] | None = _pairs(
        "numbers",
        "only pairs in which one station lies in this direction from the other, "
        "degrees from north, clockwise from LO to HI; 350 10 is northward",
        metavar=("LO", "HI"),
        example="[350.0, 10.0]",
        parse=_are_azimuths,
    )
    pair_list: str | None = _pairs(
        "text",
        "only the pairs of this file: lines of two stations or channels, A B, with "
        "wildcards; # begins a comment",
        metavar="FILE",
        example='"pairs.txt"',
    )
    networks: tuple[str, ...] | None = _pairs(
        "crosses",
        "only pairs of these networks: 'CI x AZ', with wildcards",
        metavar="'A x B'",
        example='["CI x AZ", "CI x CI"]',
    )
    new_stations: str | None = _pairs(
        "text",
        "only pairs with a station of this list (written as for --stations): new "
        "stations against all",
        metavar="FILE",
        example='"new.txt"',
        rare=True,
    )
