"""What must hold whatever the data: limits, orderings, refusals, and the same answer twice."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.base.text import whose
from harness.conformance.honesty import numerical_df, states_satterthwaite
from harness.conformance.judged_pair import JudgedPair, beside_referee, two_fits, worst
from harness.conformance.model_twins import (
    Flat,
    by_other_criterion,
    with_constant_twice,
    without_variance,
)
from harness.conformance.parity import leaves_out_rightly
from harness.conformance.question import NOT_ASKED, Question
from harness.engines.engine import Failure, Fit
from harness.engines.engine_wrapper import bare
from harness.engines.guard import guarded
from harness.judge.causes.predicates import FAILING
from harness.judge.causes.view import View
from harness.judge.decision import held
from harness.judge.evidence import Evidence
from harness.judge.examination import point_of
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.tolerances import load_tolerances
from harness.referee.crossproducts import aliased_columns
from harness.referee.residual_likelihood import likelihood_of

Array = NDArray[np.float64]


def duplicated_constant(question: Question) -> PropertyOutcome:
    """Check that a second constant column is refused, left out or fitted, with a message."""
    case, engine = question.case, question.engine.name
    if aliased_columns(case.design.x):
        return question.not_applicable("its fixed effects are linearly dependent already")
    doubled = with_constant_twice(case)
    if isinstance(doubled, str):
        return question.not_applicable(doubled)
    outcome = question.fit(doubled)
    if isinstance(outcome, Failure):
        if outcome.reason in ("refused", "error"):
            return question.holds(sentence=f"{engine} refuses it: {outcome.text}")
        if outcome.reason in NOT_ASKED:
            return question.not_applicable(f"{engine} has no fit: {outcome.text}")
        return question.fails(
            f"{engine} has no fit: {outcome.text}", (), discrepancy=math.inf, verdict="FAILED"
        )
    if leaves_out_rightly(doubled, outcome):
        return question.holds(sentence=f"{engine} leaves it out and says so")
    plain = question.fit()
    known = {m.text for m in plain.messages} if isinstance(plain, Fit) else set()
    said = [m.text for m in outcome.messages if m.text not in known]
    if said and len(outcome.coefficients) == len(doubled.design.x_names):
        return question.holds(sentence=f"{engine} fits both and warns: {said[0]}")
    view = View(doubled, outcome, None)
    return question.fails(
        f"{engine} gives {len(outcome.coefficients)} fixed effects, two of them for equal columns, "
        "without a message.",
        held(view, {"aliased-columns": FAILING["aliased-columns"]}),
        discrepancy=math.inf,
    )


def reml_ml_order(question: Question) -> PropertyOutcome:
    """Check that each criterion is largest at its own estimates."""
    case, engine = question.case, question.engine.name
    if case.model.criterion == "OLS":
        return question.not_applicable("a linear model has one criterion")
    other = by_other_criterion(case)
    own, others = question.fit(), question.fit(other)
    if not isinstance(own, Fit) or not isinstance(others, Fit):
        return question.not_applicable(f"{engine} has no fit by one of the criteria")
    far, sentence, behind = 0.0, "", case
    for here, fit, rival in ((case, own, others), (other, others, own)):
        if fit.loglik is None:
            return question.not_applicable(f"{engine} states no log-likelihood")
        likelihood = likelihood_of(here.design, reml=here.model.criterion == "REML")
        point = point_of(likelihood, rival)
        if point is None:
            return question.not_applicable("its variances are no covariance matrices")
        # Sigma profiled: the best that the other criterion's variance ratios can give.
        better = -0.5 * point.deviance() - fit.loglik
        share = better / load_tolerances()["loglik"].default
        share = math.inf if math.isnan(share) else share
        if share > far:
            far, behind = share, here
            sentence = (
                f"{whose(engine)} {here.model.criterion} log-likelihood is {fit.loglik:.6f}; at "
                f"the variance ratios of its {rival_name(here.model.criterion)} fit it is "
                f"{fit.loglik + better:.6f}."
            )
    if far <= 1.0:
        return question.holds(far)
    pair = beside_referee(behind, question.fit(behind))
    return question.fails(sentence, pair.faults, discrepancy=far, verdict=pair.comparison.verdict)


def rival_name(criterion: str) -> str:
    """Return the other criterion's name."""
    return "ML" if criterion == "REML" else "REML"


def refitted(question: Question) -> PropertyOutcome:
    """Check that the same case fitted again, after another, gives the same bits."""
    case, engine = question.case, question.engine.name
    first = question.fit()
    if not isinstance(first, Fit):
        return question.not_applicable(f"{engine} has no fit: {first.text}")
    # What was fitted in between must leave no trace: MixedLM.fit changes its model.
    if case.model.criterion != "OLS":
        question.fit(by_other_criterion(case))
    again = guarded(bare(question.engine), case, question.setting)()
    if isinstance(again, Failure):
        return question.fails(
            f"{engine} fitted the case and then did not: {again.text}",
            (),
            discrepancy=math.inf,
            verdict="FAILED",
        )
    if _numbers(first) == _numbers(again):
        return question.holds()
    faults = (beside_referee(case, fit).faults for fit in (first, again))
    return question.fails(
        f"{engine} gives other digits for the same data the second time.",
        next(filter(None, faults), ()),
        discrepancy=1.0 + worst(two_fits(case, first, again).differences),
    )


