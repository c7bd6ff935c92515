"""Are the numbers that a program printed right: each against the referee's, to its printed digits.

A listing is read by each criterion, in each coding that its labels allow, at the optimum and at the
best point of the box of its printed variances (:mod:`harness.judge.listing_model`); the plainest
reading under which most numbers are right is the one that it is judged by. Where its n is not the
model's, subsets of the rows are tried too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Literal

import msgspec

from harness.base.errors import BadInput
from harness.base.json import Real
from harness.judge.design_optimum import best_of
from harness.judge.likelihood_ratio import FittedModel, Ratio, ratio_of, same_rows
from harness.judge.listing import Listing
from harness.judge.listing_consistency import Contradiction, blamed, contradictions
from harness.judge.listing_interpretation import Reading
from harness.judge.listing_match import Matched, matched
from harness.judge.listing_model import ListingModel
from harness.judge.listing_source import ListingSource
from harness.judge.number_verdict import SPREADS, Finding
from harness.judge.printed_conclusions import Alpha, Conclusion, alpha_of, conclusions
from harness.judge.printed_digits import significant_digits
from harness.judge.printed_matrix import Impossible
from harness.judge.row_subsets import subsets
from harness.model.model import Criterion
from harness.referee.information_criteria import CONVENTIONS

_TELLING = 4
"""Digits of wrong numbers, the first of each left out, from which rows are guessed by them."""

_OF_SPREADS = 3
"""Digits, at most, by which a variance, a correlation or a ratio tells rows."""

_SUBSETS = 100
"""Subsets of rows by which estimates and likelihoods of a listing are judged."""

_JUDGED = 3
"""Subsets, those with the most right numbers, by which all of it is judged."""


class ListingVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A listing, judged.

    Attributes
    ----------
    criterion, stated_criterion : str
        Of the optimum that the numbers are judged by; what the listing says, or empty.
    rows : int
        Rows that the model uses.
    at_optimum : bool or None
        Whether the box of printed variances holds the optimum; None where none are printed.
    judged_at : str
        Where the other numbers are judged: at the optimum, or at the printed variances.
    gap : float
        Log-likelihood of the best point less that of the best one in the box.
    references : tuple of (str, str)
        Factors that the listing codes by another level than the first.
    rules : tuple of (str, str, float, bool)
        Label, rule of df, its df, and whether what is printed of that coefficient fits it.
    subset : str
        Which rows of the table the numbers are of, where they are not of all complete ones.
    impossible : tuple of Impossible
        Variances, correlations and covariances that no covariance matrix has.
    conclusions : tuple of Conclusion
        Tests of which a number is wrong.
    contradictions : tuple of Contradiction
        Numbers that cannot be printed together, whatever the data are.
    alpha : Alpha
        The level that conclusions are drawn at.
    singular : bool
        Whether the best point is on the boundary.
    codings, other_codings : tuple
        Factors that the listing codes otherwise than the model, each with its coding; and what fits
        as well.
    strata : tuple of (str, str)
        Factors of residual variances, and the levels that the listing has as references, where
        they are not the first.
    """

    program: str
    formula: str
    criterion: Criterion
    stated_criterion: Criterion | Literal[""]
    rows: int
    stated_rows: int | None
    at_optimum: bool | None
    judged_at: str
    gap: Real
    best_loglik: Real
    references: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    rules: tuple[tuple[str, str, Real, bool], ...]
    mistakes: tuple[str, ...] = ()
    subset: str = ""
    impossible: tuple[Impossible, ...] = ()
    conclusions: tuple[Conclusion, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    alpha: Alpha = Alpha()
    singular: bool = False
    strata: tuple[tuple[str, str], ...] = ()
    codings: tuple[tuple[str, str], ...] = ()
    other_codings: tuple[tuple[tuple[str, str], ...], ...] = ()

    @property
    def right(self) -> bool:
        """Whether nothing printed is wrong."""
        wrong = any(f.truth in ("false", "mistake") for f in self.findings)
        return not (wrong or self.mistakes or self.impossible or self.contradictions)


def is_coding_of(matched: Matched, verdict: ListingVerdict) -> bool:
    """Whether a listing is matched in the coding that a verdict is of."""
    own = (tuple(matched.references.items()), tuple(matched.codings.items()))
    return own == (verdict.references, verdict.codings)


def judge_listing(
    listing: Listing, source: ListingSource, *, all_rows: bool = False, alpha: float | None = None
) -> ListingVerdict:
    """Judge every number of a listing.

    Parameters
    ----------
    all_rows : bool
        Try no subset of the rows.
    alpha : float, optional
        The level that conclusions are drawn at; else the listing's
        (:func:`harness.judge.printed_conclusions.alpha_of`).

    Raises
    ------
    BadInput
        As :func:`harness.judge.listing_match.matched`, for a model that cannot be fitted, and for a
        comparison with a model that is not nested.
    """
    level = alpha_of(listing, alpha)
    found = _judged(listing, source, level)
    if all_rows:
        return found
    counted = None
    if listing.rows not in (None, found.rows):
        counted = _of_a_subset(listing, source, level, rows=listing.rows)
    if counted is not None or _fits_all_rows(found) or not _could_tell_rows(found):
        return counted or found
    # An n that is not printed, or is itself misprinted, leaves any subset.
    return _of_a_subset(listing, source, level, rows=None) or found


def _could_tell_rows(verdict: ListingVerdict) -> bool:
    """Whether the numbers that are wrong for all rows have digits enough to be a subset's.

    One with d significant digits, of which the first is often that of all rows too, is by chance
    right for one subset in 10^(d - 1); a hundred subsets are tried. Of a variance no more digits
    tell than optimizers leave right.
    """
    wrong = [f for f in verdict.findings if f.truth not in ("true", "stopping")]
    digits = [
        min(significant_digits(f.text), _OF_SPREADS if f.quantity in SPREADS else 100)
        for f in wrong
    ]
    return sum(max(d - 1, 0) for d in digits) >= _TELLING


def _fits_all_rows(verdict: ListingVerdict) -> bool:
    """Whether most numbers are right for all rows, and most estimates, where there are any."""
    estimates = [f for f in verdict.findings if f.quantity == "estimate"]
    right = sum(f.truth in ("true", "stopping") for f in estimates)
    return _share(verdict) >= 0.5 and 2 * right >= len(estimates)


def _of_a_subset(
    listing: Listing, source: ListingSource, alpha: Alpha, *, rows: int | None
) -> ListingVerdict | None:
    """Judge a listing by the rows that it may be of; None where no rule makes its numbers right.

    Parameters
    ----------
    rows : int or None
        How many they are; None for any number.
    """
    chosen = (
        (rule, source.of_rows(kept))
        for rule, kept in subsets(source, source.rung())
        if rows is None or int(kept.sum()) == rows
    )
    plain = _plain(listing)
    found = []
    for rule, part in islice(chosen, _SUBSETS):
        try:
            found.append((_share(_judged(plain, part, alpha)), rule, part))
        except BadInput:
            continue
    # Rows that are guessed at have to explain everything; rows that are counted, more than half.
    least = 1.0 if rows is None else 0.5
    best: ListingVerdict | None = None
    for share, rule, part in sorted(found, key=lambda one: -one[0])[:_JUDGED]:
        if share < least:
            break
        verdict = _judged(listing, part, alpha)
        verdict = msgspec.structs.replace(
            verdict, subset=rule, mistakes=tuple(dict.fromkeys((*verdict.mistakes, "rows")))
        )
        if best is None or _share(verdict) > _share(best):
            best = verdict
    return best if best is not None and _share(best) > least - 1e-9 else None


def _share(verdict: ListingVerdict) -> float:
    """Return the share of the numbers judged that are right."""
    judged = [f for f in verdict.findings if f.truth != "not judged"]
    return sum(f.truth in ("true", "stopping") for f in judged) / max(len(judged), 1)


def _plain(listing: Listing) -> Listing:
    """Return the estimates, variances and likelihoods of a listing, which are soon judged."""
    estimates = {
        label: {"estimate": numbers["estimate"]}
        for label, numbers in listing.coefficients.items()
        if "estimate" in numbers
    }
    plain = replace(
        listing,
        coefficients=estimates,
        intervals={},
        spread_intervals={},
        correlation_intervals={},
        ratio_intervals={},
        comparisons={},
    )
    some = estimates or listing.spreads or listing.likelihoods or listing.correlations
    return plain if some else listing


def _judged(listing: Listing, source: ListingSource, alpha: Alpha) -> ListingVerdict:
    """Judge a listing by all complete rows."""
    stated: Criterion = "ML" if listing.criterion == "ML" else "REML"
    other: Criterion = "REML" if stated == "ML" else "ML"
    ratios = {formula: _ratios(source, formula) for formula in listing.comparisons}
    best: Reading | None = None
    # The plainest reading first; another has to make more of the numbers right.
    for reading in _readings(listing, source, (stated, other), ratios):
        if best is None or (reading.score > best.score and _as_it_says(reading, listing.criterion)):
            best = reading
        if best.score == len(best.findings):
            break
    assert best is not None
    found = best.model.matched
    rows = len(found.rung.case.design.y)
    mistakes = []
    if listing.criterion and best.model.criterion != stated:
        mistakes.append("other-criterion")
    if listing.rows is not None and listing.rows != rows:
        mistakes.append("rows")
    box = best.model.box
    return ListingVerdict(
        program=listing.program,
        formula=source.asked or source.rung().case.model.formula.text,
        criterion=best.model.criterion,
        stated_criterion=stated if listing.criterion else "",
        rows=rows,
        stated_rows=listing.rows,
        at_optimum=best.inside,
        judged_at="the printed variances" if best.at_box and not best.inside else "the optimum",
        gap=0.0 if box is None else max(0.5 * box.gap, 0.0),
        best_loglik=best.model.at_best.loglik,
        references=tuple(found.references.items()),
        findings=best.findings,
        rules=tuple(best.rules()),
        mistakes=tuple(mistakes),
        impossible=best.model.impossible,
        conclusions=tuple(conclusions(best, alpha.value)),
        contradictions=_contradictions(best, rows_wrong="rows" in mistakes),
        alpha=alpha,
        singular=best.model.best.optimality.singular,
        strata=best.strata,
        codings=tuple(found.codings.items()),
        other_codings=_other_codings(best, listing, source, ratios) if found.codings else (),
    )


def _as_it_says(reading: Reading, stated: str) -> bool:
    """Whether a reading has the criterion that is stated, or half its numbers speak for the other.

    One number of two digits that fits by chance is no reason to say that all are of the other.
    """
    same = not stated or reading.model.criterion == stated
    return same or 2 * reading.score >= len(reading.findings)


def _other_codings(
    best: Reading,
    listing: Listing,
    source: ListingSource,
    ratios: Mapping[str, Mapping[str, Ratio]],
) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return other codings by which as many numbers are right."""
    criteria = (best.model.criterion, best.rival.criterion)
    out = []
    for reading in _readings(listing, source, criteria, ratios):
        codings = reading.model.matched.codings
        same = reading.at_box == best.at_box and reading.model.criterion == criteria[0]
        if same and codings not in ({}, best.model.matched.codings):
            out += [tuple(codings.items())] if reading.score == best.score else []
    return tuple(out)


def _contradictions(reading: Reading, *, rows_wrong: bool) -> tuple[Contradiction, ...]:
    at = reading.model.at_best
    criteria = [(convention.count(at), convention.size(at)) for convention in CONVENTIONS]
    found = contradictions(reading.listing, reading.model.matched, criteria)
    return tuple(blamed(found, reading.findings, rows_wrong=rows_wrong))


def _readings(
    listing: Listing,
    source: ListingSource,
    criteria: tuple[Criterion, Criterion],
    ratios: Mapping[str, Mapping[str, Ratio]],
) -> Iterator[Reading]:
    """Yield a listing read in each coding, by each criterion, at the optimum and in its box."""
    stated, other = criteria
    for one in matched(listing, source.rung, source.levels):
        models = {c: ListingModel(listing, one, c) for c in criteria}
        for c, d in ((stated, other), (other, stated)):
            for at_box in (False, True) if models[c].box is not None else (False,):
                yield Reading(models[c], models[d], at_box, ratios)


def _ratios(source: ListingSource, formula: str) -> Mapping[str, Ratio]:
    """Return the likelihood ratios of the model and another one, by criterion."""
    own, other = source.rung(), source.rung(formula=formula)
    out: dict[str, Ratio] = {}
    refused: BadInput | None = None
    criteria: tuple[Criterion, Criterion] = ("REML", "ML")
    for criterion in criteria:
        models = []
        for rung in (other, own):
            design = rung.case.design
            best = best_of(design, criterion)
            models.append(FittedModel(rung.case.model.formula.text, design, best, criterion))
        same_rows(*models)
        less = models[0].standpoint.variance_parameters + models[0].design.x.shape[1]
        more = models[1].standpoint.variance_parameters + models[1].design.x.shape[1]
        small, large = models if less <= more else models[::-1]
        try:
            out[criterion] = ratio_of(small, large)
        except BadInput as error:
            refused = error
    if not out:
        assert refused is not None
        raise BadInput(f"comparison with {formula!r}: {refused}")
    return out
