"""Does an engine tell the truth of its own fit: flags, log-likelihood, errors, df, predictions.

Each check holds a fit against the referee at the fit's own estimates. Where the fit is not at the
optimum that is ``referee.agreement``'s to say, and what a wrong point gives is not checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import wraps

import numpy as np
from numpy.typing import NDArray

from harness.base.possessive import whose
from harness.conformance.judged_pair import REFEREE, Judgement, judge
from harness.conformance.question import Question
from harness.engines.engine import Failure, Fit
from harness.judge.audit import Audit
from harness.judge.causes.claims import OPTIMAL
from harness.judge.causes.predicates import (
    ACCOMPANYING,
    CONVERGENCE_CLAIMS,
    NUMERICAL_DF,
    ROWS,
    SINGULARITY_CLAIMS,
    STATED_ERRORS,
    STATED_TESTS,
    STATEMENTS,
)
from harness.judge.causes.view import Seen, misstated
from harness.judge.decision import held
from harness.judge.examination import gap_tolerance
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.tolerances import load_tolerances
from harness.referee.conditional_modes import conditional_modes
from harness.referee.deviance import Likelihood
from harness.referee.satterthwaite import two_sided_p

Array = NDArray[np.float64]
Check = Callable[[Question, Judgement, Fit, Audit], PropertyOutcome]


def _of_a_fit(check: Check) -> Callable[[Question], PropertyOutcome]:
    """Ask a check of the engine's fit of the case, where it has one that the referee evaluates."""

    @wraps(check)
    def ask(question: Question) -> PropertyOutcome:
        case = question.case
        fit = question.fit()
        if isinstance(fit, Failure):
            return question.not_applicable(f"{fit.engine} has no fit: {fit.text}")
        judgement = judge(case, fit, REFEREE.fit(case, question.setting))
        audit = judgement.seen.left_audit
        if audit is None:
            return question.not_applicable("the referee does not evaluate the case")
        if judgement.verdict.verdict in ("DIFFERENT_MODEL", "CODING"):
            return question.not_applicable(judgement.verdict.sentence)
        return check(question, judgement, fit, audit)

    return ask


def _not_at_optimum(question: Question, audit: Audit) -> PropertyOutcome:
    return question.not_applicable(
        f"{audit.engine} is not at the optimum ({audit.certificate}); see referee.agreement"
    )


def alone(seen: Seen) -> Seen:
    """Leave out the other side, so that predicates look at the engine's fit only."""
    return replace(seen, right_audit=None)


@_of_a_fit
def rows_used(question: Question, judgement: Judgement, fit: Fit, _: Audit) -> PropertyOutcome:
    """Check that every complete row is used, and no other."""
    rows = len(question.case.design.y)
    counts = {"rows used": fit.n_obs}
    if fit.fitted:
        counts |= {"fitted values": len(fit.fitted), "residuals": len(fit.residuals)}
    wrong = [f"{count} {what}" for what, count in counts.items() if count != rows]
    if wrong:
        return question.fails(
            f"{fit.engine} has {', '.join(wrong)}; {rows} rows are complete.",
            held(alone(judgement.seen), ROWS),
            discrepancy=math.inf,
            verdict="DATA_MISMATCH",
        )
    if fit.data_checksum != question.case.table.checksum():
        return question.fails(
            f"{fit.engine} did not get the data that were sent: another checksum.",
            {},
            discrepancy=math.inf,
            verdict="DATA_MISMATCH",
        )
    return question.holds()


@_of_a_fit
def converged(question: Question, judgement: Judgement, fit: Fit, audit: Audit) -> PropertyOutcome:
    """Check that a fit is said to have converged exactly when it is at the optimum."""
    if fit.converged is None:
        return question.not_applicable(f"{fit.engine} says nothing of convergence")
    gap = audit.gap / gap_tolerance(fit.setting, singular=judgement.singular)
    if audit.converged_true:
        return question.holds(min(max(gap, 0.0), 1.0))
    claims = held(alone(judgement.seen), CONVERGENCE_CLAIMS)
    why = {} if not fit.converged else _causes(judgement, "WRONG_OPTIMUM")
    said = "it converged" if fit.converged else "it did not converge"
    truth = "is" if audit.certificate in OPTIMAL else "is not"
    return question.fails(
        f"{fit.engine} says that {said}; it {truth} at the optimum.",
        claims | why,
        discrepancy=max(gap, 1.0) if fit.converged else math.inf,
    )


@_of_a_fit
def singular(question: Question, judgement: Judgement, fit: Fit, audit: Audit) -> PropertyOutcome:
    """Check that a fit is said to be singular exactly when the optimum is."""
    if fit.singular is None:
        return question.not_applicable(f"{fit.engine} says nothing of singular fits")
    if audit.singular_true is None:
        return _not_at_optimum(question, audit)
    if audit.singular_true:
        return question.holds()
    said = "singular" if fit.singular else "not singular"
    return question.fails(
        f"{fit.engine} says the fit is {said}; the best point is "
        f"{'singular' if judgement.singular else 'not'}.",
        held(alone(judgement.seen), SINGULARITY_CLAIMS),
        discrepancy=math.inf,
    )


