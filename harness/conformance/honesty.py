"""Does an engine tell the truth of its own fit: flags, log-likelihood, errors, df, predictions.

Each check holds a fit against the referee at the fit's own estimates. Where the fit is not at the
optimum that is ``referee.agreement``'s to say, and what a wrong point gives is not checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from harness.base.text import significant, whose
from harness.conformance.judged_pair import JudgedPair, beside_referee
from harness.conformance.question import Question
from harness.engines.engine import Failure, Fit
from harness.judge.audit import Audit
from harness.judge.causes.claims import OPTIMAL, said_of_convergence
from harness.judge.causes.predicates import (
    ACCOMPANYING,
    CONVERGENCE_CLAIMS,
    NUMERICAL_DF,
    ROWS,
    SINGULARITY_CLAIMS,
    STANDARD_ERRORS,
    STATEMENTS,
)
from harness.judge.causes.view import View, misstated
from harness.judge.decision import definition_evidence, first, held
from harness.judge.evidence import Evidence, causes_of
from harness.judge.examination import gap_tolerance
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.tolerances import load_tolerances
from harness.judge.verdict import VerdictClass
from harness.model.design import Design
from harness.referee.conditional_modes import conditional_modes
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.satterthwaite import two_sided_p

Array = NDArray[np.float64]
Check = Callable[[Question, JudgedPair, Fit, Audit], PropertyOutcome]


def _of_a_fit(check: Check) -> Callable[[Question], PropertyOutcome]:
    """Ask a check of the engine's fit of the case, where it has one that the referee evaluates."""

    @wraps(check)
    def ask(question: Question) -> PropertyOutcome:
        fit = question.fit()
        if isinstance(fit, Failure):
            return question.not_applicable(f"{fit.engine} has no fit: {fit.text}")
        pair = beside_referee(question.case, fit)
        audit = pair.view.audit
        if audit is None:
            return question.not_applicable("the referee does not evaluate the case")
        if pair.comparison.verdict in ("DIFFERENT_MODEL", "CODING"):
            return question.not_applicable(pair.comparison.sentence)
        return check(question, pair, fit, audit)

    return ask


def _not_at_optimum(question: Question, audit: Audit) -> PropertyOutcome:
    return question.not_applicable(
        f"{audit.engine} is not at the optimum ({audit.certificate}); see referee.agreement"
    )


@_of_a_fit
def rows_used(question: Question, pair: JudgedPair, fit: Fit, _: Audit) -> PropertyOutcome:
    """Check that every complete row is used, and no other."""
    rows = len(question.case.design.y)
    counts = {"rows used": fit.n_obs}
    if fit.fitted:
        counts |= {"fitted values": len(fit.fitted), "residuals": len(fit.residuals)}
    wrong = [f"{count} {what}" for what, count in counts.items() if count != rows]
    if wrong:
        return question.fails(
            f"{fit.engine} has {', '.join(wrong)}; {rows} rows are complete.",
            held(pair.view, ROWS),
            discrepancy=math.inf,
            verdict="DATA_MISMATCH",
        )
    if fit.data_checksum != question.case.table.checksum():
        return question.fails(
            f"{fit.engine} did not get the data that were sent: another checksum.",
            (),
            discrepancy=math.inf,
            verdict="DATA_MISMATCH",
        )
    return question.holds()


@_of_a_fit
def converged(question: Question, pair: JudgedPair, fit: Fit, audit: Audit) -> PropertyOutcome:
    """Check that a fit is said to have converged exactly when it is at the optimum."""
    if fit.converged is None:
        return question.not_applicable(f"{fit.engine} says nothing of convergence")
    gap = audit.gap / gap_tolerance(fit.setting, singular=pair.singular)
    if audit.converged_true:
        return question.holds(min(max(gap, 0.0), 1.0))
    if said_of_convergence(fit) is None:
        return question.not_applicable(f"{fit.engine} warns that it failed to converge")
    claims = held(pair.view, CONVERGENCE_CLAIMS)
    wrong = fit.converged and pair.comparison.verdict == "WRONG_OPTIMUM"
    why = pair.faults if wrong else ()
    said = "it converged" if fit.converged else "it did not converge"
    truth = "is" if audit.certificate in OPTIMAL else "is not"
    return question.fails(
        f"{fit.engine} says that {said}; it {truth} at the optimum.",
        claims + why,
        discrepancy=max(gap, 1.0) if fit.converged else math.inf,
    )


@_of_a_fit
def singular(question: Question, pair: JudgedPair, fit: Fit, audit: Audit) -> PropertyOutcome:
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
        f"{'singular' if pair.singular else 'not'}.",
        held(pair.view, SINGULARITY_CLAIMS),
        discrepancy=math.inf,
        claim=True,
    )


