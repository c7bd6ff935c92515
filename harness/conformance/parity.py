"""Agreement with the reference engine, and with the referee."""

from __future__ import annotations

from harness.conformance.judged_pair import REFEREE, JudgedPair, judge_pair
from harness.conformance.question import Question
from harness.engines.engine import Engine
from harness.judge.property_outcome import PropertyOutcome

RIGHT_REFUSALS = ("one-row-per-group", "too-many-effects", "aliased-columns")
"""Causes for which an engine may give no fit: the data do not identify the model."""


def parity(question: Question) -> PropertyOutcome:
    """Check that estimates, variances, df and p are those of the reference engine."""
    assert question.reference is not None
    return from_pair(question, judged_beside(question, question.reference))


def referee_agreement(question: Question) -> PropertyOutcome:
    """Check that estimates and variances are those of the best point the referee knows."""
    return from_pair(question, judged_beside(question, REFEREE))


def judged_beside(question: Question, other: Engine) -> JudgedPair:
    """Judge the engine's fit beside another's; run both tight where that could explain."""
    case, setting = question.case, question.setting
    pending = other.begin(case, setting)
    outcome = question.fit()
    beside = pending()
    pair = judge_pair(case, outcome, beside)
    if pair.comparison.verdict == "UNEXPLAINED" and setting == "default":
        pending = other.begin(case, "tight")
        again = judge_pair(case, question.fit(setting="tight"), pending())
        agree = again.comparison.verdict in ("AGREE", "TOLERANCE")
        pair = judge_pair(case, outcome, beside, tight=agree)
    return pair


def from_pair(question: Question, pair: JudgedPair) -> PropertyOutcome:
    """Say what a comparison means for the property that two fits agree."""
    comparison = pair.comparison
    verdict, sentence = comparison.verdict, comparison.sentence
    match verdict:
        case "AGREE" | "TOLERANCE":
            # With TOLERANCE both are at the optimum, by that of the deviance: nobody is wrong.
            return question.answer(
                "holds",
                sentence=sentence,
                discrepancy=min(pair.discrepancy, 1.0) if verdict == "AGREE" else 1.0,
                verdict=verdict,
                evidence=comparison.evidence,
            )
        case "UNSUPPORTED" | "ENVIRONMENT" | "UNDETERMINED":
            return question.not_applicable(sentence, verdict=verdict, causes=comparison.evidence)
        case "FAILED" if _refused_rightly(pair):
            return question.not_applicable(sentence, verdict=verdict, causes=comparison.evidence)
    return question.fails(
        sentence,
        pair.faults,
        discrepancy=float("inf") if verdict == "FAILED" else max(pair.discrepancy, 1.0),
        verdict=verdict,
        engines=comparison.blamed,
    )


def _refused_rightly(pair: JudgedPair) -> bool:
    """Whether there is no fit of data that do not identify the model."""
    return any(cause in RIGHT_REFUSALS for cause in pair.comparison.causes) and all(
        failure.reason in ("refused", "error") for failure in pair.failures
    )
