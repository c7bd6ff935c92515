"""Are the numbers that a program printed right: each against the referee's, to its printed digits.

The printed variances are a box. It holds the optimum where some point of the box has a deviance
within tolerance of the best one; then every other number is judged at the optimum, else at the
best point of the box. A number is tried under each known definition, and what fits is named; what
fits none is tried under the known mistakes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from harness.base.json import Real
from harness.judge.examination import gap_tolerance
from harness.judge.listing import Listing, PrintedInterval, PrintedValue
from harness.judge.listing_match import Make, Matched, matched
from harness.model.model import Criterion
from harness.referee.definitions import of_quantity
from harness.referee.deviance import Likelihood, Point
from harness.referee.optimum import Optimum, find_optimum
from harness.referee.satterthwaite import two_sided_p
from harness.referee.standpoint import Row, Standpoint

Array = NDArray[np.float64]
Truth = Literal["true", "stopping", "mistake", "false", "not judged"]
"""``stopping``: not to the printed digits, and within what optimizers leave; ``mistake``: false,
and what it is instead is known."""

LEVELS = (0.9, 0.95, 0.99, 0.8)
_SHARE = 1e-3
"""Of a standard error, or relative: what optimizers leave of estimates, SE and t."""
_P_SHARE = 0.02


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A printed number, judged.

    Attributes
    ----------
    quantity, item : str
        ``"se"`` of the label ``"treatment T"``.
    text : str
        As printed.
    right : float
        By the first definition that fits, or by the commonest; in the printed units.
    definitions : tuple of str
        All that give the printed digits.
    mistake : str
        What the number is instead; empty where that is not known.
    """

    quantity: str
    item: str
    text: str
    right: Real
    definitions: tuple[str, ...]
    truth: Truth
    mistake: str = ""


class ListingVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A listing, judged.

    Attributes
    ----------
    criterion : str
        Of the optimum that the numbers are judged by.
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
    """

    program: str
    formula: str
    criterion: str
    stated_criterion: str
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

    @property
    def right(self) -> bool:
        """Whether nothing printed is wrong."""
        wrong = any(f.truth in ("false", "mistake") for f in self.findings)
        return not wrong and not self.mistakes


@dataclass(frozen=True)
class _Model:
    """A matched model under one criterion, with its optimum."""

    listing: Listing
    matched: Matched
    criterion: Criterion

    @cached_property
    def likelihood(self) -> Likelihood:
        return Likelihood(self.matched.rung.case.design, reml=self.criterion == "REML")

    @cached_property
    def best(self) -> Optimum:
        return find_optimum(self.likelihood)

    @cached_property
    def scale(self) -> float:
        return self.likelihood.products.basis.y_scale

    @cached_property
    def box(self) -> _Box | None:
        """The best point of the printed variances; None where none is printed."""
        return _box(self)

    def standpoint(self, point: Point, sigma: float) -> Standpoint:
        return Standpoint(self.matched.rung.case.design, self.criterion, point, sigma)

    @cached_property
    def at_best(self) -> Standpoint:
        return self.standpoint(self.best.point, self.best.point.sigma * self.scale)


@dataclass(frozen=True)
class _Box:
    """Where a listing's variances lie: the nearest to the optimum of them."""

    standpoint: Standpoint
    gap: float


