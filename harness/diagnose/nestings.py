"""Whether factors written as crossed are better taken as nested: every way round is tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from harness.base.errors import BadInput
from harness.base.text import listed, number
from harness.data.rungs import Rung
from harness.diagnose import remodel
from harness.diagnose.diagnosis import Check, Remedy
from harness.diagnose.diagnosis_cost import LARGE_ROWS
from harness.diagnose.remedies import remodelled
from harness.diagnose.workshop import Workshop

NESTED_GAIN = 2.0
"""A log-likelihood higher by this is a likelihood ratio of more than 7 at equal parameters."""

UNDECIDED = 1.0
"""Models whose log-likelihoods are nearer than this are not told apart by them."""

MOST = 12
"""Nestings tried: four factors crossed have as many."""


@dataclass(frozen=True)
class Nesting:
    """The model with the labels of ``inner`` taken for different things in each ``outer``.

    ``labels`` counts those of ``outer`` and of ``inner``; ``gain`` is what nesting adds to the
    log-likelihood, with as many parameters.
    """

    outer: str
    inner: str
    rung: Rung
    labels: tuple[int, int]
    gain: float


def nestings(shop: Workshop, checks: Sequence[Check]) -> list[Nesting]:
    """Fit each pair of factors that the checks found crossed as nested, either way round.

    What the formula language, the data or the referee do not allow is left out: a term that is in
    the model already, and groups of one row.

    Returns
    -------
    list of Nesting
        The best first. Which of two factors is the outer one the likelihood seldom tells, for both
        ways have the same combinations for groups: within ``UNDECIDED`` it is the one with fewer
        labels, as :func:`in_words` says.
    """
    bench = shop.bench
    if len(bench.case.design.y) > LARGE_ROWS or bench.best is None:
        return []
    crossed = [check.columns for check in checks if check.key == "crossing"]
    pairs = [way for columns in crossed for way in permutations(columns, 2)]
    found = [_nesting(shop, outer, inner) for outer, inner in pairs[:MOST]]
    by_gain = sorted((n for n in found if n is not None), key=lambda n: -n.gain)
    if not by_gain:
        return []
    other = _other_way(by_gain)
    if other is not None and other.labels[0] < other.labels[1]:
        by_gain.remove(other)
        by_gain.insert(0, other)
    return by_gain


def _other_way(tried: Sequence[Nesting]) -> Nesting | None:
    """Return the first nesting the other way round, if the likelihood does not tell them apart."""
    first = tried[0]
    other = next((n for n in tried if (n.outer, n.inner) == (first.inner, first.outer)), None)
    return other if other is not None and abs(first.gain - other.gain) < UNDECIDED else None


def _nesting(shop: Workshop, outer: str, inner: str) -> Nesting | None:
    bench = shop.bench
    try:
        rung = remodel.nested(bench.rung, outer, inner)
        terms = rung.case.design.random
    except BadInput:
        return None
    if any(len(term.levels) >= len(rung.case.design.y) for term in terms):
        return None
    found = bench.optima.of(rung, reml=bench.case.model.criterion == "REML")
    if found is None:
        return None
    levels = {t.group: len(t.levels) for t in bench.case.design.random}
    gain = -0.5 * found.deviance - bench.loglik
    return Nesting(outer, inner, rung, (levels[outer], levels[inner]), gain)


def nested_remedy(shop: Workshop, best: Nesting) -> Remedy | None:
    """Run the engines on a nesting that is the better model."""
    title = f"nest {best.inner} in {best.outer}: (1 | {best.outer}/{best.inner})"
    return remodelled(
        shop,
        "model",
        title,
        lambda: best.rung,
        judge=lambda _: (best.gain > NESTED_GAIN, ""),  # the price says by how much
        same_model=False,
    )


def in_words(tried: Sequence[Nesting]) -> str:
    """Say what each nesting does to the log-likelihood."""
    each = [
        f"{n.inner} in {n.outer} {'+' if n.gain > 0.0 else '-'}{number(abs(n.gain))}" for n in tried
    ]
    text = f"log-likelihood with as many parameters when one is nested in another: {listed(each)}"
    other = _other_way(tried)
    if other is not None and tried[0].gain > NESTED_GAIN:
        first = tried[0]
        text += (
            f"; these data do not tell {first.inner} in {first.outer} from {other.inner} in "
            f"{other.outer}"
        )
        if first.labels[0] < first.labels[1]:
            text += ", and the factor with fewer labels is taken for the outer one"
    return text
