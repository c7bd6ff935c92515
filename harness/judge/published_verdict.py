"""How many of the digits that papers, manuals and programs' pages print are right.

Each case is judged as an audit judges a listing. Beside it stands for each number how many digits
are printed, and how many of them are right: by the certified value where the model has one, else by
the referee's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Literal

import msgspec

from harness.base.json import Real
from harness.data.certified_values import Certified, certified_of, design_sha256
from harness.data.datasets import load_dataset
from harness.data.published_cases import PublishedCase
from harness.judge.listing import Listing, listing_of
from harness.judge.listing_match import Matched, matched
from harness.judge.listing_source import ListingSource
from harness.judge.listing_verdict import ListingVerdict, is_coding_of, judge_listing
from harness.judge.number_verdict import Finding
from harness.judge.printed_digits import is_cut, right_digits, significant_digits
from harness.model.model import parse_model

Found = Literal["right", "last digits", "cut, not rounded", "mistake", "wrong"]
"""``last digits``: right within what optimizers leave; ``cut``: the digits of what is right, but
not rounded; ``mistake``: another quantity, which is known."""


class PublishedNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A published number, and how many of its digits are right.

    Attributes
    ----------
    quantity, item : str
        ``"se"`` of ``"Days"``; ``"bic"`` of nothing.
    name : str
        The item as the model has it, by which two programs' numbers are of the same.
    text : str
        As printed.
    right : float
    certified : bool
        Whether ``right`` is a certified value.
    digits : int
        Significant digits that are printed; 0 of a zero, and of a bound such as ``<.0001``.
    right_digits : int
        How many of them are right.
    definitions : tuple of str
        Under which the number is right.
    mistake : str
        What it is instead.
    """

    quantity: str
    item: str
    name: str
    text: str
    right: Real
    certified: bool
    digits: int
    right_digits: int
    found: Found
    definitions: tuple[str, ...] = ()
    mistake: str = ""


class PublishedVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A case of a publication, judged.

    Attributes
    ----------
    source, address, where : str
        What it is, where it is, and the page or section in it.
    criterion : str
        By which the numbers are judged.
    design : str
        SHA-256 of the model's columns and groups: cases that share it are of one model.
    gap : float
        How far the printed variances are below the best point, in log-likelihood; 0 where their
        digits hold it.
    why : str
        Why not all digits are right, as the case says.
    seconds : float
        Of the processor, which the judgement took.
    """

    id: str
    source: str
    address: str
    where: str
    program: str
    data: str
    formula: str
    criterion: str
    stated_criterion: str
    design: str
    certified: bool
    gap: Real
    mistakes: tuple[str, ...]
    why: str
    numbers: tuple[PublishedNumber, ...]
    seconds: Real

    def count(self, *found: Found) -> int:
        """How many numbers are found to be so."""
        return sum(one.found in found for one in self.numbers)

    @property
    def digits(self) -> tuple[int, int]:
        """Digits that are right, and digits that are printed."""
        return sum(n.right_digits for n in self.numbers), sum(n.digits for n in self.numbers)

    @property
    def off(self) -> tuple[PublishedNumber, ...]:
        """The numbers that are not right to their digits."""
        return tuple(one for one in self.numbers if one.found != "right")


def judge_published(case: PublishedCase) -> PublishedVerdict:
    """Judge every number of a case.

    Raises
    ------
    BadInput
        In one line, with the case, for data, a formula, a label or a number that cannot be used.
    """
    begun = time.process_time()
    listing, source = listing_of(case.numbers), _source(case)
    verdict = judge_listing(listing, source, all_rows=True)
    own = _coded(listing, source, verdict)
    certified = certified_of(own.rung.case.design, verdict.criterion)
    return PublishedVerdict(
        id=case.id,
        source=case.source.title,
        address=case.source.address,
        where=case.where,
        program=case.program,
        data=case.data,
        formula=case.formula,
        criterion=verdict.criterion,
        stated_criterion=verdict.stated_criterion,
        design=design_sha256(own.rung.case.design),
        certified=certified is not None,
        gap=verdict.gap,
        mistakes=verdict.mistakes,
        why=case.why,
        numbers=tuple(_numbers(verdict, own, certified)),
        seconds=time.process_time() - begun,
    )


def _source(case: PublishedCase) -> ListingSource:
    """Return a case's table and formula, with R's level orders."""
    dataset = load_dataset(case.data)
    used = {node.name for node in parse_model(case.formula, "REML").names()}
    usual = {name: order for name, order in dataset.levels.items() if name in used}
    return ListingSource(replace(dataset, name=case.id), case.formula, usual=usual)


def _coded(listing: Listing, source: ListingSource, verdict: ListingVerdict) -> Matched:
    """Return the model in the coding that the verdict is of."""
    codings = matched(listing, source.rung, {})
    return next(m for m in codings if is_coding_of(m, verdict))


def _numbers(
    verdict: ListingVerdict, own: Matched, certified: Certified | None
) -> Iterator[PublishedNumber]:
    for one in verdict.findings:
        text = None if certified is None else _certified(one, own, certified)
        right = one.right if text is None else float(text)
        yield PublishedNumber(
            quantity=one.quantity,
            item=one.item,
            name=_name(one, own),
            text=one.text,
            right=right,
            certified=text is not None,
            digits=significant_digits(one.text),
            right_digits=right_digits(one.text, right, whole=one.truth == "true"),
            found=_found(one, right),
            definitions=one.definitions,
            mistake=one.mistake,
        )


def _name(one: Finding, own: Matched) -> str:
    """Return the model's own name of what a number is of."""
    design = own.rung.case.design
    if one.quantity in ("correlation", "covariance"):
        t, *effects = getattr(own, f"{one.quantity}s")[one.item]
    elif one.item in own.coefficients:
        return design.x_names[own.coefficients[one.item]]
    elif one.item in own.spreads:
        t, *effects = own.spreads[one.item]
    else:
        return one.item
    if t < 0:
        return "Residual"
    term = design.random[t]
    return f"{term.group} {' '.join(term.names[k] for k in effects)}"