def _numbers(fit: Fit) -> str:
    """Write every number of a fit: NaN is then equal to itself."""
    return repr(
        (
            fit.coefficients,
            fit.random,
            fit.residual_variance,
            fit.loglik,
            fit.fitted,
            fit.converged,
            fit.singular,
        )
    )


def zero_variance_is_ols(question: Question) -> PropertyOutcome:
    """Check that a mixed model whose variances are zero is least squares."""
    found = _flat_fit(question)
    if isinstance(found, PropertyOutcome):
        return found
    flat, fit, pair = found
    audit = pair.view.audit
    assert audit is not None
    errors = np.sqrt(np.diag(flat.covariance))
    table = load_tolerances()
    estimates = np.array([c.estimate for c in fit.coefficients])
    shares = {
        "estimates": np.abs((estimates - flat.beta) / errors) / table["estimate"].default,
        "standard errors (like for like)": np.abs(
            np.array([c.se for c in audit.coefficients], dtype=np.float64) / errors - 1.0
        )
        / table["se"].default,
        "residual variance": np.abs([fit.residual_variance / flat.sigma2 - 1.0])
        / table["residual_variance"].default,
        "fitted values": np.abs(np.array(fit.fitted) - flat.fitted)
        / (math.sqrt(flat.sigma2) * table["fitted"].default)
        if len(fit.fitted) == len(flat.fitted)
        else np.zeros(1),
    }
    far, what = _largest(shares)
    if far <= 1.0:
        return question.holds(far)
    return _moved_off(
        question,
        pair,
        far,
        f"The outcome has no variance but the residual's; {whose(question.engine.name)} {what} "
        f"{'is not that' if what == 'residual variance' else 'are not those'} of least squares.",
    )


def zero_variance_df(question: Question) -> PropertyOutcome:
    """Check that Satterthwaite's df at zero variances are those of the residuals.

    n - p by REML; by ML, whose residual variance has the divisor n, they are n.
    """
    found = _flat_fit(question)
    if isinstance(found, PropertyOutcome):
        return found
    flat, fit, pair = found
    if not states_satterthwaite(pair):
        return question.not_applicable(
            f"{question.engine.name} states no df that are Satterthwaite's"
        )
    limit = load_tolerances()["df"].default
    stated = np.array(
        [c.df for c in fit.coefficients if c.df is not None and math.isfinite(c.df)],
        dtype=np.float64,
    )
    far, _ = _largest({"df": np.abs(stated / flat.df - 1.0) / limit})
    if far <= 1.0:
        return question.holds(far)
    sentence = (
        f"The outcome has no variance but the residual's, which has {flat.df} df; "
        f"{whose(question.engine.name)} df are others."
    )
    return _moved_off(question, pair, far, sentence, numerical_df(pair.view))


def _flat_fit(question: Question) -> PropertyOutcome | tuple[Flat, Fit, JudgedPair]:
    case, engine = question.case, question.engine.name
    if case.model.criterion == "OLS":
        return question.not_applicable("a linear model has no random effects")
    reason = question.engine.unsupported(case)
    if reason is not None:
        return question.not_applicable(f"{engine} cannot express it: {reason}")
    flat = without_variance(case)
    if isinstance(flat, str):
        return question.not_applicable(flat)
    fit = question.fit(flat.case)
    if isinstance(fit, Failure) and fit.reason in NOT_ASKED:
        return question.not_applicable(f"{engine} has no fit of it without variance: {fit.text}")
    pair = beside_referee(flat.case, fit)
    verdict = pair.comparison.verdict
    if isinstance(fit, Failure):
        return question.fails(
            f"{engine} has no fit of an outcome without variance between groups: {fit.text}",
            pair.faults,
            discrepancy=math.inf,
            verdict="FAILED",
            claim=True,
        )
    if verdict in ("DATA_MISMATCH", "DIFFERENT_MODEL", "CODING"):
        return question.fails(
            pair.comparison.sentence, pair.faults, discrepancy=math.inf, verdict=verdict
        )
    return flat, fit, pair


def _largest(shares: dict[str, Array]) -> tuple[float, str]:
    worst_of = {
        what: math.inf if np.isnan(values).any() else float(values.max(initial=0.0))
        for what, values in shares.items()
    }
    what = max(worst_of, key=lambda key: worst_of[key])
    return worst_of[what], what


def _moved_off(
    question: Question,
    pair: JudgedPair,
    far: float,
    sentence: str,
    causes: tuple[Evidence, ...] | None = None,
) -> PropertyOutcome:
    """Answer for a fit that does not have the limit's numbers."""
    comparison = pair.comparison
    if comparison.verdict == "TOLERANCE" and not causes:
        # At the optimum, by the tolerance of the deviance.
        return question.answer(
            "holds",
            sentence=sentence,
            discrepancy=1.0,
            verdict="TOLERANCE",
            evidence=comparison.evidence,
        )
    return question.fails(
        sentence, causes or pair.faults, discrepancy=far, verdict=comparison.verdict
    )
