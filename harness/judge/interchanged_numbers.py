"""Numbers of a listing that are right where they are not printed: two rows are interchanged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import msgspec

from harness.judge.listing import printed
from harness.judge.number_verdict import ROW, SPREADS, Finding, near


def interchanged(
    findings: Sequence[Finding], tried: Callable[[Finding, str], bool]
) -> tuple[Finding, ...]:
    """Return the findings, with two wrong numbers named that are each other's.

    Parameters
    ----------
    tried : callable
        Whether the number of a coefficient is right for another label.
    """
    out = list(findings)
    wrong = [i for i, one in enumerate(out) if one.truth in ("false", "mistake")]
    left = set(wrong)

    def fits(one: Finding, other: Finding) -> bool:
        if one.quantity not in SPREADS:
            return tried(one, other.item)
        number = printed(one.text, one.quantity)
        return number.holds(other.right, near(number.value))

    for i, k in combinations(wrong, 2):
        one, other = out[i], out[k]
        if one.quantity != other.quantity or one.text == other.text or not {i, k} <= left:
            continue
        if fits(one, other) and fits(other, one):
            left -= {i, k}
            for at, item in ((i, other.item), (k, one.item)):
                out[at] = msgspec.structs.replace(
                    out[at], truth="mistake", mistake=ROW + item, definitions=()
                )
    return tuple(out)
