"""Agreement with the reference engine, and with the referee."""

from __future__ import annotations

import math

import numpy as np

from harness.conformance.judged_pair import REFEREE, JudgedPair, judge_pair
from harness.conformance.question import Question
from harness.engines.engine import Engine, Fit
from harness.judge.property_outcome import PropertyOutcome
from harness.model.case import Case
from harness.referee.crossproducts import aliased_columns

RIGHT_REFUSALS = ("one-row-per-group", "too-many-effects", "aliased-columns", "no-maximum")
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
        case "DIFFERENT_MODEL" if _left_out_rightly(question.case, pair):
            return question.not_applicable(sentence, verdict=verdict, causes=comparison.evidence)
    return question.fails(
        sentence,
        pair.faults,
        discrepancy=float("inf") if verdict == "FAILED" else max(pair.discrepancy, 1.0),
        verdict=verdict,
        engines=comparison.blamed,
        # What is found where there is no fit is why there is none.
        claim=verdict == "FAILED",
    )


def leaves_out_rightly(case: Case, fit: Fit) -> bool:
    """Whether a fit lacks dependent columns only, without an estimate or with NaN, and says so."""
    x, names = case.design.x, list(case.design.x_names)
    kept = [c.name for c in fit.coefficients if not math.isnan(c.estimate)]
    if not fit.messages or len(kept) == len(names) or not set(kept) <= set(names):
        return False
    gone = [j for j, name in enumerate(names) if name not in kept]
    # What is left has the rank of all, and no column in it depends on others.
    left = np.delete(x, gone, axis=1)
    return len(gone) == len(aliased_columns(x)) and not aliased_columns(left)


def _left_out_rightly(case: Case, pair: JudgedPair) -> bool:
    """Whether the fits that are of other columns are so because the case's are dependent."""
    fits = [v.fit for v in (pair.view, pair.reference) if v.engine in pair.comparison.blamed]
    return all(fit is not None and leaves_out_rightly(case, fit) for fit in fits)


def _refused_rightly(pair: JudgedPair) -> bool:
    """Whether there is no fit of data that do not identify the model."""
    return any(cause in RIGHT_REFUSALS for cause in pair.comparison.causes) and all(
        failure.reason in ("refused", "error") for failure in pair.failures
    )
