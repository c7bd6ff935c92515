"""One printed number: right to its digits, or but for the last, a known mistake, or wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from harness.base.json import Real
from harness.judge.listing import PrintedValue
from harness.judge.slips import slip

Truth = Literal["true", "stopping", "mistake", "false", "not judged"]
"""``stopping``: not to the printed digits, and within what optimizers leave; ``mistake``: false,
and what it is instead is known; ``not judged``: at the optimum the quantity has no value."""

_TOLD = 10.0
"""Halves of a unit of the last digit by which a mistake has to differ from what is right."""

SPREADS = ("variance", "sd", "correlation", "covariance", "sd ratio")
"""Quantities of random effects and residuals."""

_SLIPPED = 4.0
"""Halves of a unit of the last digit that optimizers may leave where digits have slipped."""

ROW = "row "
"""How a mistake begins that is another row's number; the label of that row follows."""

RULE = "rule "
"""How a mistake begins that is the df of another rule than the rest; that rule follows."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A printed number, judged.

    Attributes
    ----------
    quantity, item : str
        ``"se"`` of the label ``"treatment T"``.
    text : str
        As printed.
    right : float
        By the first definition that fits, or by the commonest; in the printed units.
    definitions : tuple of str
        All that give the printed digits.
    mistake : str
        What the number is instead; empty where that is not known.
    """

    quantity: str
    item: str
    text: str
    right: Real
    definitions: tuple[str, ...]
    truth: Truth
    mistake: str = ""


def judged(
    quantity: str,
    item: str,
    printed: PrintedValue,
    candidates: Sequence[tuple[str, float]],
    mistakes: Sequence[tuple[str, float]],
    slack: float,
    *,
    sign: bool = False,
) -> Finding:
    """Judge one number: to its digits, within what optimizers leave, or as a known mistake.

    Parameters
    ----------
    candidates : sequence of (str, float)
        The number by each of its definitions, the commonest first.
    mistakes : sequence of (str, float)
        What it may be instead.
    slack : float
        What optimizers leave of it.
    sign : bool
        Whether a slip of its sign is none of ``mistakes`` and is to be tried, too.
    """

    def first(pairs: Sequence[tuple[str, float]], room: float) -> list[tuple[str, float]]:
        return [
            (k, v)
            for k, v in pairs
            if (printed.low == v if math.isinf(v) else printed.holds(v, room))
        ]

    def finding(
        pairs: Sequence[tuple[str, float]],
        truth: Truth,
        mistake: str = "",
        right: float = candidates[0][1],
    ) -> Finding:
        right = pairs[0][1] if pairs and not mistake else right
        names = tuple(dict.fromkeys(k for k, _ in pairs)) if not mistake else ()
        return Finding(
            quantity=quantity,
            item=item,
            text=printed.text,
            right=right,
            definitions=names,
            truth=truth,
            mistake=mistake,
        )

    exact = first(candidates, near(printed.value))
    if exact:
        return finding(exact, "true")
    wrong = first(mistakes, near(printed.value))
    close = first(candidates, slack)
    # What optimizers leave meets a mistake by chance where that is a few units of the digits away.
    if close and not any(abs(v - close[0][1]) > _TOLD * printed.half for _, v in wrong):
        return finding(close, "stopping")
    if wrong := wrong or first(mistakes, slack if math.isfinite(slack) else 0.0):
        return finding(wrong, "mistake", wrong[0][0])
    room = min(slack, _SLIPPED * printed.half)
    if (slipped := slip(printed, candidates, room, sign=sign)) is not None:
        return finding([], "mistake", *slipped)
    return finding([], "false")


def open_finding(quantity: str, item: str, printed: PrintedValue) -> Finding:
    """Return a number of a quantity that has no value at the optimum."""
    return Finding(
        quantity=quantity,
        item=item,
        text=printed.text,
        right=math.nan,
        definitions=(),
        truth="not judged",
    )


def near(value: float) -> float:
    """Return what a program's arithmetic leaves of a number."""
    return 1e-7 * abs(value) if math.isfinite(value) else 0.0
