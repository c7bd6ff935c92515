"""Satterthwaite's degrees of freedom and type III F tests."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.base.text import significant, whose
from harness.conformance.honesty import numerical_df, states_satterthwaite, verdict_on_df
from harness.conformance.judged_pair import JudgedPair, beside_referee
from harness.conformance.parity import judged_beside
from harness.conformance.question import Question
from harness.engines.engine import Failure, Fit
from harness.engines.engine_wrapper import bare
from harness.engines.lme4 import Lme4Engine
from harness.engines.lme4_f_tests import Type3Table, type3_by_lmertest
from harness.judge.causes.claims import OPTIMAL
from harness.judge.causes.predicates import LMERTEST_HYPOTHESIS
from harness.judge.evidence import found
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.tolerances import load_tolerances
from harness.referee.f_tests import FTest, f_p, fixed_terms, satterthwaite_f, type3_hypotheses
from harness.referee.residual_likelihood import likelihood_of

Array = NDArray[np.float64]


def df_bounds(question: Question) -> PropertyOutcome:
    """Check that df lie between 0 and the divisor of the residual variance.

    Along a common scale of all variances the deviance is m (log k + 1 / k), whose curvature is m,
    and the variance of a contrast is proportional to k; by the Cauchy-Schwarz inequality df <= m
    wherever the Hessian has no negative eigenvalue. m is n - p by REML and n by ML.
    """
    case, engine = question.case, question.engine.name
    if case.model.criterion == "OLS":
        return question.not_applicable("the tests of a linear model are exact")
    fit = question.fit()
    if isinstance(fit, Failure):
        return question.not_applicable(f"{engine} has no fit: {fit.text}")
    pair = beside_referee(case, fit)
    audit = pair.view.audit
    if audit is None or pair.comparison.verdict in ("DIFFERENT_MODEL", "CODING"):
        return question.not_applicable("the referee does not evaluate the fit")
    if audit.certificate not in ("interior optimum", "boundary optimum"):
        return question.not_applicable(f"{engine} is not at the optimum: see referee.agreement")
    if not states_satterthwaite(pair):
        return question.not_applicable(f"{engine} states no df that are Satterthwaite's")
    n, p = case.design.x.shape
    m = n - p if case.model.criterion == "REML" else n
    limit = load_tolerances()["df"].default
    far, sentence = 0.0, ""
    for own in fit.coefficients:
        if own.df is None or math.isinf(own.df):
            continue  # a z test has no df to bound: see honesty.tests
        over = (own.df / m - 1.0) / limit if own.df > 0.0 else math.inf
        if over > far:
            far = over
            sentence = (
                f"{engine} states {significant(own.df)} df for {own.name}; the data have {m}."
            )
    if far <= 1.0:
        return question.holds(far)
    return question.fails(sentence, numerical_df(pair.view), discrepancy=far)


def equal_to_lmertest(question: Question) -> PropertyOutcome:
    """Check that the Satterthwaite's df that an engine states, and its p, are lmerTest's."""
    assert question.reference is not None
    engine, reference = question.engine.name, question.reference.name
    if question.case.model.criterion == "OLS":
        return question.not_applicable("the tests of a linear model are exact")
    pair = judged_beside(question, question.reference)
    comparison = pair.comparison
    verdict, sentence = comparison.verdict, comparison.sentence
    if pair.failures:
        return question.not_applicable(sentence, verdict=verdict)
    if not states_satterthwaite(pair):
        return question.not_applicable(f"{engine} states no df that are Satterthwaite's")
    rows = [d for d in comparison.differences if d.quantity == "df"]
    rows += [d for d in comparison.differences if d.quantity == "p"]
    if not rows or all(math.isinf(d.reference) for d in rows if d.quantity == "df"):
        return question.not_applicable(f"{reference} states no df")
    if pair.off_optimum:
        wrong = " and ".join(pair.off_optimum)
        return question.not_applicable(f"{wrong} not at the optimum: {sentence}", verdict=verdict)
    farthest = max(rows, key=lambda d: _far(d.difference, d.tolerance))
    far = _far(farthest.difference, farthest.tolerance)
    if far <= 1.0:
        return question.holds(far)
    sentence = (
        f"{farthest.quantity} of {farthest.item}: {engine} states {significant(farthest.value)}, "
        f"{reference} {significant(farthest.reference)}."
    )
    causes = pair.faults
    if verdict == "TOLERANCE":
        causes = tuple(e for e in comparison.evidence if e.cause == "singular-df")
        if not causes:
            return question.answer(
                "holds",
                sentence=sentence,
                discrepancy=1.0,
                verdict=verdict,
                evidence=comparison.evidence,
            )
    return question.fails(
        sentence, causes, discrepancy=far, verdict=verdict, engines=comparison.blamed
    )


def _far(difference: float, tolerance: float) -> float:
    return math.inf if math.isnan(difference) else difference / tolerance


def type3(question: Question) -> PropertyOutcome:
    """Check that type III F tests at the engine's estimates are lmerTest's anova.

    F, both df and p of every term, by the referee at the estimates of an engine that tests with
    Satterthwaite's df; beside them what ``anova(type = 3)`` makes of lme4's own fit.
    """
    assert question.reference is not None
    case = question.case
    reference = bare(question.reference)
    if not isinstance(reference, Lme4Engine):
        return question.not_applicable("the reference is not lme4 with R at hand")
    if question.setting != "default":
        return question.not_applicable("lmerTest's table is that of a default fit")
    if case.model.criterion == "OLS" or not case.model.fixed.terms:
        return question.not_applicable("no mixed model with a term to test")
    pair = judged_beside(question, question.reference)
    fit, verdict = pair.view.fit, pair.comparison.verdict
    if fit is None or verdict not in _AT_ONE_OPTIMUM:
        return question.not_applicable(
            f"not at one optimum: {pair.comparison.sentence}", verdict=verdict
        )
    if not states_satterthwaite(pair):
        return question.not_applicable(
            f"{question.engine.name} states no df that are Satterthwaite's"
        )
    stated = type3_by_lmertest(reference, case)
    if isinstance(stated, str):
        return question.not_applicable(f"lmerTest has no table: {stated}")
    assert pair.view.audit is not None
    tests = _FTests(question, fit, pair.view.audit.theta)
    return _tables(question, pair, tests, stated)


_AT_ONE_OPTIMUM = ("AGREE", "TOLERANCE", "DEFINITION", "FALSE_STATEMENT")


def stated_f_tests(question: Question) -> PropertyOutcome:
    """Check that F tests which an engine states as lmerTest's type III are those."""
    engine = question.engine.name
    if question.case.model.criterion == "OLS":
        return question.not_applicable("the tests of a linear model are exact")
    pair = beside_referee(question.case, question.fit())
    fit, audit = pair.view.fit, pair.view.audit
    if fit is None or audit is None or not fit.term_tests:
        return question.not_applicable(f"{engine} states no F tests")
    if fit.definitions.get("term_tests") != "type3-satterthwaite":
        return question.not_applicable(f"{engine} does not say by which rule its F tests are")
    if audit.certificate not in OPTIMAL:
        return question.not_applicable(f"the fit of {engine} is not at the optimum")
    if tuple(c.name for c in fit.coefficients) != question.case.design.x_names:
        return question.not_applicable(f"{engine} has other columns")
    tests = _FTests(question, fit, audit.theta)
    hypotheses = tests.type3()
    far, sentence, of_df = 0.0, "", False
    for stated in fit.term_tests:
        if stated.term not in hypotheses:
            named = ", ".join(hypotheses)
            sentence = f"{engine} tests a term {stated.term!r}; the terms are {named}."
            return question.fails(sentence, (), discrepancy=math.inf)
        right = tests.of(hypotheses[stated.term])
        pairs = [
            ("df_num", "numerator df", stated.df_num, float(right.df_num)),
            ("statistic", "F", stated.statistic, right.statistic),
            ("df", "denominator df", stated.df_den, right.df_den),
        ]
        if stated.df_den is not None:
            p = f_p(stated.statistic, round(stated.df_num), stated.df_den)
            pairs.append(("p", "p", stated.p, p))
        for quantity, called, own, its in pairs:
            share = 0.0 if own is None else _apart(quantity, own, its)
            if own is not None and not share <= far:
                far, of_df = share, quantity == "df"
                sentence = (
                    f"{called} of {stated.term}: {engine} states {significant(own)}, "
                    f"by type III hypotheses and Satterthwaite at its own estimates "
                    f"{significant(its)}."
                )
    if far <= 1.0:
        return question.holds(far)
    causes = numerical_df(pair.view) if of_df else ()
    return question.fails(
        sentence, causes, discrepancy=far, verdict=verdict_on_df(causes) if of_df else None
    )


