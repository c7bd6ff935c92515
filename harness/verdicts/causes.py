"""Predicates for the named causes of known_differences.toml.

Each takes what is known of a comparison and returns the evidence, a line with numbers, when its
cause holds. The order of ``EXPLAINING`` and ``ACCOMPANYING`` is the order in which they are
reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from harness.cases.case import Case
from harness.cases.design import Design, RandomDesign
from harness.engines.base import Failure, Fit
from harness.referee.crossproducts import aliased_columns
from harness.referee.deviance import Likelihood
from harness.referee.optimality import NULL_VARIANCE
from harness.verdicts.audit import Audit
from harness.verdicts.comparison import Comparison
from harness.verdicts.tolerances import load_tolerances


@dataclass(frozen=True)
class Seen:
    """Everything a predicate may look at: two outcomes in one setting and what was made of them.

    ``tight`` says whether the same two engines agree in the tight setting; None when that is not
    known (it was not run, or this is it).
    """

    case: Case
    left: Fit | Failure
    right: Fit | Failure
    left_audit: Audit | None
    right_audit: Audit | None
    comparisons: tuple[Comparison, ...]
    tight: bool | None = None

    def pairs(self) -> list[tuple[Fit, Audit]]:
        """Return the fits with their audits."""
        out = []
        for fit, audit in ((self.left, self.left_audit), (self.right, self.right_audit)):
            if isinstance(fit, Fit) and audit is not None:
                out.append((fit, audit))
        return out

    def failures(self) -> list[Failure]:
        """Return the outcomes that are no fits."""
        return [o for o in (self.left, self.right) if isinstance(o, Failure)]

    def outside(self, *quantities: str) -> list[Comparison]:
        """Return comparisons beyond their tolerance, of some quantities or of all."""
        return [
            c
            for c in self.comparisons
            if not c.within and (not quantities or c.quantity in quantities)
        ]


Predicate = Callable[[Seen], str | None]


def stopped_short(seen: Seen) -> str | None:
    """Hold when a fit stopped above the best deviance with no false boundary in its way."""
    said = {True: ", and says it converged", False: ", and says so", None: ""}
    return _joined(
        f"{fit.engine}: deviance {audit.gap:.2g} above the best point, largest scaled "
        f"derivative {audit.gradient:.2g}{said[fit.converged]}"
        for fit, audit in seen.pairs()
        if audit.certificate == "stopped short"
    )


def false_boundary(seen: Seen) -> str | None:
    """Hold when a fit sits on a boundary from which the likelihood rises."""
    return _joined(
        f"{fit.engine}: dual eigenvalue {audit.dual:.2g} at {_ranks(audit)}, deviance "
        f"{audit.gap:.2g} above the best point"
        for fit, audit in seen.pairs()
        if audit.certificate == "false boundary"
    )


def _joined(lines: Iterable[str]) -> str | None:
    return "; ".join(lines) or None


def score_sign(seen: Seen) -> str | None:
    """Hold when a statsmodels fit stopped short where its own gradient has the wrong sign."""
    for fit, audit in seen.pairs():
        if audit.certificate in ("stopped short", "false boundary") and "score-sign" in fit.probes:
            return f"{fit.engine}: {fit.probes['score-sign']}"
    return None


def column_trap(seen: Seen) -> str | None:
    """Hold when lme4 sits where the first column of a factor has a zero diagonal, falsely."""
    for fit, audit in seen.pairs():
        if fit.engine != "lme4" or audit.certificate != "false boundary":
            continue
        for term in fit.random:
            first = term.covariance[0][0] / fit.residual_variance
            others = [term.covariance[i][i] for i in range(1, len(term.names))]
            if first <= NULL_VARIANCE and any(v / fit.residual_variance > first for v in others):
                return (
                    f"{fit.engine}: the variance of {term.names[0]} for {term.group} is held at "
                    f"{first:.2g} of the residual variance by theta_11 >= 0, while the deviance "
                    f"falls along a direction with dual eigenvalue {audit.dual:.2g}"
                )
    return None


def constraint_ignored(seen: Seen) -> str | None:
    """Hold when statsmodels left its ``free=`` mask aside."""
    for fit, _ in seen.pairs():
        if "free-ignored" in fit.probes:
            return f"{fit.engine}, {fit.settings[0]}: {fit.probes['free-ignored']}"
    return None


def singular_not_flagged(seen: Seen) -> str | None:
    """Hold when the optimum is singular and an engine that is at it says it is not."""
    for fit, audit in seen.pairs():
        if audit.certificate == "boundary optimum" and fit.singular is False:
            smallest = min(float(np.linalg.eigvalsh(np.array(t.covariance))[0]) for t in fit.random)
            return (
                f"{fit.engine} says the fit is not singular; the best point is, and "
                f"the fit's smallest variance is {smallest / fit.residual_variance:.2g} of the "
                "residual variance"
            )
    return None


def misstated(audit: Audit) -> bool:
    """Whether the log-likelihood an engine states is another than the referee's at its point.

    Held to the default tolerance in every setting: rounding grows with the log-likelihood.
    """
    error = audit.loglik_error
    return error is not None and not abs(error) <= load_tolerances()["loglik"].default


def _misstated(seen: Seen) -> Iterator[tuple[Fit, Audit]]:
    yield from ((fit, audit) for fit, audit in seen.pairs() if misstated(audit))


def _loglik_of(design: Design, fit: Fit, *, reml: bool, keep: list[int]) -> float | None:
    """Log-likelihood of another design at the variances of the fit's terms ``keep``."""
    try:
        likelihood = Likelihood(design, reml=reml)
        relative = [np.array(fit.random[i].covariance) / fit.residual_variance for i in keep]
        point = likelihood.at(likelihood.theta(relative))
        return -0.5 * point.deviance(math.sqrt(fit.residual_variance))
    except (ValueError, np.linalg.LinAlgError):
        return None


