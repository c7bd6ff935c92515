"""Whether the printed variances of a random term can be those of a covariance matrix at all.

Variances are not negative, correlations lie between -1 and 1, and the matrix of the correlations
has no negative eigenvalue. Printed numbers are intervals: a term is impossible where no matrix that
is printed so has these properties.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from harness.base.json import Real
from harness.judge.listing import Listing, PrintedValue
from harness.judge.listing_match import Matched

Array = NDArray[np.float64]

_CUTS = 60
"""Eigenvectors, at most, by which the best eigenvalue is bounded."""

_ROUNDING = 1e-9


class Impossible(msgspec.Struct, frozen=True, kw_only=True):
    """What no covariance matrix has.

    Attributes
    ----------
    group : str
        Of the random term; empty for the residual.
    effects : tuple of str
        The variance's, the correlation's, or all of the term.
    label : str
        Of the number, as it is printed; empty for an eigenvalue.
    value : float
        The variance, the correlation, or the least eigenvalue of the correlations, as printed.
    nearest : float
        The possible that is nearest within the printed digits: it is none, either.
    """

    group: str
    effects: tuple[str, ...]
    what: Literal["variance", "correlation", "covariance", "eigenvalue"]
    label: str
    value: Real
    nearest: Real


def impossible(listing: Listing, matched: Matched) -> tuple[Impossible, ...]:
    """Return what is printed of variances, correlations and covariances and cannot be."""
    return tuple(_found(listing, matched))


def _found(listing: Listing, matched: Matched) -> Iterator[Impossible]:
    random = matched.rung.case.design.random
    for label, (t, k) in matched.spreads.items():
        number = listing.spreads[label].printed
        if number.high < 0.0:
            effects = (random[t].names[k],) if t >= 0 else ()
            yield Impossible(
                group=random[t].group if t >= 0 else "",
                effects=effects,
                what="variance",
                label=label,
                value=number.value,
                nearest=number.high,
            )
    for t, term in enumerate(random):
        wrong = list(_pairs(listing, matched, t))
        yield from wrong
        if not wrong and len(term.names) > 2:
            yield from _eigenvalue(listing, matched, t)


def _pairs(listing: Listing, matched: Matched, t: int) -> Iterator[Impossible]:
    term = matched.rung.case.design.random[t]
    for printed, places, what in _sources(listing, matched):
        for label, (of, a, b) in places.items():
            if of != t:
                continue
            number = printed[label]
            low, high, value = number.low, number.high, number.value
            if what == "covariance":
                low, high, value = _correlation(listing, matched, number, (t, a, b))
            least = low if low > 0.0 else high if high < 0.0 else 0.0
            if abs(least) > 1.0 + _ROUNDING:
                yield Impossible(
                    group=term.group,
                    effects=(term.names[a], term.names[b]),
                    what=what,
                    label=label,
                    value=value,
                    nearest=least,
                )


def _sources(
    listing: Listing, matched: Matched
) -> tuple[
    tuple[
        Mapping[str, PrintedValue],
        Mapping[str, tuple[int, int, int]],
        Literal["correlation", "covariance"],
    ],
    ...,
]:
    return (
        (listing.correlations, matched.correlations, "correlation"),
        (listing.covariances, matched.covariances, "covariance"),
    )


def _correlation(
    listing: Listing, matched: Matched, number: PrintedValue, place: tuple[int, int, int]
) -> tuple[float, float, float]:
    """Return least, greatest and middle correlation of a covariance beside the printed variances.

    Anything where a variance is not printed.
    """
    t, a, b = place
    spreads = {at: listing.spreads[label] for label, at in matched.spreads.items()}
    if (t, a) not in spreads or (t, b) not in spreads:
        return -math.inf, math.inf, math.nan
    ends = [spreads[t, k].variances for k in (a, b)]
    most = math.sqrt(ends[0][1] * ends[1][1])
    least = math.sqrt(ends[0][0] * ends[1][0])
    middle = math.sqrt(math.prod(0.5 * (low + high) for low, high in ends))

    def over(c: float, root: float) -> float:
        return c / root if root > 0.0 else math.copysign(math.inf, c) if c else 0.0

    low = over(number.low, most if number.low > 0.0 else least)
    high = over(number.high, least if number.high > 0.0 else most)
    return low, high, over(number.value, middle)


def _eigenvalue(listing: Listing, matched: Matched, t: int) -> Iterator[Impossible]:
    term = matched.rung.case.design.random[t]
    q = len(term.names)
    low, high = -np.ones((q, q)), np.ones((q, q))
    middle = np.eye(q)
    for printed, places, what in _sources(listing, matched):
        for label, (of, a, b) in places.items():
            if of == t:
                number = printed[label]
                ends = (number.low, number.high, number.value)
                if what == "covariance":
                    ends = _correlation(listing, matched, number, (t, a, b))
                low[a, b], high[a, b] = max(ends[0], -1.0), min(ends[1], 1.0)
                middle[a, b] = middle[b, a] = min(max(ends[2], -1.0), 1.0)
    best, value = _best_eigenvalue(low, high)
    if best < -_ROUNDING:
        whole = (
            bool(np.isfinite(middle).all()) and not (high - low == 2.0)[np.triu_indices(q, 1)].any()
        )
        yield Impossible(
            group=term.group,
            effects=term.names,
            what="eigenvalue",
            label="",
            value=float(np.linalg.eigvalsh(middle)[0]) if whole else value,
            nearest=best,
        )


def _best_eigenvalue(low: Array, high: Array) -> tuple[float, float]:
    """Return a bound of the least eigenvalue that correlations between two matrices may have.

    The least eigenvalue is concave in the matrix, so Kelley's cutting planes find the greatest one;
    every step of theirs is a bound, and any matrix on the way falls short of it.
    """
    q = len(low)
    pairs = [(a, b) for a in range(q) for b in range(a + 1, q)]
    ends = [(float(low[p]), float(high[p])) for p in pairs]
    at = np.array([0.5 * (lower + upper) for lower, upper in ends])
    rows: list[Array] = []
    best, bound = -math.inf, math.inf
    for _ in range(_CUTS):
        matrix = np.eye(q)
        for (a, b), r in zip(pairs, at, strict=True):
            matrix[a, b] = matrix[b, a] = r
        values, vectors = np.linalg.eigh(matrix)
        best = max(best, float(values[0]))
        if best >= -_ROUNDING or bound - best < 1e-6:
            break
        for v in vectors.T[values < 0.0]:
            # v'Rv = 1 + 2 sum v_a v_b r_ab, for v of length one.
            rows.append(np.array([*(-2.0 * v[a] * v[b] for a, b in pairs), 1.0]))
        found = optimize.linprog(
            np.array([*np.zeros(len(pairs)), -1.0]),
            A_ub=np.array(rows),
            b_ub=np.ones(len(rows)),
            bounds=[*ends, (None, 1.0)],
        )
        if not found.success:
            break
        at, bound = found.x[:-1], float(found.x[-1])
        if bound < -_ROUNDING and bound - best < 1e-3 * abs(bound):
            break
    return (best if best >= -_ROUNDING else bound), best