@_of_a_fit
def loglik(question: Question, pair: JudgedPair, fit: Fit, audit: Audit) -> PropertyOutcome:
    """Check that the log-likelihood is that of the fit's own estimates."""
    error = audit.loglik_error
    if error is None:
        return question.not_applicable(f"{fit.engine} states no log-likelihood")
    far = _share(abs(error), load_tolerances()["loglik"].default)
    if not misstated(audit):
        return question.holds(far)
    value = math.nan if fit.loglik is None else fit.loglik
    stated = f"{value:.6f}" if math.isfinite(value) else significant(value)
    return question.fails(
        f"{whose(fit.engine)} log-likelihood is {stated}; at its own estimates it is "
        f"{audit.loglik:.6f}.",
        _by_definition(pair, ("loglik",), "") or held(pair.view, STATEMENTS),
        discrepancy=far,
    )


@_of_a_fit
def standard_errors(
    question: Question, pair: JudgedPair, fit: Fit, audit: Audit
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
    defined = _by_definition(pair, ("se",), name)
    return question.fails(
        f"{whose(fit.engine)} SE of {name} is {significant(own)}; sqrt diag (X'V^-1 X)^-1 is "
        f"{significant(fair)}.",
        defined or first(pair.view, STANDARD_ERRORS),
        discrepancy=far,
        verdict="DEFINITION" if defined else "FALSE_STATEMENT",
    )


@_of_a_fit
def stated_tests(question: Question, pair: JudgedPair, fit: Fit, audit: Audit) -> PropertyOutcome:
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
    far, sentence, name = 0.0, "", ""
    df_stated = bool(df)
    off: tuple[str, ...] = ("df", "p")
    if df:
        name, given, right, far = _farthest(df, "df")
        sentence = (
            f"{fit.engine} tests {name} with {_df(given)}; Satterthwaite's df at its own estimates "
            f"are {significant(right, 5)}."
        )
    if p:
        item, given, right, share = _farthest(p, "p")
        if share > far:
            far, off, name = share, ("p",), item
            sentence = (
                f"{whose(fit.engine)} p of {name} is {significant(given, 3)}; by its t and df "
                f"{significant(right, 3)}."
            )
    if far <= 1.0:
        return question.holds(far)
    defined = _by_definition(pair, off, name)
    if not df_stated and not defined:
        return question.not_applicable(f"{fit.engine} does not state the df of its p values")
    causes = defined or numerical_df(pair.view)
    return question.fails(
        sentence,
        causes,
        discrepancy=far,
        verdict="DEFINITION" if defined else verdict_on_df(causes),
    )


@_of_a_fit
def predictions(question: Question, pair: JudgedPair, fit: Fit, _: Audit) -> PropertyOutcome:
    """Check that fitted values are X b + Z u by the fit's own effects, and residuals the rest."""
    if not fit.fitted:
        return _without_effects(question, pair, fit, "fitted values")
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
    if np.isnan(fitted).any() or np.isnan(fit.residuals).any():
        return question.fails(
            f"{fit.engine} has fitted values or residuals that are no numbers (NaN).",
            (),
            discrepancy=math.inf,
        )
    left = np.abs(design.y - fitted - np.array(fit.residuals)).max()
    apart = max(float(np.abs(predicted - fitted).max()), float(left)) / sigma
    far = _share(apart, load_tolerances()["fitted"].at(fit.setting, singular=pair.singular))
    if far <= 1.0:
        return question.holds(far)
    return question.fails(
        f"{whose(fit.engine)} fitted values are {apart:.2g} residual SD from its own X b + Z u, or "
        "its residuals from y less fitted values.",
        (),
        discrepancy=far,
    )


@_of_a_fit
def random_effects(question: Question, pair: JudgedPair, fit: Fit, audit: Audit) -> PropertyOutcome:
    """Check that random effects are the conditional modes, sum to zero and are shrunk.

    They sum to zero over the levels of a term whose effects are all fixed effects as well, since
    X'V^-1 r = 0. They are shrunk: the residuals with them are no larger than those without, times
    the roots of weights. Where residuals are correlated that is so of r'R^-1 r, and is not asked.
    """
    case = question.case
    if case.model.criterion == "OLS":
        return question.not_applicable("a linear model has no random effects")
    if any(term.effects is None for term in fit.random):
        return _without_effects(question, pair, fit, "random effects")
    if audit.certificate not in OPTIMAL:
        return _not_at_optimum(question, audit)
    likelihood = likelihood_of(case.design, reml=case.model.criterion != "ML")
    modes = conditional_modes(likelihood.at(list(audit.theta)))
    sigma = math.sqrt(fit.residual_variance)
    unit = load_tolerances()["random_effect"].at(fit.setting, singular=pair.singular) * sigma
    far, where = 0.0, ""
    for term, own, right in zip(case.design.random, fit.random, modes, strict=True):
        width = np.sqrt((term.z**2).mean(axis=0))
        effects = np.array(own.effects)
        if effects.shape != right.shape:
            return question.fails(
                f"{fit.engine} has random effects of {len(effects)} levels of {term.group}; there "
                f"are {len(right)}.",
                (),
                discrepancy=math.inf,
            )
        if np.isnan(effects).any():
            return question.fails(
                f"{fit.engine} has random effects of {term.group} that are no numbers (NaN).",
                (),
                discrepancy=math.inf,
            )
        found = {"its conditional modes": float(np.abs((effects - right) * width).max()) / unit}
        if _spanned(term.z, case.design.x):
            found["a sum of zero"] = float(np.abs(effects.mean(axis=0) * width).max()) / unit
        for what, share in found.items():
            if not share <= far:
                far, where = _share(share, 1.0), f"{what} for {term.group}"
    grown = 0.0 if case.design.residual is not None else _grown(case.design, fit) / unit
    if grown > far:
        far, where = grown, "being shrunk: residuals are larger with them than without"
    if far <= 1.0:
        return question.holds(far)
    return question.fails(
        f"{whose(fit.engine)} random effects are {far * unit / sigma:.2g} residual SD from "
        f"{where}.",
        (),
        discrepancy=far,
    )


def _grown(design: Design, fit: Fit) -> float:
    """Return by how much residuals are larger with random effects than without, as a mean root."""
    marginal = design.y - design.x @ np.array([c.estimate for c in fit.coefficients])
    conditional = np.array(fit.residuals)
    root = 1.0 if design.weights is None else np.sqrt(design.weights)
    before, after = (float(((rest * root) ** 2).sum()) for rest in (marginal, conditional))
    return math.sqrt(max(after - before, 0.0) / len(marginal)) if after else 0.0


def _without_effects(question: Question, pair: JudgedPair, fit: Fit, what: str) -> PropertyOutcome:
    refused = held(pair.view, {"re-refused": ACCOMPANYING["re-refused"]})
    if refused:
        return question.fails(
            f"{fit.engine} gives no {what}.", refused, discrepancy=math.inf, claim=True
        )
    return question.not_applicable(f"{fit.engine} gives no {what}")


def _spanned(z: Array, x: Array) -> bool:
    """Whether every effect is a combination of fixed effects."""
    q, _ = np.linalg.qr(x)
    rest = z - q @ (q.T @ z)
    return bool((np.abs(rest).max(axis=0) <= 1e-9 * np.abs(z).max(axis=0)).all())


def states_satterthwaite(pair: JudgedPair) -> bool:
    """Whether an engine states df that are Satterthwaite's, or that are to be for all it says.

    Not of a z test, nor under another definition that it declares or that its df are known by.
    """
    return any(
        s.quantity == "df" and s.definition == "satterthwaite" and math.isfinite(s.value)
        for s in pair.judgement.statements
    )


_NUMERICAL_DF = ("df-residual-share", "df-steps", "df-rounding")


def numerical_df(view: View) -> tuple[Evidence, ...]:
    """Return the first cause of df that an engine has off at its own point.

    That the point is singular is one for lmerTest only, of whose numerical derivatives it is known.
    """
    if view.fit is None:
        return ()
    if view.fit.fitter == "lmerTest::lmer":
        return first(view, NUMERICAL_DF)
    return first(view, {name: NUMERICAL_DF[name] for name in _NUMERICAL_DF})


def verdict_on_df(causes: tuple[Evidence, ...]) -> VerdictClass:
    """Return what df that are off come to: at a singular point nobody's are reliable."""
    return "TOLERANCE" if "singular-df" in causes_of(causes) else "FALSE_STATEMENT"


def _by_definition(
    pair: JudgedPair, quantities: tuple[str, ...], item: str
) -> tuple[Evidence, ...]:
    """Return which definitions with a name of their own an engine states numbers under.

    A number that is false under every definition gives none.
    """
    found: dict[str, Evidence] = {}
    for quantity in quantities:
        statement = pair.judgement.statement(quantity, item)
        if statement is None or statement.truth in ("false", "not judged"):
            continue
        df = pair.judgement.statement("df", item)
        if quantity == "p" and df is not None and (df.definition, df.value) == ("none", math.inf):
            # The t distribution without df is the normal, whatever the engine calls it.
            statement = structs.replace(statement, definition="normal")
        evidence = definition_evidence(pair.view, statement)
        if evidence is not None:
            found.setdefault(evidence.cause, evidence)
    return tuple(found.values())


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
            if load_tolerances()["p"].allows(own, fair):
                return 0.0
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
    return "the normal distribution" if math.isinf(df) else f"{significant(df, 5)} df"