def _states(fit: Fit, value: float | None) -> bool:
    if value is None or fit.loglik is None:
        return False
    return abs(fit.loglik - value) <= load_tolerances()["loglik"].default


def mutated_model(seen: Seen) -> str | None:
    """Hold when a stated log-likelihood is that of the other criterion at the same theta.

    MixedLM profiles sigma out, by the divisor of the criterion that its model has now.
    """
    model = seen.case.model
    for fit, audit in _misstated(seen):
        reml = model.criterion != "REML"
        try:
            other = -0.5 * Likelihood(seen.case.design, reml=reml).at(audit.theta).deviance()
        except (ValueError, np.linalg.LinAlgError):
            continue
        if _states(fit, other):
            return (
                f"{fit.engine} states {fit.loglik:.6f}, the {'REML' if reml else 'ML'} value "
                f"at its estimates; by {model.criterion} it is {audit.loglik:.6f}"
            )
    return None


def crossed_as_nested(seen: Seen) -> str | None:
    """Hold when the log-likelihood is that of a crossed factor read as nested in another."""
    design, reml = seen.case.design, seen.case.model.criterion == "REML"
    for fit, _ in _misstated(seen):
        keep = list(range(len(design.random)))
        if len(fit.random) != len(keep):
            continue
        for inner in keep:
            for outer in keep:
                if inner == outer:
                    continue
                nested = list(design.random)
                nested[inner] = _within(design.random[inner], design.random[outer])
                other = replace(design, random=tuple(nested))
                if _states(fit, _loglik_of(other, fit, reml=reml, keep=keep)):
                    a, b = design.random[outer].group, design.random[inner].group
                    return (
                        f"{fit.engine}: its log-likelihood {fit.loglik:.6f} is that of "
                        f"(1 | {a}) + (1 | {a}:{b}), not of {b} crossed with {a}"
                    )
    return None


def dropped_term(seen: Seen) -> str | None:
    """Hold when the log-likelihood is that of the model without one of its random terms."""
    design, reml = seen.case.design, seen.case.model.criterion == "REML"
    for fit, _ in _misstated(seen):
        for gone, term in enumerate(design.random):
            rest = tuple(t for i, t in enumerate(design.random) if i != gone)
            # The fit may show the term, with a variance that its likelihood does not use, or not.
            shown = list(range(len(fit.random)))
            keep = [i for i in shown if i != gone] if len(shown) == len(rest) + 1 else shown
            if not rest or len(keep) != len(rest):
                continue
            other = replace(design, random=rest)
            if _states(fit, _loglik_of(other, fit, reml=reml, keep=keep)):
                return (
                    f"{fit.engine}: its log-likelihood {fit.loglik:.6f} is that of the model "
                    f"without the term for {term.group}"
                )
    return None


def _within(inner: RandomDesign, outer: RandomDesign) -> RandomDesign:
    """Make every combination of the two factors a level of its own."""
    both = outer.codes.astype(np.int64) * len(inner.levels) + inner.codes
    present, codes = np.unique(both, return_inverse=True)
    labels = tuple(str(k) for k in present)
    return replace(
        inner, group=f"{outer.group}:{inner.group}", codes=codes.astype(np.int32), levels=labels
    )


