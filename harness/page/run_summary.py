"""A run in numbers: counts, distributions and the worst cases, gathered in one pass.

Nothing here grows with the number of cases: counters are keyed by words of a fixed vocabulary (or
by shapes and properties, of which the first few hundred are told apart), digits are counted in
tenths, and of cases only places in the file are kept, a fixed number of them.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from harness.campaign.record_stream import Place
from harness.engines.engine import Failure, Setting
from harness.judge.case_verdict import (
    case_verdict,
    definitions,
    told,
    unexplained,
)
from harness.judge.property_outcome import PropertyOutcome, Status
from harness.judge.records import CaseRecord
from harness.judge.verdict import VerdictClass, graver
from harness.page.appearance import severity
from harness.page.distribution import Digits, Worst

SHAPES = 200
"""Headings (and properties) told apart; a run with more has the rest under :data:`REST`."""

REST = "all others"

WORST, WORST_OF_EACH, FIRST, FAILING, SLOWEST = 120, 5, 10, 10, 10
"""Cases kept: the worst of all; of each cause, verdict and quantity; the first ones; failures of
each property; slowest fits."""

Blamed = tuple[VerdictClass, tuple[str, ...]]
"""A verdict class and the engines to which the difference is laid."""

T = TypeVar("T")


@dataclass
class Shape:
    """Cases of one heading (for drawn cases the shape): what was drawn and what came of it.

    ``rows`` and ``groups`` count cases by the power of two at or below their number of rows used
    and of levels of the largest grouping factor.
    """

    cases: int = 0
    verdicts: Counter[VerdictClass] = field(default_factory=Counter)
    singular: int = 0
    missing: int = 0
    rows: Counter[int] = field(default_factory=Counter)
    groups: Counter[int] = field(default_factory=Counter)
    rows_range: tuple[int, int] | None = None
    groups_range: tuple[int, int] | None = None


@dataclass
class CauseCount:
    """How often a cause was named: by verdicts, in cases, and as a definition."""

    cases: int = 0
    verdicts: Counter[VerdictClass] = field(default_factory=Counter)
    definitions: int = 0


@dataclass
class PropertyCount:
    """What came of a property on all its cases; ``failing`` has the worst failures."""

    statuses: Counter[Status] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    worst: float = -math.inf
    worst_case: str = ""
    failing: Worst[PropertyOutcome] = field(default_factory=lambda: Worst(FAILING))


@dataclass(frozen=True)
class SlowFit:
    """One of the slowest fits."""

    seconds: float
    engine: str
    setting: Setting
    case: str
    place: Place | None


@dataclass
class Summary:
    """A run in numbers; :meth:`add` takes its records one by one, in any order.

    Attributes
    ----------
    blamed : Counter
        Cases by main verdict and engines blamed.
    verdicts : dict
        By setting, cases by the gravest verdict of their engines.
    unexplained, environment : int
        Cases whose main verdict makes the run fail, and those that an engine could not even try.
    certificates : dict
        By setting and engine, fits by what the referee finds; failures by their reason.
    untrue : Counter
        Fits, by setting, engine and claim ("converged", "singular"), that state what is not so.
    digits : dict
        By setting and quantity.
    singular : int
        Cases in which the referee finds an optimum on the boundary.
    seconds, fits : dict
        Total time and number of fits, by setting and engine.
    """

    cases: int = 0
    blamed: Counter[Blamed] = field(default_factory=Counter)
    verdicts: dict[Setting, Counter[VerdictClass]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    unexplained: int = 0
    environment: int = 0
    causes: dict[str, CauseCount] = field(default_factory=lambda: defaultdict(CauseCount))
    shapes: dict[str, Shape] = field(default_factory=lambda: defaultdict(Shape))
    certificates: dict[tuple[Setting, str], Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    untrue: Counter[tuple[Setting, str, str]] = field(default_factory=Counter)
    digits: dict[tuple[Setting, str], Digits] = field(default_factory=lambda: defaultdict(Digits))
    singular: int = 0
    seconds: dict[tuple[Setting, str], float] = field(default_factory=lambda: defaultdict(float))
    fits: Counter[tuple[Setting, str]] = field(default_factory=Counter)
    slowest: Worst[SlowFit] = field(default_factory=lambda: Worst(SLOWEST))
    properties: dict[str, PropertyCount] = field(default_factory=lambda: defaultdict(PropertyCount))
    property_shapes: Counter[str] = field(default_factory=Counter)
    _first: list[Place] = field(default_factory=list)
    _worst: Worst[Place] = field(default_factory=lambda: Worst(WORST))
    _last: tuple[str, Place] | None = None
    _worst_of: dict[tuple[str, str], Worst[Place]] = field(
        default_factory=lambda: defaultdict(lambda: Worst(WORST_OF_EACH))
    )

    def add(self, record: CaseRecord | PropertyOutcome, place: Place | None = None) -> None:
        """Count a record; a case without a place is never among the worst."""
        if isinstance(record, PropertyOutcome):
            self._add_property(record)
            return
        self.cases += 1
        main = case_verdict(record, None)
        self.blamed[main.verdict, main.blamed] += 1
        self.unexplained += unexplained(record)
        self.environment += main.verdict == "ENVIRONMENT"
        for setting in dict.fromkeys(one.setting for one in told(record)):
            gravest = graver(*(one.verdict for one in told(record, setting)))
            self.verdicts[setting][gravest] += 1
        self._add_causes(record)
        self._add_fits(record, place)
        audits = [j.audit for j in record.judgements if j.audit is not None]
        singular = any(a.certificate == "boundary optimum" for a in audits)
        self.singular += singular
        self._add_shape(record, main.verdict, singular=singular)
        excess = self._add_digits(record)
        if place is not None:
            self._last = (record.id, place)
            self._keep(record, excess, place)

    def shown(self) -> tuple[Place, ...]:
        """Return the places of the cases worth showing one by one, the most wanted first.

        The worst of each cause, verdict, quantity and property come before the rest of the worst,
        so that what is rare is there however few are shown; the first cases of the run come last.
        """
        few = [list(worst) for worst in self._worst_of.values()]
        in_turn = (kept[i] for i in range(WORST_OF_EACH) for kept in few if i < len(kept))
        return tuple(dict.fromkeys((*in_turn, *self._worst, *self._first)))

    def _add_causes(self, record: CaseRecord) -> None:
        for one in told(record):
            for cause in one.causes:
                self.causes[cause].verdicts[one.verdict] += 1
        for cause in {c for one in told(record) for c in one.causes}:
            self.causes[cause].cases += 1
        for cause in {d.cause for d in definitions(record)}:
            self.causes[cause].definitions += 1

    def _add_fits(self, record: CaseRecord, place: Place | None) -> None:
        for outcome in record.fits:
            key = (outcome.setting, outcome.engine)
            audit = record.audit(outcome.engine, outcome.setting)
            if isinstance(outcome, Failure):
                found: str = outcome.reason
            else:
                found = audit.certificate if audit is not None else "not audited"
            self.certificates[key][found] += 1
            self.fits[key] += 1
            self.seconds[key] += outcome.seconds
            slow = SlowFit(outcome.seconds, outcome.engine, outcome.setting, record.id, place)
            self.slowest.add((outcome.seconds,), slow)
            if audit is not None:
                for claim, true in (
                    ("converged", audit.converged_true),
                    ("singular", audit.singular_true),
                ):
                    self.untrue[(*key, claim)] += true is False

    def _add_shape(self, record: CaseRecord, main: VerdictClass, *, singular: bool) -> None:
        shape = self.shapes[_bounded(record.group, self.shapes)]
        shape.cases += 1
        shape.verdicts[main] += 1
        shape.singular += singular
        shape.missing += any(column.missing for column in record.data.columns)
        rows = record.data.rows_used
        levels = max(record.data.groups.values(), default=0)
        shape.rows[_power_of_two(rows)] += 1
        shape.groups[_power_of_two(levels)] += 1
        shape.rows_range = _widened(shape.rows_range, rows)
        shape.groups_range = _widened(shape.groups_range, levels)

    def _add_digits(self, record: CaseRecord) -> dict[str, float]:
        """Count digits; return by quantity how far outside its tolerance the worst item is."""
        excess: dict[str, float] = {}
        least: dict[tuple[Setting, str], float] = {}
        outside: set[tuple[Setting, str]] = set()
        for setting, d in ((c.setting, d) for c in record.comparisons for d in c.differences):
            key = (setting, d.quantity)
            # A NaN is fewer digits than any number, and farther off than any tolerance.
            if math.isnan(d.digits) or not least.get(key, math.inf) <= d.digits:
                known = least.get(key, math.inf)
                least[key] = known if math.isnan(known) else d.digits
            if not d.within:
                outside.add(key)
            ratio = d.difference / d.tolerance if d.tolerance > 0 else math.inf
            if not ratio <= excess.get(d.quantity, 0.0):
                excess[d.quantity] = math.inf if math.isnan(ratio) else ratio
            else:
                excess.setdefault(d.quantity, 0.0)
        for key, digits in least.items():
            self.digits[key].add(digits, outside=key in outside)
        return excess

    def _keep(self, record: CaseRecord, excess: dict[str, float], place: Place) -> None:
        if len(self._first) < FIRST:
            self._first.append(place)
        most = max(excess.values(), default=0.0)
        self._worst.add((severity(record), most), place)
        kinds = [("verdict", f"{one.setting} {one.verdict}") for one in told(record)]
        kinds += [("cause", cause) for one in told(record) for cause in one.causes]
        for kind in dict.fromkeys(kinds):
            self._worst_of[kind].add((most,), place)
        for quantity, ratio in excess.items():
            self._worst_of["quantity", quantity].add((ratio,), place)

    def _add_property(self, record: PropertyOutcome) -> None:
        name = _bounded(record.property, self.properties)
        count = self.properties[name]
        count.statuses[record.status] += 1
        count.causes.update(record.causes)
        far = math.inf if math.isnan(record.discrepancy) else record.discrepancy
        if record.status != "not applicable" and far > count.worst:
            count.worst, count.worst_case = far, record.case
        self.property_shapes[_bounded(record.group, self.property_shapes)] += 1
        if record.status in ("fails", "unexplained"):
            key = (float(record.status == "unexplained"), far)
            count.failing.add(key, record)
            # The checks of a case follow it in the file.
            if self._last is not None and self._last[0] == record.case:
                self._worst_of["property", name].add(key, self._last[1])


def summarize(
    records: Iterable[tuple[Place | None, CaseRecord | PropertyOutcome]],
) -> Summary:
    """Return the summary of records with their places, in one pass."""
    summary = Summary()
    for place, record in records:
        summary.add(record, place)
    return summary


def _power_of_two(number: int) -> int:
    """Return the largest power of two that is not above ``number``; 0 for none."""
    return 0 if number < 1 else 1 << (number.bit_length() - 1)


def _widened(known: tuple[int, int] | None, value: int) -> tuple[int, int]:
    low, high = known or (value, value)
    return min(low, value), max(high, value)


def _bounded(name: str, known: dict[str, T] | Counter[str]) -> str:
    return name if name in known or len(known) < SHAPES else REST