class _FTests:
    """F tests at a fit's own estimates."""

    def __init__(self, question: Question, fit: Fit, theta: tuple[float, ...]) -> None:
        self._case = question.case
        self._beta = np.array([c.estimate for c in fit.coefficients])
        self._sigma = math.sqrt(fit.residual_variance)
        reml = self._case.model.criterion != "ML"
        self._point = likelihood_of(self._case.design, reml=reml).at(list(theta))

    def of(self, rows: Array) -> FTest:
        """Test some contrasts together."""
        return satterthwaite_f(self._point, rows, sigma=self._sigma, beta=self._beta)

    def type3(self) -> dict[str, Array]:
        """Return the hypotheses of every term that has some."""
        terms = fixed_terms(self._case.model, self._case.table)
        found = type3_hypotheses(terms, self._case.design.x)
        return {term: rows for term, rows in found.items() if len(rows)}


def _tables(
    question: Question, pair: JudgedPair, tests: _FTests, table: Type3Table
) -> PropertyOutcome:
    """Compare the two tables term by term."""
    hypotheses, stated = tests.type3(), table.terms
    if set(hypotheses) != set(stated):
        return question.fails(
            f"Terms tested: {', '.join(hypotheses)}; by lmerTest {', '.join(stated)}.",
            (),
            discrepancy=math.inf,
        )
    engine = question.engine.name
    far, sentence, worst, where = 0.0, "", "", ""
    for term, rows in hypotheses.items():
        for quantity, a, b in _numbers(tests.of(rows), stated[term].test):
            share = _apart(quantity, a, b)
            if share > far:
                far, worst, where = share, quantity, term
                sentence = (
                    f"{quantity} of {term}: {a:.6g} at {whose(engine)} estimates, lmerTest {b:.6g}."
                )
    if far <= 1.0:
        return question.holds(far)
    right = pair.reference.fit
    assert right is not None
    other = _other_hypothesis(question, tests, hypotheses[where], table, where, right)
    if other is not None:
        return question.fails(
            sentence,
            (found(LMERTEST_HYPOTHESIS, right.engine, said=other),),
            discrepancy=far,
            verdict="DEFINITION",
            engines=(right.engine,),
        )
    if "flat-optimum" in pair.comparison.causes:
        return question.answer(
            "holds",
            sentence=sentence,
            discrepancy=1.0,
            verdict="TOLERANCE",
            evidence=pair.comparison.evidence,
        )
    if worst in ("df_num", "statistic"):
        return question.fails(sentence, (), discrepancy=far)
    # The same point: df differ as lmerTest's numerical derivatives do in its own t tests.
    causes = numerical_df(pair.reference)
    return question.fails(
        sentence,
        causes,
        discrepancy=far,
        verdict=verdict_on_df(causes),
        engines=(right.engine,),
    )