def judge_listing(
    listing: Listing, make: Make, given: Mapping[str, tuple[str, ...]]
) -> ListingVerdict:
    """Judge every number of a listing.

    Parameters
    ----------
    make : callable
        Builds the case, as REML, with the level orders it is given.
    given : dict
        Level orders that the user has stated.

    Raises
    ------
    BadInput
        As :func:`harness.judge.listing_match.matched`, and for a model that cannot be fitted.
    """
    stated: Criterion = "ML" if listing.criterion == "ML" else "REML"
    other: Criterion = "REML" if stated == "ML" else "ML"
    best: _Reading | None = None
    for one in matched(listing, make, given):
        models = {c: _Model(listing, one, c) for c in (stated, other)}
        # The plainest reading first; another has to make more of the numbers right.
        for c, d in ((stated, other), (other, stated)):
            for at_box in (False, True) if models[c].box is not None else (False,):
                reading = _Reading(models[c], models[d], at_box)
                if best is None or reading.score > best.score:
                    best = reading
        if best is not None and best.score == len(best.findings):
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
        formula=found.rung.case.model.formula.text,
        criterion=best.model.criterion,
        stated_criterion=listing.criterion,
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
    )


def _box(model: _Model) -> _Box | None:
    """Find the best point of the box of printed variances; None where none is printed."""
    listing, matched_ = model.listing, model.matched
    spreads, correlations = matched_.spreads, matched_.correlations
    if not spreads and not correlations:
        return None
    likelihood, best = model.likelihood, model.best
    sizes = likelihood.products.sizes
    sigma2 = (best.point.sigma * model.scale) ** 2
    psi = [sigma2 * f @ f.T for f in likelihood.factors(best.point.theta)]
    start, low, high, units, places = [], [], [], [], []

    def add(
        place: tuple[int, int, int], value: float, ends: tuple[float, float], unit: float
    ) -> None:
        places.append(place)
        start.append(min(max(value, ends[0]), ends[1]) / unit)
        low.append(ends[0] / unit)
        high.append(ends[1] / unit)
        units.append(unit)

    ends_of = {place: listing.spreads[label].variances for label, place in spreads.items()}
    add((-1, 0, 0), sigma2, ends_of.get((-1, 0), (1e-12 * sigma2, math.inf)), sigma2)
    for t, q in enumerate(sizes):
        for k in range(q):
            value = float(psi[t][k, k])
            ends = ends_of.get((t, k), (0.0, math.inf))
            add(
                (t, k, k),
                value,
                ends,
                max(value, 1e-3 * sigma2, 0.5 * (ends[0] + min(ends[1], ends[0]))),
            )
    ends_of_r = {p: listing.correlations[label] for label, p in correlations.items()}
    for t, q in enumerate(sizes):
        for b in range(q):
            for a in range(b):
                both = float(psi[t][a, a] * psi[t][b, b])
                value = float(psi[t][a, b]) / math.sqrt(both) if both > 0.0 else 0.0
                printed = ends_of_r.get((t, a, b))
                ends = (
                    (-1.0, 1.0)
                    if printed is None
                    else (max(printed.low, -1.0), min(printed.high, 1.0))
                )
                add((t, b, a), value, ends, 1.0)
    factor = np.array(units)

    def standing(values: Array) -> Standpoint:
        found = dict(zip(places, values * factor, strict=True))
        residual = max(found[(-1, 0, 0)], 1e-300)
        matrices = []
        for t, q in enumerate(sizes):
            spread = np.sqrt([max(found[(t, k, k)], 0.0) for k in range(q)])
            r = np.eye(q)
            for b in range(q):
                for a in range(b):
                    r[a, b] = r[b, a] = found[(t, b, a)]
            values_, vectors = np.linalg.eigh(r)
            r = (vectors * np.maximum(values_, 0.0)) @ vectors.T
            matrices.append(np.outer(spread, spread) * r / residual)
        point = likelihood.at(likelihood.theta(matrices))
        return model.standpoint(point, math.sqrt(residual))

    def deviance(values: Array) -> float:
        at = standing(values)
        found = at.point.deviance(at.sigma)
        return found if math.isfinite(found) else 1e300

    first = np.array(start)
    own = deviance(first)
    limit = gap_tolerance("default", singular=best.optimality.singular)
    if own - best.deviance > limit:
        bounds = list(zip(low, high, strict=True))
        found = optimize.minimize(deviance, first, method="L-BFGS-B", bounds=bounds)
        if found.fun < own:
            first, own = np.asarray(found.x), float(found.fun)
    return _Box(standing(first), own - best.deviance)


