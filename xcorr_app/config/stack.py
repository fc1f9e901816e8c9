"""Options of the table ``[stack]``: which stacks of the windows of a pair are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import Needs, When, option
from seismo_pes.methods import STACKS

_stack = partial(option, "stack")

WITH_SUBSTACKS = When("substack", "window", "hour", "day")


def length_of_substack(config: Any) -> float:
    """Return the time from one substack to the next, in seconds."""
    lengths_s = {"day": 86_400.0, "hour": 3600.0, "window": config.step_s}
    return float(lengths_s[config.substack])


@dataclass(frozen=True, kw_only=True)
class StackOptions(Configuration):
    """Which stacks of the windows of a pair are kept, and how they are made."""

    substack: str = _stack(
        "choice",
        "keep the stack of each UTC day or hour, or each window, beside the stack of "
        "the whole run",
        default="none",
        choices=("none", "window", "hour", "day"),
    )
    window_stack: str = _stack(
        "choice",
        "how windows are stacked for a day (an hour with --substack hour); the stack "
        "of several days is their mean, unless --stack names another method",
        default="linear",
        choices=STACKS,
        metavar="KIND",
        rare=True,
    )
    stack: str = _stack(
        "choice",
        "how the substacks of --substack are combined to the stack of the whole run "
        "and to moving stacks",
        default="linear",
        choices=STACKS,
        metavar="KIND",
        needs=(
            Needs(
                (WITH_SUBSTACKS,),
                "is made of the stacks of --substack: add --substack day|hour|window "
                "(or use --window-stack)",
            ),
        ),
    )
    stack_options: Mapping[str, Any] | None = _stack(
        "settings",
        "parameters of --stack and --window-stack, such as power=2 or threshold=0.5 "
        "(see docs/xcorr-app.md)",
        metavar="NAME=VALUE",
        otherwise="those of the method",
        example="{ power = 2 }",
        needs=(
            Needs(
                (When("stack", *STACKS[1:]), When("window_stack", *STACKS[1:])),
                "has no effect with linear stacks: add --stack KIND",
            ),
        ),
        rare=True,
    )
    moving_s: float | None = _stack(
        "number",
        "keep moving stacks of this length, too; needs --substack",
        unit="s",
        otherwise="none",
        example="432000.0",
        above=0,
        only_with=WITH_SUBSTACKS,
    )
    moving_step_s: float | None = _stack(
        "number",
        "time from one moving stack to the next",
        unit="s",
        fill=length_of_substack,
        otherwise="one day, hour or window, as --substack",
        example="86400.0",
        above=0,
        only_with=When("moving_s"),
        rare=True,
    )
    uncertainty: bool = _stack(
        "flag",
        "keep the standard deviation of the stack of the whole run, by bootstrap over "
        "the substacks of --substack",
        default=False,
        needs=(
            Needs(
                (WITH_SUBSTACKS,),
                "is drawn from the substacks of --substack: add --substack "
                "day|hour|window",
            ),
        ),
    )