def zeroed_fixed_effects(seen: Seen) -> str | None:
    """statsmodels#10239: effects exactly 0.0 at a vanishing covariance, away from GLS."""
    for fit, audit in seen.pairs():
        if fit.engine != "statsmodels" or not audit.gls_distance > 1e-3:
            continue
        zeros = [c.name for c in fit.coefficients if c.estimate == 0.0]
        largest = max(
            (float(np.abs(t.covariance).max()) / fit.residual_variance for t in fit.random),
            default=0.0,
        )
        if zeros and largest < NULL_VARIANCE:
            return (
                f"{', '.join(zeros)} exactly 0, {audit.gls_distance:.3g} SE from the GLS estimate; "
                f"largest variance {largest:.2g} of the residual variance"
            )
    return None


def _df_off(seen: Seen) -> Comparison | None:
    """Find the worst df that lmerTest and the referee give at one and the same point."""
    if not isinstance(seen.right, Fit) or seen.right_audit is None:
        return None
    worst: tuple[float, float, float, str] | None = None
    for native, audited in zip(
        seen.right.coefficients, seen.right_audit.coefficients, strict=False
    ):
        if native.df is None or audited.df is None or native.df == audited.df:
            continue
        off = abs(native.df - audited.df) / audited.df
        if worst is None or not off <= worst[0]:
            worst = (off, native.df, audited.df, native.name)
    if worst is None or worst[0] <= 1e-3:
        return None
    off, a, b, name = worst
    return Comparison(
        setting=seen.right.setting,
        quantity="df",
        item=name,
        left=b,
        right=a,
        difference=off,
        unit="relative",
        digits=0.0,
        tolerance=1e-3,
        within=False,
    )


def singular_df(seen: Seen) -> str | None:
    """At lme4's own singular point the numerical and the analytic df differ."""
    off = _df_off(seen)
    if off is None or seen.right_audit is None or seen.right_audit.dual is None:
        return None
    return (
        f"df of {off.item} at lme4's own estimates: lmerTest {off.right:.6g}, "
        f"analytic {off.left:.6g}; "
        f"{_ranks(seen.right_audit)}"
    )


def lmertest_units(seen: Seen) -> str | None:
    """At lme4's own full-rank point lmerTest's df are off, and an absolute limit is met."""
    off = _df_off(seen)
    if off is None or seen.right_audit is None or seen.right_audit.dual is not None:
        return None
    limit = _absolute_limit(seen)
    if limit is None:
        return None
    return (
        f"df of {off.item} at lme4's own estimates: lmerTest {off.right:.6g}, "
        f"analytic {off.left:.6g}; {limit}"
    )


_STEP_LIMIT = math.sqrt(np.finfo(float).eps / 7e-7)
"""numDeriv's ``zero.tol``: a parameter below it is moved by an absolute 1e-4, not by a tenth."""

_EIGENVALUE_LIMIT = 1e-8
"""lmerTest leaves out directions in which the Hessian is flatter than this."""


def _absolute_limit(seen: Seen) -> str | None:
    assert isinstance(seen.right, Fit)
    assert seen.right_audit is not None
    sigma = math.sqrt(seen.right.residual_variance)
    if sigma < _STEP_LIMIT:
        return f"residual SD {sigma:.2g}, below the step of its numerical derivatives"
    theta = np.abs(seen.right_audit.theta)
    small = theta[(theta > 0.0) & (theta < _STEP_LIMIT)]
    if small.size:
        return f"theta {small.min():.2g}, below the step of its numerical derivatives"
    likelihood = Likelihood(seen.case.design, reml=seen.case.model.criterion != "ML")
    hessian = likelihood.at(seen.right_audit.theta).hessian(sigma)
    flattest = float(np.linalg.eigvalsh(hessian)[0])
    if flattest < _EIGENVALUE_LIMIT:
        return f"eigenvalue {flattest:.2g} of the Hessian, below its cut-off of 1e-8"
    return None


def flat_optimum(seen: Seen) -> str | None:
    """Both fits are at the optimum to the default tolerance, and agree when tightened."""
    audits = [audit for _, audit in seen.pairs()]
    optimal = ("interior optimum", "boundary optimum")
    if len(audits) != 2 or not all(a.certificate in optimal for a in audits) or not seen.tight:
        return None
    gaps = " and ".join(f"{a.engine} {max(a.gap, 0.0):.2g}" for a in audits)
    return f"deviance above the best point: {gaps}; within tolerance when run tight"


