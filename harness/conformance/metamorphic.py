"""Relations between two fits of one engine that need no reference: the same case in other words.

The engine fits the case and its twin; the twin's fit, put in the words of the case, has to be the
same in everything that the engine states. Where it is not, the referee is asked about both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import msgspec

from harness.base.text import significant, whose
from harness.conformance import model_twins, residual_twins, transformations
from harness.conformance.honesty import numerical_df, verdict_on_df
from harness.conformance.judged_pair import JudgedPair, beside_referee, two_fits, worst
from harness.conformance.parity import RIGHT_REFUSALS
from harness.conformance.question import NOT_ASKED, Question
from harness.conformance.residual_twins import Pairing
from harness.conformance.transformations import Twin
from harness.engines.engine import Failure, Fit, Outcome
from harness.engines.guard import no_residuals
from harness.judge.causes.predicates import MOVED, STANDARD_ERRORS
from harness.judge.causes.same_point import as_near_as_their_gaps
from harness.judge.causes.view import Pair
from harness.judge.comparison import Difference
from harness.judge.decision import first
from harness.judge.evidence import Evidence, causes_of
from harness.judge.property_outcome import PropertyOutcome
from harness.model.case import Case

_MOVED = {"units": "unit-dependent-stop", "order": "order-dependent-stop"}

_NOT_COMPARED = ("DATA_MISMATCH", "DIFFERENT_MODEL", "CODING")
"""Classes of verdict of a fit beside the referee's after which its numbers are not compared."""


def outcome_rescaled(question: Question) -> PropertyOutcome:
    """Check that ``a y + b`` has the estimates of ``y``, scaled, and the same tests."""
    return _relation(question, transformations.outcome_rescaled)


def predictor_rescaled(question: Question) -> PropertyOutcome:
    """Check that ``c x + d`` has the estimates of ``x``, scaled, and the same tests."""
    return _relation(question, transformations.predictor_rescaled)


def slope_recentred(question: Question) -> PropertyOutcome:
    """Check that the origin of a predictor with a correlated random slope does not matter."""
    return _relation(question, transformations.slope_recentred)


def rows_shuffled(question: Question) -> PropertyOutcome:
    """Check that the order of the rows does not matter."""
    return _relation(question, transformations.rows_shuffled)


def groups_relabelled(question: Question) -> PropertyOutcome:
    """Check that the labels of the groups do not matter."""
    return _relation(question, transformations.groups_relabelled)


def groups_reordered(question: Question) -> PropertyOutcome:
    """Check that the order of the groups does not matter."""
    return _relation(question, transformations.groups_reordered)


def null_factor_added(question: Question) -> PropertyOutcome:
    """Check that a grouping factor whose variance is zero changes nothing."""
    return _relation(question, model_twins.null_factor_added)


def nesting_in_full(question: Question) -> PropertyOutcome:
    """Check that ``(1 | a/b)`` is ``(1 | a) + (1 | a:b)``."""
    return _relation(question, model_twins.nesting_in_full)


def nesting_by_labels(question: Question) -> PropertyOutcome:
    """Check that nesting written into the labels is nesting written into the formula."""
    return _relation(question, model_twins.nesting_by_labels)


def equal_weights(question: Question) -> PropertyOutcome:
    """Check that equal weights change nothing but the residual variance."""
    return _pairing(question, residual_twins.equal_weights)


def offset_in_outcome(question: Question) -> PropertyOutcome:
    """Check that a known part of the outcome, given as an offset, changes nothing."""
    return _pairing(question, residual_twins.offset_in_outcome)


def symmetry_as_intercept(question: Question) -> PropertyOutcome:
    """Check that compound symmetry is a random intercept where the correlation is positive."""
    return _pairing(question, residual_twins.symmetry_as_intercept)


def two_visits(question: Question) -> PropertyOutcome:
    """Check that AR(1) of two visits is compound symmetry."""
    return _pairing(question, residual_twins.two_visits)


def one_stratum(question: Question) -> PropertyOutcome:
    """Check that variances by a factor of one level are one variance."""
    return _pairing(question, residual_twins.one_stratum)


def _pairing(question: Question, make: Callable[..., Pairing | str]) -> PropertyOutcome:
    pairing = make(question.case)
    if isinstance(pairing, str):
        return question.not_applicable(pairing)
    asked = replace(question, case=pairing.case)
    found = _relation(asked, lambda _: pairing.twin)
    return msgspec.structs.replace(found, case=question.case.id)


def _relation(question: Question, make: Callable[..., Twin | str]) -> PropertyOutcome:
    case = question.case
    if case.model.criterion == "OLS":
        return question.not_applicable("a linear model has a closed form")
    reason = _cannot(question, case)
    if reason is not None:
        return question.not_applicable(f"{question.engine.name} cannot express it: {reason}")
    twin = make(case)
    if isinstance(twin, str):
        return question.not_applicable(twin)
    reason = _cannot(question, twin.case)
    if reason is not None:
        return question.not_applicable(f"{question.engine.name} cannot express the twin: {reason}")
    before, after = question.fit(), question.fit(twin.case)
    if isinstance(before, Failure) or isinstance(after, Failure):
        return _without_fit(question, twin, before, after)
    return _compared(question, twin, before, after)


def _cannot(question: Question, case: Case) -> str | None:
    return question.engine.unsupported(case) or no_residuals(question.engine, case)


