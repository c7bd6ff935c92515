"""A listing beside the referee's numbers at one point, each tried under every known definition."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from harness.judge.examination import gap_tolerance
from harness.judge.interchanged_numbers import interchanged
from harness.judge.likelihood_ratio import Ratio
from harness.judge.listing import Listing, PrintedInterval, PrintedValue
from harness.judge.listing_model import ListingModel
from harness.judge.number_verdict import RULE, Finding, judged, near
from harness.judge.printed_intervals import LEVELS, both_ends, fit, fixed_profiles, t_ends
from harness.judge.printed_ratio import judged_ratio
from harness.judge.printed_spreads import PrintedSpreads
from harness.referee.definitions import of_quantity
from harness.referee.satterthwaite import two_sided_p
from harness.referee.standpoint import Row, Standpoint

Ends = tuple[float, float]

SHARE = 1e-3
"""Of a standard error, or relative: what optimizers leave of estimates, SE and t."""
_DF_SHARE = 2e-3
"""Of df: what optimizers, and derivatives that are taken numerically, leave of them."""
_TESTED = (
    "gls",
    "joint-hessian",
    "kenward-roger",
    "kenward-roger-linear",
    "gls-n/(n-p)",
    "sandwich",
)
"""Standard errors that p values and intervals are made of."""

_ADJUSTED = ("kenward-roger", "kenward-roger-linear")
"""Those that go with the df of the same name, and with no other."""


_BY_N = "gls-(n-p)/n"
"""A standard error of REML from a residual variance by n: no program prints it, it is a mistake."""


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
        return interchanged(tuple(self._each()), self._tried)

    @property
    def score(self) -> int:
        """How many numbers are right."""
        return sum(f.truth in ("true", "stopping") for f in self.findings)

    @property
    def strata(self) -> tuple[tuple[str, str], ...]:
        """Factors of residual variances, and their references that are not the first levels."""
        residuals = self._spreads.residuals
        return () if residuals is None else tuple(residuals.strata)

    @cached_property
    def _spreads(self) -> PrintedSpreads:
        return PrintedSpreads(self.model, self.rival, self.at, self.inside)

    def _each(self) -> Iterator[Finding]:
        yield from self._likelihoods()
        yield from self._spreads.findings()
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

    def _tried(self, one: Finding, item: str) -> bool:
        """Whether a number that is printed for one coefficient is right for another."""
        j = self.model.matched.coefficients.get(item)
        if j is None:
            return False
        if one.quantity in ("lower", "upper"):
            found = list(self._interval(one.item, j, self.listing.intervals[one.item]))
        else:
            printed = self.listing.coefficients[one.item][one.quantity]
            found = [self._test(one.item, j, one.quantity, printed)]
        return all(f.truth in ("true", "stopping") for f in found if f.quantity == one.quantity)

    def rules(self) -> Iterator[tuple[str, str, float, bool]]:
        """Yield each rule of df for each coefficient of which anything printed depends on it."""
        for label, numbers in self.listing.coefficients.items():
            j = self.model.matched.coefficients[label]
            interval = self.listing.intervals.get(label)
            if interval is not None and self._is_profile(label):
                interval = None
            if not ({"df", "p"} & set(numbers) or interval is not None):
                continue
            fitting = self._rules_of(label, numbers, interval)
            for key, values in self._df.items():
                yield label, key, values[j], key in fitting

    def _is_profile(self, label: str) -> bool:
        """Whether an interval is right, and by nothing but a profile."""
        ends = [f for f in self.findings if f.item == label and f.quantity in ("lower", "upper")]
        return all(
            f.definitions and all(d.startswith("profile") for d in f.definitions) for f in ends
        )

    def _rules_of(
        self, label: str, numbers: Mapping[str, PrintedValue], interval: PrintedInterval | None
    ) -> list[str]:
        """Return the rules of df that these numbers of a coefficient fit.

        To their digits; where none does, within what optimizers leave: lmerTest differences its df
        numerically, and prints four decimals of them.
        """
        j = self.model.matched.coefficients[label]

        def fitting(*, left: bool) -> list[str]:
            return [
                rule
                for rule, values in self._df.items()
                if any(
                    self._fits(label, self._errors[kind][j], values[j], numbers, interval, left)
                    for kind in self._kinds(rule, label, j)
                )
            ]

        return fitting(left=False) or fitting(left=True)

    def _kinds(self, rule: str, label: str, j: int) -> list[str]:
        """Return the standard errors that a rule of df goes with, of those that may be printed."""
        usual: tuple[str, ...]
        if rule in _ADJUSTED and rule in self._errors:
            usual = (rule,)
        elif rule == "none":
            usual = ("gls", "sandwich", "gls-n/(n-p)", "joint-hessian")
        else:
            usual = ("gls", "sandwich", "gls-n/(n-p)")
        possible = self._errors_of(label, j)
        found = [kind for kind in usual if kind in possible]
        if found or rule in _ADJUSTED:
            return found
        return [kind for kind in _TESTED if kind in possible and kind not in _ADJUSTED]

    def _fits(
        self,
        label: str,
        se: float,
        df: float,
        numbers: Mapping[str, PrintedValue],
        interval: PrintedInterval | None,
        left: bool,
    ) -> bool:
        """Whether df, p and interval are printed so: to their digits, or with what is left."""
        j = self.model.matched.coefficients[label]
        if "df" in numbers:
            printed = numbers["df"]
            room = _DF_SHARE * printed.value if left else near(printed.value)
            if not (printed.holds(df, room) if math.isfinite(df) else printed.low == df):
                return False
        if "p" in numbers:
            printed = numbers["p"]
            room = self._p_slack(j, printed) if left else near(printed.value)
            if not printed.holds(two_sided_p(self._estimates[j] / se, df), room):
                return False
        if interval is None:
            return True
        ends = t_ends(self._estimates[j], se, df, interval.level, interval.factor)
        return all(fit(interval, ends, SHARE if left else 0.0))

    @cached_property
    def _estimates(self) -> tuple[float, ...]:
        return tuple(test.estimate for test in self.at.tests)

    @cached_property
    def _errors(self) -> dict[str, tuple[float, ...]]:
        return {key: values for key, values in self._defined("se") if key != _BY_N}

    @cached_property
    def _by_n(self) -> dict[str, tuple[float, ...]]:
        return {key: values for key, values in self._defined("se") if key == _BY_N}

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
        slack = SHARE * se
        if quantity == "estimate":
            candidates = [("gls", estimate)]
            mistakes = [("sign", -estimate), ("other-criterion", self._rival.tests[j].estimate)]
        elif quantity == "se":
            candidates = [(k, v[j]) for k, v in self._errors.items()]
            mistakes = [
                *(("by-n", v[j]) for v in self._by_n.values()),
                ("variance-for-sd", se * se),
                ("other-criterion", self._rival.tests[j].se),
            ]
        elif quantity == "df":
            candidates = [(k, v[j]) for k, v in self._df.items()]
            if label in self._contradicted:
                candidates = list(self._dfs(label, j).items())
            candidates.sort(key=lambda pair: (-self._followed(pair[0]), _apart(printed, pair[1])))
            if label in self._contradicted:
                mistakes = [(f"{RULE}{key}", values[j]) for key, values in self._df.items()]
            slack = _DF_SHARE * printed.value
        elif quantity == "statistic":
            candidates = [(k, estimate / v[j]) for k, v in self._errors_of(label, j).items()]
            mistakes = [
                ("sign", -estimate / se),
                *(("by-n", estimate / v[j]) for v in self._by_n.values()),
                ("other-criterion", self._rival.tests[j].statistic),
            ]
            slack = SHARE * max(abs(estimate / se), 1.0)
        elif quantity == "f":
            # Of one numerator df F is the square of t.
            candidates = [(k, (estimate / v[j]) ** 2) for k, v in self._errors_of(label, j).items()]
            mistakes = [
                ("t-for-f", abs(estimate / se)),
                ("other-criterion", self._rival.tests[j].statistic ** 2),
            ]
            slack = 2.0 * SHARE * max((estimate / se) ** 2, 1.0)
        else:
            candidates, normal = self._p_values(label, j)
            mistakes = [
                *normal,
                *(("one-sided", 0.5 * v) for _, v in candidates),
                *(
                    ("by-n", two_sided_p(estimate / v[j], df))
                    for v in self._by_n.values()
                    for df in self._dfs(label, j).values()
                ),
            ]
            slack = self._p_slack(j, printed)
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
    def _rules_of_df(self) -> dict[str, list[str]]:
        """By label, the rules that its df are of, where they are printed."""
        return {
            label: self._rules_of(label, {"df": numbers["df"]}, None)
            for label, numbers in self.listing.coefficients.items()
            if "df" in numbers
        }

    def _followed(self, rule: str, *, but: str = "") -> int:
        """Return how many coefficients have the df of a rule."""
        return sum(rule in rules and label != but for label, rules in self._rules_of_df.items())

    @cached_property
    def _contradicted(self) -> dict[str, str]:
        """By label, the rule that p or interval follow where the df printed beside them do not.

        Which of the two is wrong is known where the rule is that of other coefficients as well.
        """
        found = {}
        for label, rules in self._rules_of_df.items():
            numbers = self.listing.coefficients[label]
            least = max([self._followed(rule) for rule in rules], default=1)
            p = {"p": numbers["p"]} if "p" in numbers else {}
            for tests, interval in ((p, None), ({}, self.listing.intervals.get(label))):
                if not (tests or interval):
                    continue
                made = [rule for rule in self._rules_of(label, tests, interval) if rule != "none"]
                if set(made) & set(rules):
                    break
                followed = [(self._followed(rule, but=label), rule) for rule in made]
                if followed and max(followed)[0] >= least:
                    found[label] = max(followed)[1]
                    break
        return found

    def _errors_of(self, label: str, j: int) -> dict[str, tuple[float, ...]]:
        """Return the errors that tests may be made of: where one is printed, those that it is."""
        # A robust error is zero where groups are fitted exactly; no test is made of it.
        errors = {kind: values for kind, values in self._errors.items() if values[j] > 0.0}
        printed = self.listing.coefficients[label].get("se")
        if printed is None:
            return errors
        slack = SHARE * self._errors["gls"][j]
        fitting = {k: v for k, v in errors.items() if printed.holds(v[j], slack)}
        return fitting or errors

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
                if kind in found and (kind not in _ADJUSTED or key == kind)
            ]

        every = {kind: values for kind, values in self._errors.items() if values[j] > 0.0}
        return pairs(self._errors_of(label, j)) or pairs(every)

    def _p_values(
        self, label: str, j: int
    ) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """Return what p may be, and what it is by mistake: by z beside finite df that are right."""
        values = [
            (key, two_sided_p(self._estimates[j] / se, df))
            for _, se, key, df in self._tested(label, j)
        ]
        if not any(rule != "none" for rule in self._rules_of_df.get(label, ())):
            return values, []
        by_z = [
            ("z-for-t", two_sided_p(self._estimates[j] / error[j], math.inf))
            for error in self._errors_of(label, j).values()
        ]
        return [pair for pair in values if pair[0] != "none"], by_z

    def _p_slack(self, j: int, printed: PrintedValue) -> float:
        """Return what optimizers leave of p: as much as t, which they leave a share of, moves it.

        In the middle that is less than a share of p, far out in the tail many times as much.
        """
        t = self._estimates[j] / self._errors["gls"][j]
        near_by = [
            abs(two_sided_p(t * (1.0 + SHARE), df) - two_sided_p(t, df))
            for df in (*(values[j] for values in self._df.values()), math.inf)
            if printed.holds(two_sided_p(t, df), 0.1 * printed.value)
        ]
        return max(near_by, default=0.0) + SHARE * printed.value

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
        made = any(all(fit(printed, ends, 0.0)) for ends in chosen.values())
        if not made or self.model.design.residual is None:
            # Beside a residual covariance a profile takes seconds.
            chosen |= fixed_profiles(self._models, j, printed)
        others = (
            (f"level {level:g}", ends)
            for level in LEVELS
            if not math.isclose(level, printed.level)
            for ends in self._ends_at(j, replace(printed, level=level), rules.values())
        )
        yield from both_ends("", label, printed, chosen, others, SHARE)

    def _ends_at(
        self, j: int, printed: PrintedInterval, dfs: Iterable[float]
    ) -> Iterator[tuple[float, float]]:
        """Yield the ends of an interval as it might be of another level."""
        estimate, se = self._estimates[j], self._errors["gls"][j]
        for df in dfs:
            yield t_ends(estimate, se, df, printed.level, printed.factor)
        for _, ends in fixed_profiles(self._models, j, printed):
            yield ends

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


def _apart(printed: PrintedValue, value: float) -> float:
    """Return how far a value is from a printed one."""
    return abs(value - printed.value)