@dataclass(frozen=True)
class _Reading:
    """A listing beside the referee's numbers at one point: the optimum, or the best of its box."""

    model: _Model
    rival: _Model
    at_box: bool

    @property
    def listing(self) -> Listing:
        return self.model.listing

    @cached_property
    def at(self) -> Standpoint:
        box = self.model.box
        return box.standpoint if self.at_box and box is not None else self.model.at_best

    @cached_property
    def inside(self) -> bool | None:
        """Whether the box holds the optimum."""
        box = self.model.box
        singular = self.model.best.optimality.singular
        return None if box is None else box.gap <= gap_tolerance("default", singular=singular)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Every number judged; variances always beside the optimum's."""
        return tuple(self._each())

    @property
    def score(self) -> int:
        """How many numbers are right."""
        return sum(f.truth in ("true", "stopping") for f in self.findings)

    def _each(self) -> Iterator[Finding]:
        yield from self._likelihoods()
        yield from self._spreads()
        for label, numbers in self.listing.coefficients.items():
            j = self.model.matched.coefficients[label]
            for quantity, printed in numbers.items():
                yield self._test(label, j, quantity, printed)
            if label in self.listing.intervals:
                yield from self._interval(label, j, self.listing.intervals[label])

    def rules(self) -> Iterator[tuple[str, str, float, bool]]:
        """Yield each rule of df for each coefficient of which anything printed depends on it."""
        for label, numbers in self.listing.coefficients.items():
            j = self.model.matched.coefficients[label]
            if not ({"df", "p"} & set(numbers) or label in self.listing.intervals):
                continue
            for key, values in self._df.items():
                yield label, key, values[j], self._fits_df(label, j, key, values[j], numbers)

    def _fits_df(
        self, label: str, j: int, key: str, df: float, numbers: Mapping[str, PrintedValue]
    ) -> bool:
        se = (
            self._errors["kenward-roger" if key == "kenward-roger" else "gls"]
            if (key != "kenward-roger" or "kenward-roger" in self._errors)
            else self._errors["gls"]
        )
        t = self._estimates[j] / se[j]
        fits = []
        if "df" in numbers:
            fits.append(numbers["df"].holds(df) if math.isfinite(df) else numbers["df"].low == df)
        if "p" in numbers:
            fits.append(numbers["p"].holds(two_sided_p(t, df)))
        if label in self.listing.intervals:
            printed = self.listing.intervals[label]
            ends = _ends(self._estimates[j], se[j], df, printed.level, printed.factor)
            fits.append(
                printed.lower.holds(ends[0], _near(ends[0]))
                and printed.upper.holds(ends[1], _near(ends[1]))
            )
        return all(fits)

    @cached_property
    def _estimates(self) -> tuple[float, ...]:
        return tuple(test.estimate for test in self.at.tests)

    @cached_property
    def _errors(self) -> dict[str, tuple[float, ...]]:
        return dict(self._defined("se"))

    @cached_property
    def _df(self) -> dict[str, tuple[float, ...]]:
        return dict(self._defined("df"))

    def _defined(self, quantity: str) -> Iterator[tuple[str, tuple[float, ...]]]:
        rows = tuple(Row(t.estimate, t.se, t.df, t.statistic) for t in self.at.tests)
        for one in of_quantity(quantity):
            values = one.value(self.at, rows, self.at.loglik)
            if values is not None and not all(math.isnan(v) for v in values):
                yield one.key, values

    def _test(self, label: str, j: int, quantity: str, printed: PrintedValue) -> Finding:
        estimate, se = self._estimates[j], self._errors["gls"][j]
        candidates: list[tuple[str, float]]
        mistakes: list[tuple[str, float]] = []
        slack = _SHARE * se
        if quantity == "estimate":
            candidates = [("gls", estimate)]
            mistakes = [("sign", -estimate), ("other-criterion", self._rival.tests[j].estimate)]
        elif quantity == "se":
            candidates = [(k, v[j]) for k, v in self._errors.items()]
            mistakes = [("variance-for-sd", se * se), ("other-criterion", self._rival.tests[j].se)]
        elif quantity == "df":
            candidates = [(k, v[j]) for k, v in self._df.items()]
            candidates.sort(key=lambda pair: abs(pair[1] - printed.value))
            slack = 2e-3 * printed.value
        elif quantity == "statistic":
            candidates = [(k, estimate / v[j]) for k, v in self._errors.items()]
            mistakes = [
                ("sign", -estimate / se),
                ("other-criterion", self._rival.tests[j].statistic),
            ]
            slack = _SHARE * max(abs(estimate / se), 1.0)
        else:
            candidates = list(self._p_values(label, j))
            mistakes = [("one-sided", 0.5 * v) for _, v in candidates]
            slack = _P_SHARE * printed.value
        return _judged(quantity, label, printed, candidates, mistakes, slack)

    @cached_property
    def _rival(self) -> Standpoint:
        return self.rival.at_best

    def _dfs(self, label: str, j: int) -> dict[str, float]:
        """Return the df that tests may have: where one is printed that a rule gives, no other."""
        rules = {key: values[j] for key, values in self._df.items()}
        printed = self.listing.coefficients[label].get("df")
        if printed is None:
            return rules
        fitting = {k: v for k, v in rules.items() if printed.holds(v) or printed.low == v}
        return fitting or {**rules, "the printed df": printed.value}

    def _p_values(self, label: str, j: int) -> Iterator[tuple[str, float]]:
        for key, df in {**self._dfs(label, j), "none": math.inf}.items():
            for kind, errors in self._errors.items():
                if kind in ("gls", "joint-hessian", "kenward-roger", "gls-n/(n-p)") and (
                    kind != "kenward-roger" or key == "kenward-roger"
                ):
                    yield f"{key}", two_sided_p(self._estimates[j] / errors[j], df)

    def _interval(self, label: str, j: int, printed: PrintedInterval) -> Iterator[Finding]:
        estimate = self._estimates[j]
        chosen: dict[tuple[str, str], tuple[float, float]] = {}
        for kind, errors in self._errors.items():
            for key, df in {**self._dfs(label, j), "none": math.inf}.items():
                if kind == "kenward-roger" and key != "kenward-roger":
                    continue
                chosen[kind, key] = _ends(estimate, errors[j], df, printed.level, printed.factor)
        others = [
            (
                f"level {level:g}",
                _ends(estimate, self._errors["gls"][j], df, level, printed.factor),
            )
            for level in LEVELS
            if not math.isclose(level, printed.level)
            for df in {**self._dfs(label, j), "none": math.inf}.values()
        ]
        for place, (name, value) in enumerate((("lower", printed.lower), ("upper", printed.upper))):
            candidates = [
                (key if kind == "gls" else f"{key}, SE {kind}", ends[place])
                for (kind, key), ends in chosen.items()
            ]
            span = abs(np.subtract(*next(iter(chosen.values()))))
            mistakes = [(key, ends[place]) for key, ends in others]
            yield _judged(name, label, value, candidates, mistakes, _SHARE * span)

    def _likelihoods(self) -> Iterator[Finding]:
        values = dict(self._defined("loglik"))
        for quantity, printed in self.listing.likelihoods.items():
            times = -2.0 if quantity == "minus_two" else 1.0
            if quantity in ("aic", "bic"):
                candidates = [(k, v[0]) for k, v in self._defined(quantity)]
                yield _judged(quantity, "", printed, candidates, [], 2e-4)
                continue
            candidates = [(k, times * v[0]) for k, v in values.items()]
            mistakes = [
                ("other-criterion", times * self._rival.loglik),
                ("sign", -candidates[0][1]),
            ]
            yield _judged(quantity, "", printed, candidates, mistakes, 1e-4 * abs(times))

    def _spreads(self) -> Iterator[Finding]:
        at = self.model.at_best
        factors = at.point.likelihood.factors(at.point.theta)
        psi = [at.sigma**2 * f @ f.T for f in factors]
        for label, (t, k) in self.model.matched.spreads.items():
            spread = self.listing.spreads[label]
            variance = at.sigma**2 if t < 0 else float(psi[t][k, k])
            sd = math.sqrt(variance)
            right, instead = (variance, sd) if spread.kind == "variance" else (sd, variance)
            name = "sd-for-variance" if spread.kind == "variance" else "variance-for-sd"
            mistakes = [(name, instead), *self._rival_spread(t, k, spread.kind)]
            # Where the box holds the optimum, what is beyond the digits is what optimizers leave.
            slack = math.inf if self.inside else 5e-3 * right
            data_units = [("data-units", right)]
            yield _judged(spread.kind, label, spread.printed, data_units, mistakes, slack)
        for label, (t, a, b) in self.model.matched.correlations.items():
            both = float(psi[t][a, a] * psi[t][b, b])
            r = float(psi[t][a, b]) / math.sqrt(both) if both > 0.0 else math.nan
            yield _judged(
                "correlation",
                label,
                self.listing.correlations[label],
                [("data-units", r)],
                [("sign", -r)],
                math.inf if self.inside else 5e-3,
            )

    def _rival_spread(self, t: int, k: int, kind: str) -> Iterator[tuple[str, float]]:
        at = self._rival
        if t < 0:
            variance = at.sigma**2
        else:
            f = at.point.likelihood.factors(at.point.theta)[t]
            variance = at.sigma**2 * float((f @ f.T)[k, k])
        yield "other-criterion", variance if kind == "variance" else math.sqrt(variance)


