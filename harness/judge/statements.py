"""Are an engine's numbers true: each against the referee's at the engine's own point.

A number is judged under the definition that the engine declares. Where it declares none, or the
number is false under the one that it declares, all known definitions of the quantity are tried, and
the one that fits is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from harness.base.json import Real
from harness.engines.engine import Fit
from harness.judge.tolerances import load_tolerances
from harness.referee.definitions import NOT_STATED, Definition, definition, of_quantity
from harness.referee.standpoint import Row, Standpoint

Truth = Literal["true", "other definition", "false", "not determined", "not judged"]
"""``not determined``: at a singular point the definition has no unique value; ``not judged``: the
referee cannot evaluate the definition that is declared."""

_CURVED = ("joint-hessian", "packed-hessian", "asymptotic", "kenward-roger")
"""Definitions by second derivatives in the variances: on the boundary these depend on how the
variances are written, and an engine may write them otherwise."""

_EXACT = 1e-9
"""Relative: numbers that follow from others that are printed beside them."""

_RECOGNISED = 1e-7
"""Relative: how near a number has to be to one by another definition than is declared."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A number that an engine states, judged.

    Attributes
    ----------
    quantity, item : str
        ``"se"`` of ``"Days"``; the item is empty where there is one number only.
    value : float
        As stated.
    declared : str
        Key of the definition that the engine declares; empty where it declares none.
    definition : str
        Key of the definition under which ``right`` was computed: the declared one where the number
        is true under it, else the one that fits, else the declared one or the commonest.
    right : float or None
        The referee's value at the engine's point.
    """

    quantity: str
    item: str = ""
    value: Real
    declared: str = ""
    definition: str = ""
    right: Real | None = None
    truth: Truth


def judge_statements(
    fit: Fit, at: Standpoint, *, singular: bool, full_rank: bool
) -> tuple[Statement, ...]:
    """Judge every number of a fit that has a definition.

    Parameters
    ----------
    at : Standpoint
        The fit's own point, in its own coding.
    singular : bool
        Whether the best point known is on the boundary.
    full_rank : bool
        Whether every covariance matrix of the fit itself has full rank.
    """
    judge = _Judge(fit, at, singular, full_rank)
    return tuple(
        statement
        for quantity, items, values in _stated(fit)
        if any(v is not None for v in values)
        for statement in judge.of(quantity, items, values)
    )


def rows_of(fit: Fit) -> tuple[Row, ...]:
    """Return what a fit prints of each coefficient."""
    return tuple(
        Row(c.estimate, _number(c.se), _number(c.df), _number(c.statistic))
        for c in fit.coefficients
    )


def _stated(fit: Fit) -> Iterator[tuple[str, Sequence[str], Sequence[float | None]]]:
    names = [c.name for c in fit.coefficients]
    yield "loglik", [""], [fit.loglik]
    yield "se", names, [c.se for c in fit.coefficients]
    yield "df", names, [c.df for c in fit.coefficients]
    yield "statistic", names, [c.statistic for c in fit.coefficients]
    yield "p", names, [c.p for c in fit.coefficients]
    yield "aic", [""], [fit.aic]
    yield "bic", [""], [fit.bic]
    params = fit.variance_params
    yield "variance", [n for n, _ in params], [v for _, v in params]
    yield "variance_se", [n for n, _ in fit.variance_se], [v for _, v in fit.variance_se]


@dataclass(frozen=True)
class _Judge:
    """One fit at its own point."""

    fit: Fit
    at: Standpoint
    singular: bool
    full_rank: bool

    def of(
        self, quantity: str, items: Sequence[str], values: Sequence[float | None]
    ) -> Iterator[Statement]:
        """Judge the numbers of one quantity: by one definition for all of them."""
        declared = self.fit.definitions.get(quantity, "")
        own = definition(quantity, declared)
        under, right = own, None if own is None else self._values(own, len(items))
        if own is not None and right is None:
            yield from self._statements(quantity, items, values, own.key, None)
            return
        if own is None or right is None or not all(self._true(own, values, right)):
            tried = [
                (d, self._values(d, len(items))) for d in of_quantity(quantity) if d is not own
            ]
            fitting = [
                (self._farthest(values, found), place)
                for place, (other, found) in enumerate(tried)
                if found is not None
                and all(self._true(other, values, found))
                # Against a declaration only a number that is the other one to its digits counts.
                and (own is None or self._farthest(values, found) <= _recognised(quantity))
            ]
            if fitting:
                under, right = tried[min(fitting)[1]]
        if under is None and declared == NOT_STATED:
            # By a definition that is not known here: nothing can be said of it.
            yield from self._statements(quantity, items, values, NOT_STATED, None)
            return
        if under is None:
            under = of_quantity(quantity)[0]
            right = self._values(under, len(items))
        yield from self._statements(quantity, items, values, under.key, right)

    @staticmethod
    def _farthest(values: Sequence[float | None], right: Sequence[float]) -> float:
        """Largest relative distance; 0 where both are NaN or infinite alike."""
        far = 0.0
        for v, r in zip(values, right, strict=True):
            if v is not None and v != r and not (math.isnan(v) and math.isnan(r)):
                far = max(far, abs(v - r) / abs(r) if r else math.inf)
        return far

    @property
    def _determined(self) -> bool:
        return self.at.joint is None or self.at.joint.determined

    def _values(self, under: Definition, count: int) -> tuple[float, ...] | None:
        loglik = self.at.loglik if self.fit.loglik is None else self.fit.loglik
        found = under.value(self.at, rows_of(self.fit), loglik)
        return found if found is not None and len(found) == count else None

    def _true(
        self, under: Definition, values: Sequence[float | None], right: Sequence[float]
    ) -> list[bool]:
        return [
            v is None or self._same(under.quantity, v, r)
            for v, r in zip(values, right, strict=True)
        ]

    def _statements(
        self,
        quantity: str,
        items: Sequence[str],
        values: Sequence[float | None],
        key: str,
        right: Sequence[float] | None,
    ) -> Iterator[Statement]:
        declared = self.fit.definitions.get(quantity, "")
        elsewhere = bool(declared) and declared not in (key, NOT_STATED)
        for i, (item, value) in enumerate(zip(items, values, strict=True)):
            if value is None:
                continue
            truth: Truth = "not judged"
            if right is not None:
                truth = "other definition" if elsewhere else "true"
                if not self._same(quantity, value, right[i]):
                    # Curvature without an inverse: the data do not determine the variances. Beside
                    # the boundary it depends on how they are written.
                    inside = self.full_rank and not self.singular
                    determined = inside and self._determined and not math.isnan(right[i])
                    loose = key in _CURVED and not determined
                    truth = "not determined" if loose else "false"
            yield Statement(
                quantity=quantity,
                item=item,
                value=value,
                declared=declared,
                definition=key,
                right=None if right is None else right[i],
                truth=truth,
            )

    def _same(self, quantity: str, value: float, right: float) -> bool:
        """Whether a stated number is the referee's, by the tolerance of its quantity."""
        if math.isnan(value) or math.isnan(right):
            return math.isnan(value) and math.isnan(right)
        if math.isinf(value) or math.isinf(right):
            return value == right
        table = load_tolerances()
        match quantity:
            case "loglik":
                # The default tolerance in every setting: rounding grows with the log-likelihood.
                return abs(value - right) <= table["loglik"].default
            case "aic" | "bic":
                return abs(value - right) <= 1e-6 + _EXACT * abs(right)
            case "p" | "statistic":
                return table[quantity].allows(value, right)
        rule = table[quantity if quantity in table else "se"]
        limit = rule.at(self.fit.setting, singular=self.singular)
        return abs(value - right) <= limit * abs(right)


def _recognised(quantity: str) -> float:
    """Return how near a number has to be to one by another definition than is declared."""
    # df are taken by numerical derivatives.
    return load_tolerances()["df"].tight if quantity == "df" else _RECOGNISED


def _number(value: float | None) -> float:
    return math.nan if value is None else value