def true_boundary(seen: Seen) -> str | None:
    """Hold when the best point is singular."""
    for _, audit in seen.pairs():
        if audit.certificate == "boundary optimum":
            dual = f", dual eigenvalue {audit.dual:.2g}" if audit.dual is not None else ""
            return f"{audit.engine}: {_ranks(audit)}, gap {max(audit.gap, 0.0):.2g}{dual}"
    return None


def aliased(seen: Seen) -> str | None:
    """X lacks column rank."""
    gone = aliased_columns(seen.case.design.x)
    if not gone:
        return None
    return "combinations of other columns: " + ", ".join(seen.case.design.x_names[j] for j in gone)


def _ranks(audit: Audit) -> str:
    """``rank 1``, or ``ranks 1 and 0`` for several terms."""
    return f"rank{'s' if len(audit.ranks) > 1 else ''} {' and '.join(map(str, audit.ranks))}"


def one_row_per_group(seen: Seen) -> str | None:
    """Every group of some term has one row."""
    n = len(seen.case.design.y)
    for term in seen.case.design.random:
        if len(term.levels) >= n:
            return f"{term.group}: {len(term.levels)} groups in {n} rows"
    return None


def too_many_effects(seen: Seen) -> str | None:
    """Hold when a term has no fewer random effects than there are rows."""
    n = len(seen.case.design.y)
    for term in seen.case.design.random:
        count = len(term.levels) * len(term.names)
        if len(term.levels) < n <= count:
            return f"{term.group}: {len(term.levels)} levels x {len(term.names)} effects, {n} rows"
    return None


def engine_error(seen: Seen) -> str | None:
    """Hold when an engine gave no fit."""
    for failure in seen.failures():
        if failure.reason != "unsupported":
            return f"{failure.engine}: {failure.text}"
    return None


def random_effects_refused(seen: Seen) -> str | None:
    """Statsmodels gave variances but no random effects."""
    for fit, _ in seen.pairs():
        for message in fit.messages:
            if message.kind == "error" and message.text.startswith("random_effects:"):
                return f"{fit.engine}: {message.text}"
    return None


def same_space(seen: Seen) -> str | None:
    """Hold when the fits have in common what does not depend on a basis of the fixed effects."""
    left, right = seen.left, seen.right
    if not isinstance(left, Fit) or not isinstance(right, Fit):
        return None
    if len(left.fitted) != len(right.fitted) or not left.fitted:
        return None
    sigma = math.sqrt(right.residual_variance)
    apart = float(np.abs(np.array(left.fitted) - np.array(right.fitted)).max()) / sigma
    spread = abs(left.residual_variance / right.residual_variance - 1.0)
    table = load_tolerances()
    if not (apart <= table["fitted"].default and spread <= table["residual_variance"].default):
        return None
    return f"fitted values within {apart:.2g} residual SD"


FAILING: dict[str, Predicate] = {
    "aliased-columns": aliased,
    "one-row-per-group": one_row_per_group,
    "too-many-effects": too_many_effects,
    "engine-error": engine_error,
}
"""Why there is no fit."""

OTHER_MODEL: dict[str, Predicate] = {
    "sm-free-ignored": constraint_ignored,
    "crossed-as-nested": crossed_as_nested,
    "dropped-term": dropped_term,
}
"""Why a fit is one of another model than asked for."""

WRONG: dict[str, Predicate] = {
    "sm-zero-fe": zeroed_fixed_effects,
    "sm-score-sign": score_sign,
    "lme4-column-trap": column_trap,
    "false-boundary": false_boundary,
    "stopped-short": stopped_short,
}
"""Why a fit is not at the optimum."""

STATEMENTS: dict[str, Predicate] = {
    "sm-mutated-model": mutated_model,
}
"""Why a stated log-likelihood is not that of the fit's own estimates."""

EXPLAINING: dict[str, Predicate] = {
    "lmertest-units": lmertest_units,
    "singular-df": singular_df,
    "flat-optimum": flat_optimum,
}
"""Why numbers differ between two fits at the optimum, most specific first."""

ACCOMPANYING: dict[str, Predicate] = {
    "true-boundary": true_boundary,
    "singular-not-flagged": singular_not_flagged,
    "re-refused": random_effects_refused,
}
"""What a reader should know whatever the verdict."""