def _judged(
    quantity: str,
    item: str,
    printed: PrintedValue,
    candidates: Sequence[tuple[str, float]],
    mistakes: Sequence[tuple[str, float]],
    slack: float,
) -> Finding:
    """Judge one number: to its digits, within what optimizers leave, or as a known mistake."""

    def first(pairs: Sequence[tuple[str, float]], room: float) -> list[tuple[str, float]]:
        return [
            (k, v)
            for k, v in pairs
            if (printed.low == v if math.isinf(v) else printed.holds(v, room))
        ]

    def finding(pairs: Sequence[tuple[str, float]], truth: Truth, mistake: str = "") -> Finding:
        right = pairs[0][1] if pairs and not mistake else candidates[0][1]
        names = tuple(dict.fromkeys(k for k, _ in pairs)) if not mistake else ()
        return Finding(
            quantity=quantity,
            item=item,
            text=printed.text,
            right=right,
            definitions=names,
            truth=truth,
            mistake=mistake,
        )

    exact = first(candidates, _near(printed.value))
    if exact:
        return finding(exact, "true")
    wrong = first(mistakes, _near(printed.value))
    near = first(candidates, slack)
    if near and not (wrong and printed.half < slack):
        return finding(near, "stopping")
    if wrong:
        return finding(wrong, "mistake", wrong[0][0])
    return finding([], "false")


def _near(value: float) -> float:
    """Return what a program's arithmetic leaves of a number."""
    return 1e-7 * abs(value) if math.isfinite(value) else 0.0


def _ends(
    estimate: float, se: float, df: float, level: float, factor: float | None
) -> tuple[float, float]:
    tail = 0.5 * (1.0 - level)
    q = float(stats.norm.isf(tail) if math.isinf(df) else stats.t.isf(tail, df))
    ends = (estimate - q * se, estimate + q * se)
    if factor is None:
        return ends
    low, high = (factor * math.exp(end) for end in ends)
    return low, high
