"""A listing as the outcome of an engine: its numbers a fit, their verdicts a judgement.

So that printed numbers have a record as every fit has one, alone or beside engines that were run.
Each number was judged by :mod:`harness.judge.listing_verdict`, and here it is not judged again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.data.rungs import GivenListing, Rung
from harness.engines.engine import PRINTED, Coefficient, Failure, Fit, Outcome, RandomTerm
from harness.judge.audit import Audit, Certificate
from harness.judge.case_record import case_record
from harness.judge.comparison import Comparison
from harness.judge.evidence import Evidence, found
from harness.judge.examination import Examination
from harness.judge.judge import Judged
from harness.judge.judgement import Judgement
from harness.judge.listing import Listing, PrintedValue, printed, read_listing
from harness.judge.listing_match import Matched, matched
from harness.judge.listing_source import ListingSource
from harness.judge.listing_verdict import ListingVerdict, is_coding_of, judge_listing
from harness.judge.number_verdict import Finding as NumberFinding
from harness.judge.number_verdict import Truth as Printed
from harness.judge.printed_text import plain_number
from harness.judge.records import CaseRecord
from harness.judge.statements import Statement, Truth
from harness.judge.verdict import Finding, VerdictClass, graver

Array = NDArray[np.float64]


class _Stated(Protocol):
    @property
    def engine(self) -> str: ...


_OfEngine = TypeVar("_OfEngine", bound=_Stated)

_TRUTHS: Mapping[Printed, Truth] = {
    "true": "true",
    "stopping": "true",
    "mistake": "false",
    "false": "false",
    "not judged": "not judged",
}


def listing_record(listing: Listing, verdict: ListingVerdict, source: ListingSource) -> CaseRecord:
    """Return the record of a listing alone, which is its own reference."""
    rung = source.rung(criterion=verdict.stated_criterion or verdict.criterion)
    judged = Judged(
        case=rung.case,
        engines=(verdict.program,),
        reference=verdict.program,
        settings=("default",),
        outcomes=(),
        examination=Examination((), None),
        judgements=(),
        comparisons=(),
    )
    return with_listing(case_record(judged, rung), rung, listing, verdict, source)


def listed_beside(record: CaseRecord, rung: Rung, given: GivenListing) -> CaseRecord:
    """Judge what a program printed for a case, and return its record with that.

    What cannot be judged, as a label that is of nothing in the model, is a failure of the program.
    """
    source = ListingSource(
        rung.data, given.formula, given.factors, given.levels, residual=given.residual
    )
    listing = read_listing(given.text)
    criterion = rung.case.model.criterion
    listing = replace(
        listing,
        program=given.program or listing.program,
        criterion=listing.criterion or ("ML" if criterion == "ML" else "REML"),
    )
    try:
        verdict = judge_listing(listing, source)
    except BadInput as error:
        return _not_judged(record, listing.program, str(error))
    return with_listing(record, rung, listing, verdict, source)


def _not_judged(record: CaseRecord, name: str, why: str) -> CaseRecord:
    failure = Failure(engine=name, setting="default", reason="refused", text=why)
    finding = Finding(key="listing-unread", engines=(name,), texts={"message": why})
    evidence = (found("engine-error", name, message=why),)
    judgement = Judgement(
        engine=name, setting="default", verdict="FAILED", finding=finding, evidence=evidence
    )
    return _added(record, failure, judgement)


def with_listing(
    record: CaseRecord, rung: Rung, listing: Listing, verdict: ListingVerdict, source: ListingSource
) -> CaseRecord:
    """Return a record with a listing among its engines, and beside the reference."""
    name = verdict.program
    if name in record.engines:
        name = f"{name}, printed"
    fit = _fit(name, listing, verdict, source, rung)
    return msgspec.structs.replace(
        _added(record, fit, judgement_of(name, verdict, len(rung.case.design.y))),
        best_loglik=verdict.best_loglik if record.best_loglik is None else record.best_loglik,
        listing=verdict,
    )


def _added(record: CaseRecord, outcome: Outcome, judgement: Judgement) -> CaseRecord:
    """Put an outcome among those of the engines, and beside the reference."""
    comparisons = record.comparisons
    reference = record.judgement(record.reference)
    if reference is not None:
        last = sum(c.setting == "default" for c in comparisons)
        beside = _beside(judgement, reference)
        comparisons = (*comparisons[:last], beside, *comparisons[last:])
    return msgspec.structs.replace(
        record,
        fits=_before_reference(record.fits, outcome, record.reference),
        judgements=_before_reference(record.judgements, judgement, record.reference),
        comparisons=comparisons,
    )


def _before_reference(
    all_: tuple[_OfEngine, ...], one: _OfEngine, reference: str
) -> tuple[_OfEngine, ...]:
    """Put an engine's before the reference's in the default setting, which comes first."""
    place = next((i for i, other in enumerate(all_) if other.engine == reference), len(all_))
    return (*all_[:place], one, *all_[place:])


def judgement_of(name: str, verdict: ListingVerdict, complete: int) -> Judgement:
    """Return what a listing comes to as the judgement of an engine.

    Parameters
    ----------
    complete : int
        Rows that the model can use.
    """
    kind, key, numbers, texts, evidence = _finding(name, verdict, complete)
    return Judgement(
        engine=name,
        setting="default",
        verdict=kind,
        finding=Finding(key=key, engines=(name,), numbers=numbers, texts=texts),
        evidence=evidence,
        audit=_audit(name, verdict),
        statements=tuple(_statement(one) for one in verdict.findings),
    )


_Found = tuple[VerdictClass, str, dict[str, float], dict[str, str], tuple[Evidence, ...]]


def _finding(name: str, verdict: ListingVerdict, complete: int) -> _Found:
    bad = [f for f in verdict.findings if f.truth in ("false", "mistake")]
    numbers = {"wrong": float(len(bad)), "printed": float(len(verdict.findings))}
    if "rows" in verdict.mistakes:
        used = verdict.rows if verdict.stated_rows is None else verdict.stated_rows
        fewer = (found("rows-left-out", name, used=used, rows=complete),) if used < complete else ()
        numbers |= {"used": float(used), "complete": float(complete)}
        return "DATA_MISMATCH", "listing-rows", numbers, {"subset": verdict.subset}, fewer
    if "other-criterion" in verdict.mistakes:
        criteria: dict[str, str] = {
            "stated": verdict.stated_criterion,
            "criterion": verdict.criterion,
        }
        return "WRONG_OPTIMUM", "listing-criterion", numbers, criteria, ()
    if bad:
        worst = next((f for f in bad if not f.mistake), bad[0])
        key = "listing-false" if worst.mistake else "listing-false-unknown"
        numbers["right"] = worst.right
        texts = {"quantity": worst.quantity, "item": worst.item, "text": worst.text}
        return "FALSE_STATEMENT", key, numbers, texts, ()
    if verdict.contradictions:
        one = verdict.contradictions[0]
        numbers |= {"low": one.low, "high": one.high}
        texts = msgspec.structs.asdict(one.number)
        return "FALSE_STATEMENT", "listing-contradiction", numbers, texts, ()
    if verdict.at_optimum is False:
        return "WRONG_OPTIMUM", "listing-short", numbers | {"gap": verdict.gap}, {}, ()
    return "RIGHT", "listing-right", numbers, {}, ()


def _statement(one: NumberFinding) -> Statement:
    return Statement(
        quantity=one.quantity,
        item=one.item,
        value=_stated(printed(one.text, one.quantity)),
        definition=one.definitions[0] if one.definitions else "",
        right=one.right,
        truth=_TRUTHS[one.truth],
    )


def _audit(name: str, verdict: ListingVerdict) -> Audit | None:
    """Return where the printed variances stand; None where they are not all printed."""
    if verdict.at_optimum is None:
        return None
    at: Certificate = "stopped short"
    if verdict.at_optimum:
        at = "boundary optimum" if verdict.singular else "interior optimum"
    return Audit(
        engine=name,
        setting="default",
        certificate=at,
        loglik=verdict.best_loglik - verdict.gap,
        loglik_error=None,
        gap=2.0 * verdict.gap,
        gradient=math.nan,
        dual=None,
        ranks=(),
        gls_distance=math.nan,
        coefficients=(),
    )


def _beside(one: Judgement, reference: Judgement) -> Comparison:
    """Set a listing beside the reference: the graver of the two judgements.

    Numbers with printed digits are not held against the reference's by a tolerance: what is right
    to its digits agrees with any that is right.
    """
    kind = graver(one.verdict, reference.verdict)
    grave = [j for j in (one, reference) if j.verdict == kind]
    right = kind == "RIGHT"
    return Comparison(
        engine=one.engine,
        reference=reference.engine,
        setting="default",
        verdict="AGREE" if right else kind,
        blamed=() if right else tuple(j.engine for j in grave),
        finding=grave[0].finding,
        evidence=tuple(e for j in grave for e in j.evidence),
    )


def _fit(
    name: str, listing: Listing, verdict: ListingVerdict, source: ListingSource, rung: Rung
) -> Fit:
    own = coding_of(listing, verdict, source)
    names = own.rung.case.design.x_names
    labels = sorted(listing.coefficients, key=lambda label: own.coefficients[label])
    residual = [label for label, (t, _) in own.spreads.items() if t < 0]
    likelihoods = {k: _value(v) for k, v in listing.likelihoods.items()}
    loglik = likelihoods.get("loglik")
    if loglik is None and (doubled := likelihoods.get("minus_two")) is not None:
        loglik = -0.5 * doubled
    return Fit(
        engine=name,
        setting="default",
        fitter=PRINTED,
        n_obs=verdict.rows if listing.rows is None else listing.rows,
        coefficients=tuple(
            _coefficient(names[own.coefficients[label]], listing.coefficients[label])
            for label in labels
        ),
        native_names=tuple(labels),
        random=_random(listing, own),
        residual_variance=_variance(listing, residual[0]) if residual else math.nan,
        loglik=loglik,
        aic=likelihoods.get("aic"),
        bic=likelihoods.get("bic"),
        data_checksum=rung.case.table.checksum(),
    )


def coding_of(listing: Listing, verdict: ListingVerdict, source: ListingSource) -> Matched:
    """Return the model in the coding that a verdict is of."""
    codings = matched(listing, source.rung, source.levels)
    same = (m for m in codings if is_coding_of(m, verdict))
    return next(same, codings[0])


def _stated(number: PrintedValue) -> float:
    """Return what is printed as a number: of a bound, the bound."""
    if plain_number(number.text).startswith(">"):
        return number.low
    return number.high if _is_bound(number) else number.value


def _is_bound(number: PrintedValue) -> bool:
    return plain_number(number.text).startswith(("<", ">"))


def _value(number: PrintedValue) -> float | None:
    """Return a number as printed; None of a bound, which no fit has."""
    return None if _is_bound(number) else number.value


def _coefficient(name: str, numbers: Mapping[str, PrintedValue]) -> Coefficient:
    values = {key: _value(number) for key, number in numbers.items() if key != "f"}
    estimate = values.pop("estimate", None)
    return Coefficient(name, math.nan if estimate is None else estimate, **values)


def _variance(listing: Listing, label: str) -> float:
    spread = listing.spreads[label]
    return spread.printed.value ** (2 if spread.kind == "sd" else 1)


def _random(listing: Listing, own: Matched) -> tuple[RandomTerm, ...]:
    """Return the terms of which anything is printed; NaN stands for what is not."""
    terms = []
    for t, term in enumerate(own.rung.case.design.random):
        psi: Array = np.full((len(term.names), len(term.names)), math.nan)
        for label, (place, k) in own.spreads.items():
            if place == t:
                psi[k, k] = _variance(listing, label)
        for label, (place, a, b) in own.covariances.items():
            if place == t:
                psi[a, b] = psi[b, a] = listing.covariances[label].value
        for label, (place, a, b) in own.correlations.items():
            if place == t:
                r = listing.correlations[label].value
                psi[a, b] = psi[b, a] = r * math.sqrt(psi[a, a] * psi[b, b])
        if not np.isnan(psi).all():
            rows = tuple(tuple(float(v) for v in row) for row in psi)
            terms.append(RandomTerm(term.group, tuple(term.names), rows))
    return tuple(terms)