def _other_hypothesis(
    question: Question, tests: _FTests, rows: Array, table: Type3Table, term: str, right: Fit
) -> str | None:
    """Hold when lmerTest tested other contrasts, and those give its F."""
    order = [table.columns.index(n) for n in right.native_names if n in table.columns]
    if len(order) != len(table.columns) or len(order) != rows.shape[1]:
        return None
    stated = table.terms[term]
    theirs = stated.hypothesis[:, order]
    if theirs.shape != rows.shape or _same_span(question, rows, theirs):
        return None
    again = tests.of(theirs)
    if _apart("statistic", again.statistic, stated.test.statistic) > 1.0:
        return None
    return (
        f"its hypothesis for {term} is {_written(theirs[0], right.native_names)}, "
        f"not {_written(rows[0], right.native_names)}; F by its own {again.statistic:.6g}"
    )


def _same_span(question: Question, ours: Array, theirs: Array) -> bool:
    """Whether two matrices of hypotheses are about the same combinations of rows of X."""
    # In units of each column's spread over the rows, so that a coefficient counts as its effect.
    size = np.sqrt((question.case.design.x**2).mean(axis=0))
    a, b = (rows / size for rows in (ours, theirs))
    q, _ = np.linalg.qr(a.T)
    left = b.T - q @ (q.T @ b.T)
    return bool(np.abs(left).max() <= 1e-9 * np.abs(b).max())


def _written(row: Array, names: tuple[str, ...]) -> str:
    parts = [f"{v:.6g} {n}" for v, n in zip(row, names, strict=True) if v != 0.0]
    return " + ".join(parts).replace("+ -", "- ")


def _numbers(ours: FTest, theirs: FTest) -> list[tuple[str, float, float]]:
    return [
        ("df_num", float(ours.df_num), float(theirs.df_num)),
        ("statistic", ours.statistic, theirs.statistic),
        ("df", ours.df_den, theirs.df_den),
        ("p", ours.p, theirs.p),
    ]


def _apart(quantity: str, a: float, b: float) -> float:
    if a == b:
        return 0.0
    table = load_tolerances()
    if quantity == "df_num":
        return math.inf
    if quantity == "p":
        if not (a > 0.0 and b > 0.0):
            return 0.0 if max(a, b) < 1e-300 else math.inf
        size = max(1.0, abs(math.log10(b)))
        return _far(abs(math.log10(a) - math.log10(b)) / size, table["p"].default)
    if quantity == "statistic":
        # F is a mean of squared t: twice their relative error.
        return _far(abs(a - b) / max(abs(b), 1.0), 2.0 * table["statistic"].default)
    return _far(abs(a - b) / abs(b), table["df"].default)
