"""A listing beside the referee's numbers at one point, each tried under every known definition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from harness.judge.examination import gap_tolerance
from harness.judge.likelihood_ratio import Ratio
from harness.judge.listing import Listing, PrintedInterval, PrintedValue
from harness.judge.listing_model import ListingModel
from harness.judge.number_verdict import Finding, judged, near
from harness.judge.printed_intervals import fixed_profiles, spread_ends, t_ends
from harness.judge.printed_ratio import judged_ratio
from harness.referee.definitions import of_quantity
from harness.referee.satterthwaite import two_sided_p
from harness.referee.standpoint import Row, Standpoint
from harness.referee.variance_parameter import Parameter

Ends = tuple[float, float]

LEVELS = (0.9, 0.95, 0.99, 0.8)
_SHARE = 1e-3
"""Of a standard error, or relative: what optimizers leave of estimates, SE and t."""
_CURVATURE_SHARE = 5e-3
"""Of an interval of a variance: programs difference the information numerically, or expect it."""
_TESTED = ("gls", "joint-hessian", "kenward-roger", "gls-n/(n-p)", "sandwich")
"""Standard errors that p values and intervals are made of."""


@dataclass(frozen=True)
class Reading:
    """A listing beside the referee's numbers at one point: the optimum, or the best of its box.

    Attributes
    ----------
    model, rival : ListingModel
        By the criterion it is read as, and by the other one.
    at_box : bool
    ratios : dict
        By formula, the likelihood ratios of the model and that one, by criterion.
    """

    model: ListingModel
    rival: ListingModel
    at_box: bool
    ratios: Mapping[str, Mapping[str, Ratio]] = field(default_factory=dict)

    @property
    def listing(self) -> Listing:
        """What is printed."""
        return self.model.listing

    @cached_property
    def at(self) -> Standpoint:
        """Where the numbers are judged."""
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
        for formula, numbers in self.listing.comparisons.items():
            for quantity, printed in numbers.items():
                order = (self.model.criterion, self.rival.criterion)
                yield judged_ratio(self.ratios[formula], order, formula, quantity, printed)

    def rules(self) -> Iterator[tuple[str, str, float, bool]]:
        """Yield each rule of df for each coefficient of which anything printed depends on it."""
        for label, numbers in self.listing.coefficients.items():
            j = self.model.matched.coefficients[label]
            interval = self.listing.intervals.get(label)
            if interval is not None and self._is_profile(label):
                interval = None
            if not ({"df", "p"} & set(numbers) or interval is not None):
                continue
            for key, values in self._df.items():
                fits = self._fits_df(label, key, values[j], numbers, interval)
                yield label, key, values[j], fits

    def _is_profile(self, label: str) -> bool:
        """Whether an interval is right, and by nothing but a profile."""
        ends = [f for f in self.findings if f.item == label and f.quantity in ("lower", "upper")]
        return all(
            f.definitions and all(d.startswith("profile") for d in f.definitions) for f in ends
        )

    def _fits_df(
        self,
        label: str,
        key: str,
        df: float,
        numbers: Mapping[str, PrintedValue],
        interval: PrintedInterval | None,
    ) -> bool:
        j = self.model.matched.coefficients[label]
        return any(
            self._fits(self._errors[kind][j], j, df, numbers, interval)
            for kind in self._kinds(key)
            if kind in self._errors_of(label, j)
        )

    def _kinds(self, rule: str) -> Sequence[str]:
        """Return the standard errors that a rule of df goes with."""
        if rule == "kenward-roger" and "kenward-roger" in self._errors:
            return ("kenward-roger",)
        return ("gls", "sandwich")

    def _fits(
        self,
        se: float,
        j: int,
        df: float,
        numbers: Mapping[str, PrintedValue],
        interval: PrintedInterval | None,
    ) -> bool:
        if "df" in numbers:
            printed = numbers["df"]
            if not (printed.holds(df) if math.isfinite(df) else printed.low == df):
                return False
        if "p" in numbers and not numbers["p"].holds(two_sided_p(self._estimates[j] / se, df)):
            return False
        if interval is None:
            return True
        low, high = t_ends(self._estimates[j], se, df, interval.level, interval.factor)
        return interval.lower.holds(low, near(low)) and interval.upper.holds(high, near(high))

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
            if label in self._contradicted:
                candidates = list(self._dfs(label, j).items())
            candidates.sort(key=lambda pair: abs(pair[1] - printed.value))
            slack = 2e-3 * printed.value
        elif quantity == "statistic":
            candidates = [(k, estimate / v[j]) for k, v in self._errors_of(label, j).items()]
            mistakes = [
                ("sign", -estimate / se),
                ("other-criterion", self._rival.tests[j].statistic),
            ]
            slack = _SHARE * max(abs(estimate / se), 1.0)
        else:
            candidates = list(self._p_values(label, j))
            mistakes = [("one-sided", 0.5 * v) for _, v in candidates]
            slack = self._p_slack(label, j, printed)
        return judged(quantity, label, printed, candidates, mistakes, slack)

    @cached_property
    def _rival(self) -> Standpoint:
        return self.rival.at_best

    def _dfs(self, label: str, j: int) -> dict[str, float]:
        """Return the df that tests may have: where one is printed that a rule gives, no other.

        Unless that contradicts the tests beside it, and they follow the rule of the listing.
        """
        rules = {key: values[j] for key, values in self._df.items()}
        printed = self.listing.coefficients[label].get("df")
        if (rule := self._contradicted.get(label)) is not None:
            return {rule: rules[rule]}
        if printed is None:
            return rules
        fitting = {k: v for k, v in rules.items() if printed.holds(v) or printed.low == v}
        return fitting or {**rules, "the printed df": printed.value}

    @cached_property
    def _contradicted(self) -> dict[str, str]:
        """By label, the rule that p and interval follow where the df printed beside them do not.

        Which of the two is wrong is known where the rule is that of other coefficients as well.
        """
        printed = {k: v for k, v in self.listing.coefficients.items() if "df" in v}
        alone = {k: self._rules_of(k, {"df": v["df"]}, None) for k, v in printed.items()}
        found = {}
        for label, numbers in printed.items():
            interval = self.listing.intervals.get(label)
            tests = {k: v for k, v in numbers.items() if k != "df"}
            if not ("p" in tests or interval) or self._rules_of(label, numbers, interval):
                continue
            followed = [
                (sum(rule in rules for other, rules in alone.items() if other != label), rule)
                for rule in self._rules_of(label, tests, interval)
            ]
            own = [sum(rule in rules for rules in alone.values()) for rule in alone[label]]
            if followed and max(followed)[0] >= max(own, default=1):
                found[label] = max(followed)[1]
        return found

    def _rules_of(
        self, label: str, numbers: Mapping[str, PrintedValue], interval: PrintedInterval | None
    ) -> list[str]:
        """Return the rules of df that these numbers of a coefficient fit."""
        j = self.model.matched.coefficients[label]
        return [
            key
            for key, values in self._df.items()
            if self._fits_df(label, key, values[j], numbers, interval)
        ]

    def _errors_of(self, label: str, j: int) -> dict[str, tuple[float, ...]]:
        """Return the errors that tests may be made of: where one is printed, those that it is."""
        printed = self.listing.coefficients[label].get("se")
        if printed is None:
            return self._errors
        slack = _SHARE * self._errors["gls"][j]
        fitting = {k: v for k, v in self._errors.items() if printed.holds(v[j], slack)}
        return fitting or self._errors

    def _tested(self, label: str, j: int) -> list[tuple[str, float, str, float]]:
        """Return the errors and df that tests and intervals may be made of.

        Each as kind, error, rule, df. Errors that are not printed come in only where no other goes
        with a rule.
        """
        rules = {**self._dfs(label, j), "none": math.inf}

        def pairs(found: Mapping[str, tuple[float, ...]]) -> list[tuple[str, float, str, float]]:
            return [
                (kind, found[kind][j], key, df)
                for key, df in rules.items()
                for kind in _TESTED
                if kind in found and (kind != "kenward-roger" or key == "kenward-roger")
            ]

        return pairs(self._errors_of(label, j)) or pairs(self._errors)

    def _p_values(self, label: str, j: int) -> Iterator[tuple[str, float]]:
        for _, se, key, df in self._tested(label, j):
            yield key, two_sided_p(self._estimates[j] / se, df)

    def _p_slack(self, label: str, j: int, printed: PrintedValue) -> float:
        """Return what optimizers leave of p: as much as t, which they leave a share of, moves it.

        In the middle that is less than a share of p, far out in the tail many times as much.
        """
        t = self._estimates[j] / self._errors["gls"][j]
        near_by = [
            abs(two_sided_p(t * (1.0 + _SHARE), df) - two_sided_p(t, df))
            for df in (*self._dfs(label, j).values(), math.inf)
            if printed.holds(two_sided_p(t, df), 0.1 * printed.value)
        ]
        return max(near_by, default=0.0) + _SHARE * printed.value

    @property
    def _models(self) -> dict[str, ListingModel]:
        return {model.criterion: model for model in (self.model, self.rival)}

    def _interval(self, label: str, j: int, printed: PrintedInterval) -> Iterator[Finding]:
        estimate = self._estimates[j]
        rules = {**self._dfs(label, j), "none": math.inf}
        chosen: dict[str, Ends] = {}
        for kind, se, key, df in self._tested(label, j):
            name = key if kind == "gls" else f"{key}, SE {kind}"
            chosen[name] = t_ends(estimate, se, df, printed.level, printed.factor)
        chosen |= fixed_profiles(self._models, j, printed)
        others = [
            (
                f"level {level:g}",
                t_ends(estimate, self._errors["gls"][j], df, level, printed.factor),
            )
            for level in LEVELS
            if not math.isclose(level, printed.level)
            for df in rules.values()
        ]
        yield from _both_ends("", label, printed, chosen, others, _SHARE)

    def _likelihoods(self) -> Iterator[Finding]:
        values = dict(self._defined("loglik"))
        for quantity, printed in self.listing.likelihoods.items():
            times = -2.0 if quantity == "minus_two" else 1.0
            if quantity in ("aic", "bic"):
                candidates = [(k, v[0]) for k, v in self._defined(quantity)]
                yield judged(quantity, "", printed, candidates, [], 2e-4)
                continue
            candidates = [(k, times * v[0]) for k, v in values.items()]
            mistakes = [
                ("other-criterion", times * self._rival.loglik),
                ("sign", -candidates[0][1]),
            ]
            yield judged(quantity, "", printed, candidates, mistakes, 1e-4 * abs(times))

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
            yield judged(spread.kind, label, spread.printed, data_units, mistakes, slack)
            if label in self.listing.spread_intervals:
                parameter = Parameter("sigma") if t < 0 else Parameter("sd", t, (k,))
                interval = self.listing.spread_intervals[label]
                yield from self._spread_interval(label, parameter, spread.kind, interval)
        for label, (t, a, b) in self.model.matched.correlations.items():
            both = float(psi[t][a, a] * psi[t][b, b])
            r = float(psi[t][a, b]) / math.sqrt(both) if both > 0.0 else math.nan
            yield judged(
                "correlation",
                label,
                self.listing.correlations[label],
                [("data-units", r)],
                [("sign", -r)],
                math.inf if self.inside else 5e-3,
            )
            if label in self.listing.correlation_intervals:
                parameter = Parameter("correlation", t, (a, b))
                interval = self.listing.correlation_intervals[label]
                yield from self._spread_interval(label, parameter, "correlation", interval)

        for label, (t, a, b) in self.model.matched.covariances.items():
            both = math.sqrt(float(psi[t][a, a] * psi[t][b, b]))
            c = float(psi[t][a, b])
            yield judged(
                "covariance",
                label,
                self.listing.covariances[label],
                [("data-units", c)],
                [("sign", -c), ("correlation", c / both if both > 0.0 else math.nan)],
                math.inf if self.inside else 5e-3 * both,
            )

    def _spread_interval(
        self, label: str, parameter: Parameter, kind: str, printed: PrintedInterval
    ) -> Iterator[Finding]:
        at, models = self.at, self._models
        chosen = dict(spread_ends(models, at, parameter, kind, printed.level))
        others = [
            (f"level {level:g}", ends)
            for level in LEVELS
            if not math.isclose(level, printed.level)
            for _, ends in spread_ends({}, at, parameter, kind, level)
        ]
        yield from _both_ends(f"{kind} ", label, printed, chosen, others, _CURVATURE_SHARE)

    def _rival_spread(self, t: int, k: int, kind: str) -> Iterator[tuple[str, float]]:
        at = self._rival
        if t < 0:
            variance = at.sigma**2
        else:
            f = at.point.likelihood.factors(at.point.theta)[t]
            variance = at.sigma**2 * float((f @ f.T)[k, k])
        yield "other-criterion", variance if kind == "variance" else math.sqrt(variance)


def _both_ends(
    of: str,
    label: str,
    printed: PrintedInterval,
    chosen: Mapping[str, Ends],
    others: Sequence[tuple[str, Ends]],
    share: float,
) -> Iterator[Finding]:
    """Judge the ends of an interval; what gives both of them comes first.

    Parameters
    ----------
    of : str
        What goes before the names of the ends; empty for a coefficient's.
    share : float
        Of the interval, what is left of its ends.
    """

    def fits(ends: Ends) -> bool:
        values = zip((printed.lower, printed.upper), ends, strict=True)
        return all(value.holds(end, near(value.value)) for value, end in values)

    whole = {name: ends for name, ends in chosen.items() if fits(ends)}
    kept = whole or dict(chosen)
    if not kept:
        kept = {"none": (math.nan, math.nan)}
    span = abs(np.subtract(*next(iter(kept.values()))))
    for place, (name, value) in enumerate((("lower", printed.lower), ("upper", printed.upper))):
        candidates = [(key, ends[place]) for key, ends in kept.items()]
        mistakes = [(key, ends[place]) for key, ends in others]
        yield judged(of + name, label, value, candidates, mistakes, share * float(span))
