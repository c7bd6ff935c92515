"""What another model costs: log-likelihood, parameters, and how likely that is by chance.

Where a variance is zero under the null hypothesis, the likelihood ratio is no chi-square but a
mixture of several (Self and Liang 1987, JASA 82: 605). One random effect less, with its
covariances, gives equal parts of the chi-squares on d - 1 and d degrees of freedom (Stram and Lee
1994, Biometrics 50: 1171). For several effects at once the weights depend on the data; p then
lies between the bounds of Kodde and Palm (1986, Econometrica 54: 1243).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.base.text import moved, moved_p, number, p_value
from harness.data.rungs import Rung
from harness.diagnose.bench import Bench
from harness.diagnose.covariance_space import column_space, covariance_ranks, same_columns
from harness.diagnose.data_units import log_volume
from harness.diagnose.diagnosis import Price
from harness.diagnose.singular_term import Shift
from harness.model.design import Design
from harness.referee.optimum import Optimum

ROUNDED = 1e-12
"""Relative difference of two deviances that is no more than their rounding."""


def price_of(bench: Bench, other: Rung) -> Price | None:
    """Compare the best points of a case's model and of another model for the same rows.

    By REML where both have the same fixed effects, else by maximum likelihood. None where the
    referee cannot evaluate one of them.
    """
    one, two = bench.case.design, other.case.design
    if bench.best is None or len(one.y) != len(two.y) or not np.array_equal(one.y, two.y):
        return None
    alike = one.x.shape == two.x.shape and same_columns(one.x, two.x)
    own = bench.case.model.criterion == "REML"
    reml = own and alike
    before, after = bench.optima.of(bench.rung, reml=reml), bench.optima.of(other, reml=reml)
    # Coefficients are set side by side by the criterion asked for.
    shown = bench.optima.of(other, reml=own)
    if before is None or after is None or shown is None:
        return None
    more, less, both = covariance_ranks(one, two)
    fixed = column_space(one.x).shape[1] - column_space(two.x).shape[1]
    parameters = more - less + fixed
    fall = 0.5 * (after.deviance - before.deviance)
    # Another coding of the same columns moves the REML constant, and nothing else.
    if reml and not np.array_equal(one.x, two.x):
        fall += log_volume(one.x) - log_volume(two.x)
    if abs(2.0 * fall) <= ROUNDED * max(1.0, abs(before.deviance)):
        fall = 0.0  # p of a variance at the boundary jumps from 1 to 1/2 there
    same = more == less == both and alike
    smaller = both == more and parameters > 0 and _within(two, one)
    larger = both == less and parameters < 0 and _within(one, two)
    low = high = None
    null = ""
    # A variance that the likelihood does not see is not tested by it.
    seen = bool(fall) or not bench.best.free
    if seen and (smaller or larger):
        effects = abs(_effects(one) - _effects(two))
        ratio = max(2.0 * (fall if smaller else -fall), 0.0)
        low, high, null = null_p(ratio, abs(parameters), effects)
    return Price(
        formula=other.case.model.formula.text,
        criterion="REML" if reml else "ML",
        loglik=-fall,
        parameters=-parameters,
        same=same,
        smaller=smaller,
        p_low=low,
        p_high=high,
        null=null,
        shifts=_shifts(bench.best, one, shown, two),
    )


def _within(small: Design, large: Design) -> bool:
    q = column_space(large.x)
    left = column_space(small.x)
    return bool(np.abs(left - q @ (q.T @ left)).max(initial=0.0) < 1e-6)


def _effects(design: Design) -> int:
    """Return how many random effects there are, those of one grouping factor counted as a space."""
    total = 0
    done: list[NDArray[np.int32]] = []
    for term in design.random:
        if any(np.array_equal(term.codes, codes) for codes in done):
            continue
        done.append(term.codes)
        alike = [t.z for t in design.random if np.array_equal(t.codes, term.codes)]
        total += column_space(np.column_stack(alike)).shape[1]
    return total


def null_p(ratio: float, parameters: int, effects: int) -> tuple[float, float, str]:
    """Return p of a likelihood ratio from below and above, and its null distribution in words.

    Parameters
    ----------
    ratio : float
        Twice the difference of the log-likelihoods.
    parameters : int
        How many more the larger model has.
    effects : int
        Random effects whose variances are zero in the smaller model and need not be in the larger.
    """
    d = parameters
    if effects == 0:
        p = float(stats.chi2.sf(ratio, d))
        return p, p, f"chi-square({d})"
    if effects == 1:
        p = _half(ratio, d)
        return p, p, f"an equal mixture of chi-square({d - 1}) and chi-square({d})"
    free = max(d - effects * (effects + 1) // 2, 0)
    text = f"a mixture of chi-squares on {free} to {d} degrees of freedom"
    return _half(ratio, free + 1), _half(ratio, d), text


def _half(ratio: float, d: int) -> float:
    lower = float(stats.chi2.sf(ratio, d - 1)) if d > 1 else float(ratio <= 0.0)
    return 0.5 * lower + 0.5 * float(stats.chi2.sf(ratio, d))


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
