"""What two judgements side by side come to.

Two engines are never judged a second time: their comparison is the graver of their judgements, and
where both are right it says whether their numbers differ by coding, definition or tolerance, or for
no known reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.judge.causes.basis import CODINGS
from harness.judge.causes.open_variances import is_open
from harness.judge.causes.predicates import (
    ACCOMPANYING,
    EXPLAINING,
    PairPredicate,
)
from harness.judge.causes.view import Pair
from harness.judge.comparison import Comparison, Difference
from harness.judge.decision import UNKNOWN, definition_evidence, require_known
from harness.judge.evidence import Evidence, causes_of
from harness.judge.judgement import Judgement
from harness.judge.verdict import Finding, VerdictClass, graver


def compare(pair: Pair, one: Judgement, reference: Judgement) -> Comparison:
    """Say what an engine's judgement beside the reference's comes to.

    ``pair`` has the same two, their differences, and whether they agree when run tight.
    """
    both = (one, reference)
    kind = graver(*(j.verdict for j in both))
    if kind == "UNDETERMINED":
        return _undetermined(pair, both)
    if kind != "RIGHT":
        return _graver(pair, both, kind)
    evidence = _united(both)
    coded = tuple(j.engine for j in both if set(CODINGS) & set(j.causes))
    if coded:
        return _comparison(pair, "CODING", "coding", evidence, coded)
    outside = pair.outside()
    if not pair.differences:
        return _comparison(pair, "UNEXPLAINED", "not-compared", evidence)
    if not outside:
        criterion = pair.case.model.criterion
        singular = "true-boundary" in causes_of(evidence)
        key = "agree-closed-form" if criterion == "OLS" else "agree"
        return _comparison(pair, "AGREE", key + ("-singular" if singular else ""), evidence)
    return _apart(pair, both, evidence, outside)


def _undetermined(pair: Pair, both: Sequence[Judgement]) -> Comparison:
    """Both are at points as good as the best; what else differs needs its cause."""
    evidence = _united(both)
    if "no-maximum" in causes_of(evidence):
        return _comparison(pair, "UNDETERMINED", "no-maximum", evidence)
    outside = pair.outside()
    others = [d for d in outside if not is_open(pair.one, d.quantity, d.item)]
    why = _explained(pair, EXPLAINING) if others else ()
    key: VerdictClass = "UNEXPLAINED" if others and not why else "UNDETERMINED"
    numbers, texts = {}, {}
    if outside:
        worst = max(others if key == "UNEXPLAINED" else outside, key=_excess)
        numbers = {"difference": worst.difference}
        texts = {"quantity": worst.quantity, "item": worst.item, "unit": worst.unit}
    finding = {"UNEXPLAINED": "unexplained", "UNDETERMINED": "undetermined"}[key]
    return _comparison(pair, key, finding, why + evidence, numbers=numbers, texts=texts)


def _comparison(
    pair: Pair,
    verdict: VerdictClass,
    key: str,
    evidence: Sequence[Evidence],
    blamed: tuple[str, ...] = (),
    *,
    numbers: Mapping[str, float] | None = None,
    texts: Mapping[str, str] | None = None,
) -> Comparison:
    require_known(evidence)
    return Comparison(
        engine=pair.one.engine,
        reference=pair.reference.engine,
        setting=pair.one.outcome.setting,
        verdict=verdict,
        blamed=blamed,
        finding=Finding(
            key=key,
            engines=blamed or (pair.one.engine, pair.reference.engine),
            numbers=dict(numbers or {}),
            texts=dict(texts or {}),
        ),
        evidence=tuple(evidence),
        differences=pair.differences,
    )


def _united(judgements: Sequence[Judgement]) -> tuple[Evidence, ...]:
    """Return the evidence of several; what is of the data is said once, and context last."""
    out: list[Evidence] = []
    for one in (e for j in judgements for e in j.evidence):
        if one not in out and not (one.cause in ACCOMPANYING_DATA and one.cause in _named(out)):
            out.append(one)
    return tuple(sorted(out, key=lambda e: e.cause in ACCOMPANYING))


ACCOMPANYING_DATA = ("true-boundary", "undetermined-variance", "no-maximum", "open-sign")
"""Properties of the data, which the fits of all engines show."""


LEAVING_OPEN = {"undetermined-variance", "one-row-per-group", "too-many-effects"}
"""Causes that say that a variance is not determined."""


def _named(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    return causes_of(tuple(evidence))


def _graver(pair: Pair, both: Sequence[Judgement], kind: VerdictClass) -> Comparison:
    grave = [j for j in both if j.verdict == kind]
    blamed = tuple(j.engine for j in grave)
    grave.sort(key=lambda j: j.finding.key != UNKNOWN)
    lead = grave[0].finding
    numbers = {k: v for j in reversed(grave) for k, v in j.finding.numbers.items()}
    texts = dict(lead.texts)
    if kind in ("WRONG_OPTIMUM", "FALSE_STATEMENT"):
        if kind == "FALSE_STATEMENT":
            texts["stating"] = grave[0].engine
        for j in both:
            if j.verdict == "RIGHT":
                texts["right"] = j.engine
            elif j.verdict == "FALSE_STATEMENT":
                texts["optimal"] = j.engine
        evidence = _united([*grave, *(j for j in both if j.verdict != kind)])
    elif kind == "FAILED":
        evidence = _united(grave)
        if not set(_named(list(evidence))) & LEAVING_OPEN:
            evidence += tuple(
                e for j in both for e in j.evidence if e.cause == "undetermined-variance"
            )
    else:
        evidence = tuple(e for j in grave for e in j.evidence)
    if lead.key == "other-rows":
        numbers |= {v.engine: float(v.fit.n_obs) for v in pair.views if v.fit is not None}
        texts["used"] = " ".join(v.engine for v in pair.views)
    return _comparison(pair, kind, lead.key, evidence, blamed, numbers=numbers, texts=texts)


def _apart(
    pair: Pair,
    both: Sequence[Judgement],
    evidence: tuple[Evidence, ...],
    outside: Sequence[Difference],
) -> Comparison:
    """Both are right, and numbers are farther apart than tolerated."""
    worst = max(outside, key=_excess)
    numbers = {"difference": worst.difference, "tight": float(bool(pair.tight))}
    texts = {"quantity": worst.quantity, "item": worst.item, "unit": worst.unit}
    # The only number that is compared as stated whatever its definition.
    constants = [s for j in both if (s := j.statement("loglik")) is not None]
    defined = {"loglik"} if len({s.definition for s in constants}) > 1 else set()
    defined &= {d.quantity for d in outside}
    # Each difference needs its own cause: df that nobody can rely on explain df and p only.
    loose = {"df", "p"} if "singular-df" in causes_of(evidence) else set()
    others = [d for d in outside if d.quantity not in defined | loose]
    why = _explained(pair, EXPLAINING) if others else ()
    if others and not why:
        return _comparison(
            pair, "UNEXPLAINED", "unexplained", evidence, numbers=numbers, texts=texts
        )
    if defined:
        named = [
            e
            for view, s in zip(pair.views, constants, strict=True)
            if (e := definition_evidence(view, s)) is not None
        ]
        known = {(e.cause, e.engine) for e in evidence}
        return _comparison(
            pair,
            "DEFINITION",
            "definition",
            (*why, *(e for e in named if (e.cause, e.engine) not in known), *evidence),
            tuple(e.engine for e in named),
            numbers=numbers,
            texts=texts,
        )
    key = "tolerance" if others else "no-df"
    return _comparison(pair, "TOLERANCE", key, why + evidence, numbers=numbers, texts=texts)


def _explained(pair: Pair, table: Mapping[str, PairPredicate]) -> tuple[Evidence, ...]:
    """Return the evidence for the causes of a table that hold of two fits."""
    tried = (predicate(pair) for predicate in table.values())
    return tuple(evidence for evidence in tried if evidence is not None)


def _excess(difference: Difference) -> float:
    if math.isnan(difference.difference):
        return math.inf
    return difference.difference / difference.tolerance