def _without_fit(
    question: Question, twin: Twin, before: Outcome, after: Outcome
) -> PropertyOutcome:
    failures = [o for o in (before, after) if isinstance(o, Failure)]
    engine = question.engine.name
    if len(failures) == 2 or failures[0].reason in NOT_ASKED:
        return question.not_applicable(f"{engine} has no fit: {failures[0].text}")
    causes: tuple[Evidence, ...] = ()
    for case, outcome in ((question.case, before), (twin.case, after)):
        comparison = beside_referee(case, outcome).comparison
        if comparison.verdict == "FAILED":
            causes += tuple(e for e in comparison.evidence if e not in causes)
    if any(cause in RIGHT_REFUSALS for cause in causes_of(causes)):
        return question.not_applicable(f"{engine} refuses the data: {failures[0].text}")
    if "undetermined-variance" in causes_of(causes):
        return question.not_applicable(
            f"the data do not determine the variances: {failures[0].text}", causes=causes
        )
    where = f"with {twin.words}" if isinstance(after, Failure) else f"but not with {twin.words}"
    return question.fails(
        f"{engine} has no fit {where}: {failures[0].text}",
        causes,
        discrepancy=math.inf,
        claim=True,
    )


def _compared(question: Question, twin: Twin, before: Fit, after: Fit) -> PropertyOutcome:
    case, engine = question.case, question.engine.name
    first, second = beside_referee(case, before), beside_referee(twin.case, after)
    for judged, words in ((first, "the case itself"), (second, twin.words)):
        comparison = judged.comparison
        if comparison.verdict in _NOT_COMPARED:
            return question.fails(
                f"With {words}: {comparison.sentence}",
                judged.faults,
                discrepancy=math.inf,
                verdict=comparison.verdict,
            )
        if comparison.verdict in ("FAILED", "ENVIRONMENT"):
            return question.not_applicable(f"the referee has no fit: {comparison.sentence}")
    pair = two_fits(case, before, twin.back(after))
    rows = tuple(d for d in pair.differences if _compares(d, (first, second)))
    far = worst(rows)
    if far <= 1.0:
        return question.holds(far)
    beyond = max(rows, key=lambda c: worst([c]))
    what = f"{beyond.quantity}{f' of {beyond.item}' if beyond.item else ''}"
    apart = significant(beyond.difference, 2)
    sentence = (
        f"With {twin.words}, {whose(engine)} {what} is {significant(beyond.reference)} where it "
        f"was {significant(beyond.value)}"
        + ("." if math.isnan(beyond.difference) else f": {apart} ({beyond.unit}) apart.")
    )
    wrong = [j for j in (first, second) if j.comparison.verdict == "WRONG_OPTIMUM"]
    if wrong:
        causes: tuple[Evidence, ...] = ()
        for judged in wrong:
            causes += tuple(e for e in judged.faults if e not in causes)
        moved = _MOVED.get(twin.moved)
        evidence = None if moved is None else MOVED[moved](first.view, second.view)
        if evidence is not None:
            causes = (evidence, *causes)
        return question.fails(sentence, causes, discrepancy=far, verdict="WRONG_OPTIMUM")
    return _at_one_optimum(question, sentence, pair, (first, second), far)


def _compares(difference: Difference, judged: tuple[JudgedPair, JudgedPair]) -> bool:
    """Whether a number may not move: df do where a rule that counts, or is not known, gives them.

    Those of a counting rule change with the number of factors, and at the boundary Satterthwaite's
    depend on how the variances are written: what moves has to be false of one of the fits.
    """
    if difference.quantity not in ("df", "p"):
        return True
    statements = (s for one in judged for s in one.judgement.statements)
    return any(s.truth == "false" and s.quantity in ("df", "p") for s in statements)


def _at_one_optimum(
    question: Question,
    sentence: str,
    pair: Pair,
    judged: tuple[JudgedPair, JudgedPair],
    far: float,
) -> PropertyOutcome:
    """Say why numbers differ although both fits are at the optimum."""
    outside = pair.outside()
    tests = [c for c in outside if c.quantity in ("df", "p")]
    causes: tuple[Evidence, ...] = ()
    if tests:
        # Which of the two is off shows beside the referee's fit of its own case.
        for one in judged:
            causes += tuple(e for e in numerical_df(one.view) if e not in causes)
    if any(c.quantity == "se" for c in outside):
        for one in judged:
            causes += tuple(e for e in first(one.view, STANDARD_ERRORS) if e not in causes)
    if len(tests) == len(outside) and causes:
        return question.fails(sentence, causes, discrepancy=far, verdict=verdict_on_df(causes))
    # What two points of equal deviance may differ in, the log-likelihood is not.
    near = None
    if not pair.outside("loglik") and not _false_of(outside, judged):
        near = as_near_as_their_gaps(pair)
    if near is not None and (causes or not tests or _follow(tests, outside)):
        return question.answer(
            "holds",
            sentence=sentence,
            discrepancy=1.0,
            verdict="TOLERANCE",
            evidence=(near,),
        )
    return question.fails(sentence, causes, discrepancy=far, verdict="UNEXPLAINED")


def _false_of(outside: list[Difference], judged: tuple[JudgedPair, JudgedPair]) -> bool:
    """Whether a number that differs is false at its own point; df are another matter."""
    apart = {c.quantity for c in outside} - {"df", "p"}
    statements = (s for one in judged for s in one.judgement.statements)
    return any(s.truth == "false" and s.quantity in apart for s in statements)


def _follow(tests: list[Difference], outside: list[Difference]) -> bool:
    """Whether df and p differ where the variances do too."""
    return any(c.quantity in ("variance", "se", "statistic") for c in outside) or not tests