@_of_a_fit
def loglik(question: Question, judgement: Judgement, fit: Fit, audit: Audit) -> PropertyOutcome:
    """Check that the log-likelihood is that of the fit's own estimates."""
    error = audit.loglik_error
    if error is None:
        return question.not_applicable(f"{fit.engine} states no log-likelihood")
    far = _share(abs(error), load_tolerances()["loglik"].default)
    if not misstated(audit):
        return question.holds(far)
    return question.fails(
        f"{whose(fit.engine)} log-likelihood is {fit.loglik:.6f}; at its own estimates it is "
        f"{audit.loglik:.6f}.",
        held(alone(judgement.seen), STATEMENTS),
        discrepancy=far,
    )


@_of_a_fit
def standard_errors(
    question: Question, judgement: Judgement, fit: Fit, audit: Audit
) -> PropertyOutcome:
    """Check that standard errors are sqrt diag (X'V^-1 X)^-1 at the fit's own variances."""
    if audit.certificate not in OPTIMAL:
        return _not_at_optimum(question, audit)
    pairs = [
        (own.name, own.se, fair.se)
        for own, fair in zip(fit.coefficients, audit.coefficients, strict=False)
        if own.se is not None and fair.se is not None
    ]
    if not pairs:
        return question.not_applicable(f"{fit.engine} states no standard errors")
    name, own, fair, far = _farthest(pairs, "se")
    if far <= 1.0:
        return question.holds(far)
    return question.fails(
        f"{whose(fit.engine)} SE of {name} is {own:.6g}; sqrt diag (X'V^-1 X)^-1 is {fair:.6g}.",
        held(alone(judgement.seen), STATED_ERRORS),
        discrepancy=far,
        verdict="DEFINITION",
    )


@_of_a_fit
def stated_tests(
    question: Question, judgement: Judgement, fit: Fit, audit: Audit
) -> PropertyOutcome:
    """Check that stated df are Satterthwaite's at the fit's variances, and p follows from them."""
    if question.case.model.criterion == "OLS":
        return question.not_applicable("the tests of a linear model are exact")
    if audit.certificate not in OPTIMAL:
        return _not_at_optimum(question, audit)
    df, p = [], []
    for own, fair in zip(fit.coefficients, audit.coefficients, strict=False):
        assert fair.df is not None
        if own.df is not None:
            df.append((own.name, own.df, fair.df))
        if own.p is not None and own.statistic is not None:
            stated = fair.df if own.df is None else own.df
            p.append((own.name, own.p, two_sided_p(own.statistic, stated)))
    if not df and not p:
        return question.not_applicable(f"{fit.engine} states no df and no p values")
    far, sentence = 0.0, ""
    if df:
        name, given, right, far = _farthest(df, "df")
        sentence = (
            f"{fit.engine} tests {name} with {_df(given)}; Satterthwaite's df at its own estimates "
            f"are {right:.5g}."
        )
    if p:
        name, given, right, share = _farthest(p, "p")
        if share > far:
            far = share
            sentence = (
                f"{whose(fit.engine)} p of {name} is {given:.3g}; by its t and df {right:.3g}."
            )
    if far <= 1.0:
        return question.holds(far)
    causes = held(alone(judgement.seen), STATED_TESTS) or numerical_df(judgement)
    return question.fails(sentence, causes, discrepancy=far, verdict="DEFINITION")


@_of_a_fit
def predictions(question: Question, judgement: Judgement, fit: Fit, _: Audit) -> PropertyOutcome:
    """Check that fitted values are X b + Z u by the fit's own effects, and residuals the rest."""
    if not fit.fitted:
        return _without_effects(question, judgement, fit, "fitted values")
    design = question.case.design
    if len(fit.fitted) != len(design.y) or len(fit.residuals) != len(design.y):
        return question.not_applicable("other rows were used; see rows.used")
    sigma = math.sqrt(fit.residual_variance)
    predicted = design.x @ np.array([c.estimate for c in fit.coefficients])
    for term, own in zip(design.random, fit.random, strict=True):
        if own.effects is None or len(own.effects) != len(term.levels):
            return question.not_applicable(f"{fit.engine} gives no random effects")
        predicted = predicted + (term.z * np.array(own.effects)[term.codes]).sum(axis=1)
    fitted = np.array(fit.fitted)
    left = np.abs(design.y - fitted - np.array(fit.residuals)).max()
    apart = max(float(np.abs(predicted - fitted).max()), float(left)) / sigma
    far = _share(apart, load_tolerances()["fitted"].at(fit.setting, singular=judgement.singular))
    if far <= 1.0:
        return question.holds(far)
    return question.fails(
        f"{whose(fit.engine)} fitted values are {apart:.2g} residual SD from its own X b + Z u, or "
        "its residuals from y less fitted values.",
        {},
        discrepancy=far,
    )


