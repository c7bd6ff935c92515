"""What another model costs: log-likelihood, parameters, and how likely that is by chance.

Which of two models is the smaller, and the null distribution of their likelihood ratio, are those
of :mod:`harness.referee.nested_models`.
"""

from __future__ import annotations

import numpy as np

from harness.base.text import moved, moved_p, number, p_value
from harness.data.rungs import Rung
from harness.diagnose.bench import Bench
from harness.diagnose.diagnosis import Price
from harness.diagnose.singular_term import Shift
from harness.model.design import Design
from harness.referee.nested_models import fall_between, nesting_of, null_p
from harness.referee.optimum import Optimum

SAME = 1e-6
"""Log-likelihoods of one model, written in two ways, differ by no more than this."""


def price_of(bench: Bench, other: Rung) -> Price | None:
    """Compare the best points of a case's model and of another model for the same rows.

    By REML where both have the same fixed effects, else by maximum likelihood. None where the
    referee cannot evaluate one of them.
    """
    one, two = bench.case.design, other.case.design
    if bench.best is None or len(one.y) != len(two.y) or not np.array_equal(one.y, two.y):
        return None
    nesting = nesting_of(two, one)
    own = bench.case.model.criterion == "REML"
    reml = own and nesting.same_fixed
    before, after = bench.optima.of(bench.rung, reml=reml), bench.optima.of(other, reml=reml)
    # Coefficients are set side by side by the criterion asked for.
    shown = bench.optima.of(other, reml=own)
    if before is None or after is None or shown is None:
        return None
    fall = fall_between(before, after, one, two, reml=reml)
    low = high = None
    null = ""
    # A variance that the likelihood does not see is not tested by it.
    seen = bool(fall) or not bench.best.free
    if seen and (nesting.smaller or nesting.larger):
        ratio = max(2.0 * (fall if nesting.smaller else -fall), 0.0)
        low, high, null = null_p(ratio, abs(nesting.parameters), abs(nesting.effects))
    return Price(
        formula=other.case.model.text,
        criterion="REML" if reml else "ML",
        loglik=-fall,
        parameters=-nesting.parameters,
        # Compound symmetry of residuals may be negative where a random intercept may not.
        same=nesting.same and abs(fall) < SAME,
        smaller=nesting.smaller,
        p_low=low,
        p_high=high,
        null=null,
        shifts=_shifts(bench.best, one, shown, two),
    )


def _shifts(full: Optimum, one: Design, less: Optimum, two: Design) -> tuple[Shift, ...]:
    pairs = enumerate(zip(one.x_names, full.tests, strict=True))
    before = {name: test for j, (name, test) in pairs if j not in full.moved}
    after = dict(zip(two.x_names, less.tests, strict=True))
    return tuple(
        Shift(
            name=name,
            estimate=before[name].estimate,
            estimate_reduced=after[name].estimate,
            se=before[name].se,
            se_reduced=after[name].se,
            p=before[name].p,
            p_reduced=after[name].p,
        )
        for name in before
        if name in after
    )


def in_words(price: Price) -> str:
    """Say what a model costs, or gains."""
    by = "" if price.criterion == "REML" else " by maximum likelihood"
    if price.loglik:
        moved = "higher" if price.loglik > 0.0 else "lower"
        text = f"the log-likelihood is {number(abs(price.loglik))} {moved}{by}"
    else:
        text = f"the log-likelihood is the same{by}"
    if price.same:
        return f"{text}: it is the same model, written otherwise"
    if price.parameters:
        more = "more" if price.parameters > 0 else "fewer"
        n = abs(price.parameters)
        text += f" with {n} {more} {'parameter' if n == 1 else 'parameters'}"
    else:
        text += " with as many parameters"
    # A ratio of 1 says what the sentence has said already.
    if price.p_low is None or price.p_high is None or price.p_high > 0.9999:
        return text
    p = p_value(price.p_high)
    if price.p_low != price.p_high and p_value(price.p_low) != p:
        low, high = (p_value(v).removeprefix("p = ") for v in (price.p_low, price.p_high))
        p = f"p between {low.removeprefix('p < ')} and {high.removeprefix('p < ')}"
    return f"{text} ({p} by {price.null})"


def shift_in_words(price: Price, focus: str) -> str:
    """Say what becomes of the coefficient asked about, and of the one that moves most."""
    if not price.shifts:
        return ""
    far = max(price.shifts, key=_distance)
    wanted = [s for s in price.shifts if s.name == focus]
    if _distance(far) > 0.1 and far.name != focus:
        wanted.append(far)
    return "; ".join(
        f"{moved(s.name, s.estimate, s.estimate_reduced)}, {moved('SE', s.se, s.se_reduced)}, "
        f"{moved_p(s.p, s.p_reduced)}"
        for s in wanted
    )


def _distance(shift: Shift) -> float:
    return abs(shift.estimate_reduced - shift.estimate) / shift.se if shift.se > 0.0 else 0.0