def _found(one: Finding, right: float) -> Found:
    if one.truth == "true":
        return "right"
    if one.truth == "stopping":
        return "last digits"
    if one.truth == "mistake":
        return "mistake"
    return "cut, not rounded" if is_cut(one.text, right) else "wrong"


def _certified(one: Finding, own: Matched, certified: Certified) -> str | None:
    """Return the certified value of what a number is held to; None where there is none."""
    if one.item in own.spreads and one.quantity in ("variance", "sd"):
        t, k = own.spreads[one.item]
        if t < 0:
            both = (certified.residual_variance, certified.residual_sd)
        else:
            both = (certified.random[t].covariance[k][k], certified.random[t].sd[k])
        return both[one.quantity == "sd"]
    if one.quantity == "correlation":
        t, a, b = own.correlations[one.item]
        table = certified.random[t].correlation
        return table[a][b] if table else None
    if one.quantity == "covariance":
        t, a, b = own.covariances[one.item]
        return certified.random[t].covariance[a][b]
    if one.quantity == "loglik" and one.definitions[:1] in ((), ("full",)):
        return certified.loglik
    if one.quantity == "minus_two" and one.definitions[:1] in ((), ("full",)):
        return str(-2 * Decimal(certified.loglik))
    if one.item not in own.coefficients:
        return None
    name = own.rung.case.design.x_names[own.coefficients[one.item]]
    column = {
        ("estimate", "gls"): certified.estimates,
        ("se", "gls"): certified.se,
        ("statistic", "gls"): certified.t,
        ("df", "satterthwaite"): certified.df,
        ("df", "kenward-roger"): certified.kr_df,
    }.get((one.quantity, one.definitions[0] if one.definitions else "gls"))
    return None if column is None else column.get(name)


def program_name(program: str) -> str:
    """Return a program without its version: ``"lme4 1.1-20"`` is lme4."""
    return re.sub(r" (of [A-Z].*|[0-9].*)$", "", program)