@_of_a_fit
def random_effects(
    question: Question, judgement: Judgement, fit: Fit, audit: Audit
) -> PropertyOutcome:
    """Check that random effects are the conditional modes, sum to zero and are shrunk.

    They sum to zero over the levels of a term whose effects are all fixed effects as well, since
    X'V^-1 r = 0. They are shrunk: the residuals with them are no larger than those without.
    """
    case = question.case
    if case.model.criterion == "OLS":
        return question.not_applicable("a linear model has no random effects")
    if any(term.effects is None for term in fit.random):
        return _without_effects(question, judgement, fit, "random effects")
    if audit.certificate not in OPTIMAL:
        return _not_at_optimum(question, audit)
    likelihood = Likelihood(case.design, reml=case.model.criterion != "ML")
    modes = conditional_modes(likelihood.at(list(audit.theta)))
    sigma = math.sqrt(fit.residual_variance)
    unit = load_tolerances()["random_effect"].at(fit.setting, singular=judgement.singular) * sigma
    far, where = 0.0, ""
    for term, own, right in zip(case.design.random, fit.random, modes, strict=True):
        width = np.sqrt((term.z**2).mean(axis=0))
        effects = np.array(own.effects)
        if effects.shape != right.shape:
            return question.fails(
                f"{fit.engine} has random effects of {len(effects)} levels of {term.group}; there "
                f"are {len(right)}.",
                {},
                discrepancy=math.inf,
            )
        found = {"its conditional modes": float(np.abs((effects - right) * width).max()) / unit}
        if _spanned(term.z, case.design.x):
            found["a sum of zero"] = float(np.abs(effects.mean(axis=0) * width).max()) / unit
        for what, share in found.items():
            if not share <= far:
                far, where = _share(share, 1.0), f"{what} for {term.group}"
    marginal = case.design.y - case.design.x @ np.array([c.estimate for c in fit.coefficients])
    conditional = np.array(fit.residuals)
    before, after = float(marginal @ marginal), float(conditional @ conditional)
    grown = math.sqrt(max(after - before, 0.0) / len(conditional)) / unit if after else 0.0
    if grown > far:
        far, where = grown, "being shrunk: residuals are larger with them than without"
    if far <= 1.0:
        return question.holds(far)
    return question.fails(
        f"{whose(fit.engine)} random effects are {far * unit / sigma:.2g} residual SD from "
        f"{where}.",
        {},
        discrepancy=far,
    )


def _without_effects(
    question: Question, judgement: Judgement, fit: Fit, what: str
) -> PropertyOutcome:
    refused = held(alone(judgement.seen), {"re-refused": ACCOMPANYING["re-refused"]})
    if refused:
        return question.fails(f"{fit.engine} gives no {what}.", refused, discrepancy=math.inf)
    return question.not_applicable(f"{fit.engine} gives no {what}")


def _spanned(z: Array, x: Array) -> bool:
    """Whether every effect is a combination of fixed effects."""
    q, _ = np.linalg.qr(x)
    rest = z - q @ (q.T @ z)
    return bool((np.abs(rest).max(axis=0) <= 1e-9 * np.abs(z).max(axis=0)).all())


def numerical_df(judgement: Judgement) -> dict[str, str]:
    """Return the first cause of df that lmerTest has off at its own point."""
    seen = judgement.seen
    if not isinstance(seen.left, Fit) or seen.left.fitter != "lmerTest::lmer":
        return {}
    turned = replace(
        seen,
        left=seen.right,
        right=seen.left,
        left_audit=seen.right_audit,
        right_audit=seen.left_audit,
    )
    for cause, predicate in NUMERICAL_DF.items():
        evidence = predicate(turned)
        if evidence is not None:
            return {cause: evidence}
    return {}


def _causes(judgement: Judgement, kind: str) -> dict[str, str]:
    verdict = judgement.verdict
    if verdict.verdict != kind:
        return {}
    return dict(zip(verdict.causes, verdict.evidence, strict=True))


def _farthest(
    pairs: list[tuple[str, float, float]], quantity: str
) -> tuple[str, float, float, float]:
    """Return the pair farthest apart, relative and in units of the tolerance."""
    limit = load_tolerances()[quantity].default

    def share(pair: tuple[str, float, float]) -> float:
        _, own, fair = pair
        if own == fair:
            return 0.0
        if quantity == "p":
            if not (own > 0.0 and fair > 0.0):
                return 0.0 if max(own, fair) < 1e-300 else math.inf
            size = max(1.0, abs(math.log10(fair)))
            return _share(abs(math.log10(own) - math.log10(fair)) / size, limit)
        if math.isinf(own) or math.isinf(fair):
            # Infinite and finite df are compared as 1/df: 1e6 df are as good as the normal.
            return abs(1.0 / own - 1.0 / fair) / limit if own and fair else math.inf
        return _share(abs(own - fair), limit * abs(fair))

    worst = max(pairs, key=share)
    return (*worst, share(worst))


def _share(value: float, limit: float) -> float:
    return math.inf if math.isnan(value) or limit <= 0.0 else value / limit


def _df(df: float) -> str:
    return "the normal distribution" if math.isinf(df) else f"{df:.5g} df"
