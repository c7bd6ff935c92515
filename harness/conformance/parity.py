"""Agreement with the reference engine, and with the referee."""

from __future__ import annotations

from harness.conformance.judged_pair import REFEREE, Judgement, judge
from harness.conformance.question import Question
from harness.engines.engine import Engine, Failure
from harness.judge.property_outcome import PropertyOutcome

RIGHT_REFUSALS = ("one-row-per-group", "too-many-effects", "aliased-columns")
"""Causes for which an engine may give no fit: the data do not identify the model."""


def parity(question: Question) -> PropertyOutcome:
    """Check that estimates, variances, df and p are those of the reference engine."""
    assert question.reference is not None
    return _agrees_with(question, question.reference)


def referee_agreement(question: Question) -> PropertyOutcome:
    """Check that estimates and variances are those of the best point the referee knows."""
    return _agrees_with(question, REFEREE)


def _agrees_with(question: Question, other: Engine) -> PropertyOutcome:
    return from_judgement(question, judged_beside(question, other))


def judged_beside(question: Question, other: Engine) -> Judgement:
    """Judge the engine's fit beside another's; run both tight where that could explain."""
    case, setting = question.case, question.setting
    pending = other.begin(case, setting)
    left = question.fit()
    judgement = judge(case, left, pending())
    if judgement.verdict.verdict == "UNEXPLAINED" and setting == "default":
        pending = other.begin(case, "tight")
        again = judge(case, question.fit(setting="tight"), pending())
        agree = again.verdict.verdict in ("AGREE", "TOLERANCE")
        judgement = judge(case, left, judgement.seen.right, tight=agree)
    return judgement


def from_judgement(question: Question, judgement: Judgement) -> PropertyOutcome:
    """Say what a verdict means for the property that two fits agree."""
    verdict = judgement.verdict
    causes = dict(zip(verdict.causes, verdict.evidence, strict=True))
    match verdict.verdict:
        case "AGREE":
            return question.answer(
                "holds",
                sentence=verdict.sentence,
                discrepancy=min(judgement.discrepancy, 1.0),
                verdict=verdict.verdict,
                causes=causes,
                evidence=verdict.evidence,
            )
        case "TOLERANCE":
            # At the optimum, by the tolerance of the deviance: nobody is wrong.
            return question.answer(
                "holds",
                sentence=verdict.sentence,
                discrepancy=1.0,
                verdict=verdict.verdict,
                causes=causes,
                evidence=verdict.evidence,
            )
        case "UNSUPPORTED" | "ENVIRONMENT":
            return question.not_applicable(verdict.sentence, verdict=verdict.verdict, causes=causes)
        case "FAILED":
            return _failed(question, judgement, causes)
    return question.fails(
        verdict.sentence,
        causes,
        discrepancy=max(judgement.discrepancy, 1.0),
        verdict=verdict.verdict,
        engines=verdict.engines,
    )


def _failed(question: Question, judgement: Judgement, causes: dict[str, str]) -> PropertyOutcome:
    verdict = judgement.verdict
    right = any(cause in RIGHT_REFUSALS for cause in causes) and all(
        failure.reason in ("refused", "error") for failure in judgement.seen.failures()
    )
    if right:
        return question.not_applicable(verdict.sentence, verdict="FAILED", causes=causes)
    return question.fails(
        verdict.sentence,
        causes,
        discrepancy=float("inf"),
        verdict="FAILED",
        engines=verdict.engines,
    )


def refused_rightly(failure: Failure, judgement: Judgement) -> bool:
    """Whether an engine gave no fit to data that do not identify the model."""
    return failure.reason in ("refused", "error") and any(
        cause in RIGHT_REFUSALS for cause in judgement.verdict.causes
    )
