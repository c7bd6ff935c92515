"""Printed numbers of a residual covariance beside the optimum's: variances, correlations, ratios.

Ratios of standard deviations, and the standard deviation that is called the residual's, are to the
level that a listing takes as the reference: nlme's varIdent takes the first one in the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from harness.judge import residual_intervals
from harness.judge.listing import PrintedInterval, PrintedValue
from harness.judge.listing_model import ListingModel
from harness.judge.number_verdict import Finding, judged
from harness.judge.printed_digits import significant_digits
from harness.judge.printed_intervals import LEVELS, Ends, both_ends
from harness.judge.residual_labels import ResidualNumber, Section
from harness.model.residual_design import ResidualDesign
from harness.referee.residual_likelihood import ResidualPoint
from harness.referee.residual_matrix import least_correlation, stated, typical_gap
from harness.referee.standpoint import Standpoint

SHARE = 5e-3
"""Of a variance or a ratio, and of a correlation as it is: what optimizers leave of it."""

_UNITS = (24.0, 7.0, 60.0, 12.0, 365.25, 1000.0)
"""Units of time that a correlation per unit may be of instead."""

_DIGITS = 2
"""Significant digits from which a correlation is told to be another number; one is soon met."""

Bases = tuple[int, ...]


@dataclass(frozen=True)
class ResidualValues:
    """The numbers of a residual covariance at a point."""

    at: Standpoint

    @property
    def _design(self) -> ResidualDesign:
        assert self.at.design.residual is not None
        return self.at.design.residual

    @cached_property
    def _stated(self) -> np.ndarray:
        assert isinstance(self.at.point, ResidualPoint)
        return stated(self._design, self.at.point.phi)

    @cached_property
    def _ratios(self) -> list[list[float]]:
        rest = self._stated[self._design.correlations :].tolist()
        out = []
        for levels in self._design.levels:
            out.append([1.0, *rest[: len(levels) - 1]])
            rest = rest[len(levels) - 1 :]
        return out

    def variance(self, at: Sequence[int]) -> float:
        """Return the variance at a level of each factor of variances."""
        out = self.at.sigma**2
        for ratios, k in zip(self._ratios, at, strict=True):
            out *= ratios[k] ** 2
        return out

    def correlation(self, i: int) -> float:
        """Return a correlation; of ``car1`` that of one unit of time."""
        return float(self._stated[i])

    def covariance(self, i: int) -> float:
        """Return a covariance, at the references of factors that do not change within groups."""
        design = self._design
        first, second = (0,) * len(design.levels), (0,) * len(design.levels)
        if design.structure in ("corr", "us"):
            first, second = (self._at_visit(k) for k in design.pairs[i].tolist())
        both = self.variance(first) * self.variance(second)
        return self.correlation(i) * math.sqrt(both)

    def _at_visit(self, visit: int) -> Bases:
        """Return the levels at a visit: the reference of a factor that a visit does not decide."""
        at = self._design.position == visit
        found = [np.unique(codes[at]) for codes in self._design.strata]
        return tuple(int(levels[0]) if len(levels) == 1 else 0 for levels in found)

    def ratio(self, s: int, k: int, base: int) -> float:
        """Return the standard deviation at a level over that at another."""
        return self._ratios[s][k] / self._ratios[s][base]


@dataclass(frozen=True)
class PrintedResiduals:
    """The numbers of a listing that are of its residual covariance.

    Attributes
    ----------
    model, rival : ListingModel
        By the criterion the listing is read as, and by the other one.
    """

    model: ListingModel
    rival: ListingModel

    def findings(self) -> Iterator[Finding]:
        """Yield every number judged, with the ends of its interval behind it."""
        yield from self._judged_by(self.bases)

    @cached_property
    def bases(self) -> Bases:
        """The reference of each factor of variances by which most numbers are right."""
        best: tuple[int, Bases] = (-1, ())
        for bases in product(*(self._candidates(s) for s in range(len(self._design.levels)))):
            found = self._judged_by(bases, intervals=False)
            score = sum(one.truth in ("true", "stopping") for one in found)
            if score > best[0]:
                best = (score, bases)
        return best[1]

    def _candidates(self, s: int) -> list[int]:
        """Return the levels that may be the reference: the usual one first.

        The first in the data, the one whose ratio is printed as 1 and the one that is left out.
        """
        design, numbers = self._design, self.model.matched.residual
        printed = {
            number.at[1]: self.model.listing.ratios[label]
            for (_, label), number in numbers.items()
            if number.kind == "ratio" and number.at[0] == s
        }
        ones = [k for k, value in printed.items() if value.value == 1.0]
        left = [k for k in range(len(design.levels[s])) if k not in printed]
        first = int(design.strata[s][0])
        if ones:
            return ones
        if printed:
            return left if len(left) == 1 else list(dict.fromkeys((0, first, *left)))
        return list(dict.fromkeys((0, first)))

    @property
    def _design(self) -> ResidualDesign:
        design = self.model.design.residual
        assert design is not None
        return design

    @cached_property
    def _own(self) -> ResidualValues:
        return ResidualValues(self.model.at_best)

    @cached_property
    def _other(self) -> ResidualValues:
        return ResidualValues(self.rival.at_best)

    def _judged_by(self, bases: Bases, *, intervals: bool = True) -> Iterator[Finding]:
        listing, matched = self.model.listing, self.model.matched
        for label, (t, _) in matched.spreads.items():
            if t < 0:
                yield self._spread(label, ResidualNumber("variance", bases), residual=True)
                if any(bases):
                    yield from self._open("variance", label)
        for (section, label), number in matched.residual.items():
            if section == "variance":
                yield self._spread(label, number)
                yield from self._open(section, label)
                continue
            if section == "sd ratio":
                yield self._ratio(label, number, bases[number.at[0]])
            elif section == "correlation":
                yield self._correlation(label, number)
            else:
                yield self._covariance(label, number)
            ends = {**listing.correlation_intervals, **listing.ratio_intervals}.get(label)
            place = self._parameter(number, bases)
            if place is None:
                yield from self._open(section, label)
            elif intervals and ends is not None:
                yield from self._interval(label, section, self._scale(number), place, ends)

    def _open(self, section: Section, label: str) -> Iterator[Finding]:
        """Yield the ends of an interval that is of none of the parameters: they are not judged."""
        listing = self.model.listing
        sections = {
            "variance": listing.spread_intervals,
            "correlation": listing.correlation_intervals,
            "sd ratio": listing.ratio_intervals,
        }
        interval = sections.get(section, {}).get(label)
        if interval is None:
            return
        kind = listing.spreads[label].kind if section == "variance" else section
        for end, value in (("lower", interval.lower), ("upper", interval.upper)):
            yield Finding(
                quantity=f"{kind} {end}",
                item=label,
                text=value.text,
                right=math.nan,
                definitions=(),
                truth="not judged",
            )

    def _spread(self, label: str, number: ResidualNumber, *, residual: bool = False) -> Finding:
        spread = self.model.listing.spreads[label]
        power = 0.5 if spread.kind == "sd" else 1.0
        values = [self._variance(of, number) for of in (self._own, self._other)]
        candidates = [("data-units", values[0] ** power)]
        mistakes = [
            ("variance-for-sd" if power < 1.0 else "sd-for-variance", values[0] ** (1.5 - power)),
            ("other-criterion", values[1] ** power),
        ]
        if residual and self._design.structure == "cs" and not self._design.levels:
            # PROC MIXED and SPSS print the variance that is left beside the covariance.
            offset = self._variance(self._own, ResidualNumber("offset")) ** power
            whole = ("whole-variance", candidates[0][1])
            if self._has_covariance:
                candidates, mistakes = [("diagonal-offset", offset)], [whole, *mistakes]
            elif not self._has_correlation:
                candidates.append(("diagonal-offset", offset))
            else:
                mistakes.insert(0, ("diagonal-offset", offset))
        elif number.kind == "offset":
            total = self._own.variance((0,) * len(self._design.levels))
            mistakes.insert(0, ("whole-variance", total**power))
        mistakes += [
            (f"stratum {self._level(at)}", self._own.variance(at) ** power)
            for at in product(*(range(len(levels)) for levels in self._design.levels))
            if self._design.levels and at != number.at
        ]
        return self._one(spread.kind, label, spread.printed, candidates, mistakes, candidates[0][1])

    def _level(self, at: Sequence[int]) -> str:
        return " ".join(own[k] for own, k in zip(self._design.levels, at, strict=True))

    @property
    def strata(self) -> Iterator[tuple[str, str]]:
        """Yield the references that are not the first levels, with their factors' names."""
        names = self._names
        for s, base in enumerate(self.bases):
            if base:
                yield names[s], self._design.levels[s][base]

    @property
    def _names(self) -> list[str]:
        residual = self.model.matched.rung.case.model.residual
        assert residual is not None
        visits = [residual.position.name if residual.position is not None else "visit"]
        own = visits if self._design.structure == "us" else []
        return [*own, *(":".join(columns) for columns in residual.strata)]

    def _variance(self, of: ResidualValues, number: ResidualNumber) -> float:
        if number.kind == "offset":
            return of.variance((0,) * len(self._design.levels)) - of.covariance(0)
        return of.variance(number.at)

    @property
    def _has_covariance(self) -> bool:
        return any(n.kind in ("covariance", "offset") for n in self.model.matched.residual.values())

    @property
    def _has_correlation(self) -> bool:
        return any(n.kind == "correlation" for n in self.model.matched.residual.values())

    def _correlation(self, label: str, number: ResidualNumber) -> Finding:
        printed = self.model.listing.correlations[label]
        if number.kind == "range":
            r = self._own.correlation(0)
            right = -1.0 / math.log(r) if 0.0 < r < 1.0 else math.nan
            mistakes = [("power", r)]
            return self._one("correlation", label, printed, [("range", right)], mistakes, right)
        (i,) = number.at
        r = self._own.correlation(i)
        mistakes = [("other-criterion", self._other.correlation(i))]
        mistakes += self._other_correlations(i, r, significant_digits(printed.text))
        return self._one("correlation", label, printed, [("data-units", r)], mistakes, 1.0)

    def _other_correlations(self, i: int, r: float, digits: int) -> Iterator[tuple[str, float]]:
        """Yield what a correlation may be instead, by the significant digits that it has."""
        if digits < _DIGITS:
            return
        design = self._design
        if design.structure == "car1":
            gap = typical_gap(design)
            if not math.isclose(gap, 1.0):
                yield f"distance {gap:g}", r**gap
            if 0.0 < r < 1.0:
                yield "range", -1.0 / math.log(r)
            for unit in _UNITS if digits >= _DIGITS + 1 else ():
                yield f"distance {unit:g}", r**unit
                yield f"distance 1/{unit:g}", r ** (1.0 / unit)
            return
        yield "covariance", self._own.covariance(i)
        if design.structure == "ar1":
            yield "distance 2", r**2
        yield "squared", r**2
        for k, name in enumerate(design.names[: design.correlations]):
            if k != i:
                yield f"parameter {name}", self._own.correlation(k)

    def _covariance(self, label: str, number: ResidualNumber) -> Finding:
        (i,) = number.at
        values = self._own, self._other
        right, other = (of.covariance(i) for of in values)
        mistakes = [("correlation", self._own.correlation(i)), ("other-criterion", other)]
        if right > 0.0:
            mistakes.append(("sd-for-variance", math.sqrt(right)))
        unit = abs(right / self._own.correlation(i)) if right else 1.0
        printed = self.model.listing.covariances[label]
        return self._one("covariance", label, printed, [("data-units", right)], mistakes, unit)

    def _ratio(self, label: str, number: ResidualNumber, base: int) -> Finding:
        s, k = number.at
        right = self._own.ratio(s, k, base)
        at = tuple(k if i == s else 0 for i in range(len(self._design.levels)))
        mistakes = [
            ("ratio-of-variances", right**2),
            ("inverse-ratio", 1.0 / right),
            ("log-ratio", math.log(right)),
            ("log-ratio-of-variances", 2.0 * math.log(right)),
            ("sd-for-ratio", math.sqrt(self._own.variance(at))),
            ("variance-for-ratio", self._own.variance(at)),
            ("other-criterion", self._other.ratio(s, k, base)),
        ]
        printed = self.model.listing.ratios[label]
        candidates = [("data-units", right)]
        return self._one("sd ratio", label, printed, candidates, mistakes, right)

    def _one(
        self,
        quantity: str,
        label: str,
        printed: PrintedValue,
        candidates: Sequence[tuple[str, float]],
        mistakes: Sequence[tuple[str, float]],
        unit: float,
    ) -> Finding:
        known = [(k, v) for k, v in mistakes if math.isfinite(v)]
        return judged(quantity, label, printed, candidates, known, SHARE * abs(unit), sign=True)

    def _interval(
        self, label: str, section: Section, scale: str, place: int, printed: PrintedInterval
    ) -> Iterator[Finding]:
        at = self.model.at_best

        def ends(level: float) -> Ends:
            return list(residual_intervals.wald(at.point, at.sigma, level))[place].ends

        chosen = {scale: ends(printed.level)}
        for model in (self.model, self.rival):
            profile = list(residual_intervals.profiled(model.best, printed.level))[place]
            chosen[f"profile {model.criterion}"] = profile.ends
        others = [
            (f"level {level:g}", ends(level))
            for level in LEVELS
            if not math.isclose(level, printed.level)
        ]
        yield from both_ends(f"{section} ", label, printed, chosen, others, SHARE)

    def _scale(self, number: ResidualNumber) -> str:
        """Name the scale in which Wald's interval is symmetric."""
        if number.kind == "ratio":
            return "symmetric in the logarithm"
        bounded = least_correlation(self._design) > -1.0
        return "symmetric in the logit" if bounded else "Fisher's z"

    def _parameter(self, number: ResidualNumber, bases: Bases) -> int | None:
        """Return the place of a number among the parameters; None where it is none of them."""
        design = self._design
        if number.kind not in ("correlation", "ratio"):
            return None
        if number.kind == "correlation":
            return number.at[0]
        s, k = number.at
        if bases[s] or not k:
            return None
        before = sum(len(levels) - 1 for levels in design.levels[:s])
        return design.correlations + before + k - 1
