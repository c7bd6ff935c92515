"""Relations between two fits of one engine that need no reference: the same case in other words.

The engine fits the case and its twin; the twin's fit, put in the words of the case, has to be the
same in everything that the engine states. Where it is not, the referee is asked about both.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from harness.base.possessive import whose
from harness.conformance import model_twins, transformations
from harness.conformance.honesty import numerical_df
from harness.conformance.judged_pair import REFEREE, Judgement, examined, judge, worst
from harness.conformance.parity import RIGHT_REFUSALS
from harness.conformance.question import Question
from harness.conformance.transformations import Twin
from harness.engines.engine import Coefficient, Failure, Fit, Outcome
from harness.judge.audit import Audit
from harness.judge.causes.predicates import MOVED
from harness.judge.causes.same_point import as_near_as_their_gaps
from harness.judge.causes.view import Seen
from harness.judge.comparison import Comparison
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.side_by_side import compare

_MOVED = {"units": "unit-dependent-stop", "order": "order-dependent-stop"}

_NOT_THERE = ("DATA_MISMATCH", "DIFFERENT_MODEL", "CODING", "WRONG_OPTIMUM")
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


def _relation(question: Question, make: Callable[..., Twin | str]) -> PropertyOutcome:
    case = question.case
    if case.model.criterion == "OLS":
        return question.not_applicable("a linear model has a closed form")
    reason = question.engine.unsupported(case)
    if reason is not None:
        return question.not_applicable(f"{question.engine.name} cannot express it: {reason}")
    twin = make(case)
    if isinstance(twin, str):
        return question.not_applicable(twin)
    reason = question.engine.unsupported(twin.case)
    if reason is not None:
        return question.not_applicable(f"{question.engine.name} cannot express the twin: {reason}")
    before, after = question.fit(), question.fit(twin.case)
    if isinstance(before, Failure) or isinstance(after, Failure):
        return _without_fit(question, twin, before, after)
    return _compared(question, twin, before, after)


def _without_fit(
    question: Question, twin: Twin, before: Outcome, after: Outcome
) -> PropertyOutcome:
    failures = [o for o in (before, after) if isinstance(o, Failure)]
    engine = question.engine.name
    if len(failures) == 2:
        return question.not_applicable(f"{engine} has no fit: {failures[0].text}")
    first = _beside_referee(question, before, twin=None)
    second = _beside_referee(question, after, twin=twin)
    causes: dict[str, str] = {}
    for judgement in (first, second):
        verdict = judgement.verdict
        if verdict.verdict == "FAILED":
            causes |= dict(zip(verdict.causes, verdict.evidence, strict=True))
    if any(cause in RIGHT_REFUSALS for cause in causes):
        return question.not_applicable(f"{engine} refuses the data: {failures[0].text}")
    where = f"with {twin.words}" if isinstance(after, Failure) else f"but not with {twin.words}"
    return question.fails(
        f"{engine} has no fit {where}: {failures[0].text}", causes, discrepancy=math.inf
    )


def _beside_referee(question: Question, fit: Outcome, twin: Twin | None) -> Judgement:
    case = question.case if twin is None else twin.case
    return judge(case, fit, REFEREE.fit(case, question.setting))


def _compared(question: Question, twin: Twin, before: Fit, after: Fit) -> PropertyOutcome:
    case, engine = question.case, question.engine.name
    first = _beside_referee(question, before, twin=None)
    second = _beside_referee(question, after, twin=twin)
    for judgement, words in ((first, "the case itself"), (second, twin.words)):
        verdict = judgement.verdict
        if verdict.verdict in _NOT_THERE[:3]:
            return question.fails(
                f"With {words}: {verdict.sentence}",
                dict(zip(verdict.causes, verdict.evidence, strict=True)),
                discrepancy=math.inf,
                verdict=verdict.verdict,
            )
        if verdict.verdict in ("FAILED", "ENVIRONMENT"):
            return question.not_applicable(f"the referee has no fit: {verdict.sentence}")
    back = twin.back(after)
    both = examined(case, [before, back], question.setting)
    rows = _as_stated(question, before, both.audits[0], back, both.audits[1], both.singular)
    far = worst(rows)
    if far <= 1.0:
        return question.holds(far)
    beyond = max(rows, key=lambda c: worst([c]))
    what = f"{beyond.quantity}{f' of {beyond.item}' if beyond.item else ''}"
    sentence = (
        f"With {twin.words}, {whose(engine)} {what} is {beyond.right:.6g} where it was "
        f"{beyond.left:.6g}: {beyond.difference:.2g} ({beyond.unit}) apart."
    )
    wrong = [j for j in (first, second) if j.verdict.verdict == "WRONG_OPTIMUM"]
    if wrong:
        causes: dict[str, str] = {}
        for judgement in wrong:
            verdict = judgement.verdict
            causes |= dict(zip(verdict.causes, verdict.evidence, strict=True))
        moved = _MOVED.get(twin.moved)
        evidence = None if moved is None else MOVED[moved](first.seen, second.seen)
        if moved is not None and evidence is not None:
            causes = {moved: evidence, **causes}
        return question.fails(sentence, causes, discrepancy=far, verdict="WRONG_OPTIMUM")
    seen = Seen(case, before, back, both.audits[0], both.audits[1], rows)
    return _at_one_optimum(question, sentence, seen, first, second, far)


def _at_one_optimum(
    question: Question,
    sentence: str,
    seen: Seen,
    first: Judgement,
    second: Judgement,
    far: float,
) -> PropertyOutcome:
    """Say why numbers differ although both fits are at the optimum."""
    outside = seen.outside()
    tests = [c for c in outside if c.quantity in ("df", "p")]
    causes: dict[str, str] = {}
    if tests:
        # Which of the two is off shows beside the referee's fit of its own case.
        for judgement in (first, second):
            causes |= numerical_df(judgement)
    if len(tests) == len(outside) and causes:
        return question.fails(sentence, causes, discrepancy=far, verdict="DEFINITION")
    # What two points of equal deviance may differ in, the log-likelihood is not.
    near = None if seen.outside("loglik") else as_near_as_their_gaps(seen)
    if near is not None and (causes or not tests or _follow(tests, outside)):
        return question.answer(
            "holds",
            sentence=sentence,
            discrepancy=1.0,
            verdict="TOLERANCE",
            causes=("flat-optimum",),
            evidence=(near,),
        )
    return question.fails(sentence, causes, discrepancy=far, verdict="UNEXPLAINED")


def _follow(tests: list[Comparison], outside: list[Comparison]) -> bool:
    """Whether df and p differ where the variances do too."""
    return any(c.quantity in ("variance", "se", "statistic") for c in outside) or not tests


def _as_stated(
    question: Question, left: Fit, left_audit: Audit, right: Fit, right_audit: Audit, singular: bool
) -> tuple[Comparison, ...]:
    """Compare what an engine states in two fits; like for like where one of them states nothing."""
    if not len(left.coefficients) == len(right.coefficients) == len(left_audit.coefficients):
        return ()
    ours: list[Coefficient] = []
    theirs: list[Coefficient] = []
    for a, fair_a, b, fair_b in zip(
        left.coefficients,
        left_audit.coefficients,
        right.coefficients,
        right_audit.coefficients,
        strict=True,
    ):
        unsaid = [
            column
            for column in ("se", "df", "statistic", "p")
            if getattr(a, column) is None or getattr(b, column) is None
        ]
        ours.append(msgspec.structs.replace(a, **{c: getattr(fair_a, c) for c in unsaid}))
        theirs.append(msgspec.structs.replace(b, **{c: getattr(fair_b, c) for c in unsaid}))
    return compare(
        question.case.design,
        left,
        msgspec.structs.replace(left_audit, coefficients=tuple(ours)),
        msgspec.structs.replace(right, coefficients=tuple(theirs)),
        right_audit,
        singular=singular,
    )
