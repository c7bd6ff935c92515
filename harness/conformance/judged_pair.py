"""An engine's outcome beside another's, judged: what every property builds on."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from msgspec import structs

from harness.conformance.fit_memory import Key, Remembered, key_of
from harness.engines.engine import Coefficient, Failure, Fit, Outcome, Setting
from harness.engines.referee_engine import RefereeEngine
from harness.judge.audit import Audit
from harness.judge.causes.claims import OPTIMAL
from harness.judge.causes.entries import load_known
from harness.judge.causes.predicates import ACCOMPANYING
from harness.judge.causes.view import Pair, View
from harness.judge.comparison import Comparison, Difference
from harness.judge.evidence import Evidence
from harness.judge.examination import Examined, examine, gap_tolerance
from harness.judge.judge import Judged, judge_outcomes
from harness.judge.judgement import Judgement
from harness.judge.pair_decision import ACCOMPANYING_DATA
from harness.judge.side_by_side import differences
from harness.judge.verdict import Finding
from harness.model.case import Case
from harness.referee.best_point import search_for
from harness.referee.optimum import OptimumSearch

_KEPT = 64
_searches: OrderedDict[Key, OptimumSearch] = OrderedDict()
_judged: OrderedDict[Key, list[tuple[Outcome, Outcome, Judged]]] = OrderedDict()


def search_of(case: Case) -> OptimumSearch:
    """Return the one search for the best point of a case, which all engines' answers go on with.

    Raises
    ------
    ValueError
        As :class:`harness.referee.deviance.Likelihood`.
    """
    key = key_of(case, "default")
    found = _searches.pop(key, None) or search_for(case)
    _searches[key] = found
    while len(_searches) > _KEPT:
        _searches.popitem(last=False)
    return found


class _SharedReferee(RefereeEngine):
    """The referee at the best point known from every answer so far."""

    def search(self, case: Case) -> OptimumSearch:
        return search_of(case)


REFEREE = Remembered(_SharedReferee())
"""The referee's own fits, shared by all properties of a case."""


@dataclass(frozen=True)
class JudgedPair:
    """One of the engines of a judged case, in one setting, beside the reference."""

    judged: Judged
    engine: str
    setting: Setting

    @cached_property
    def view(self) -> View:
        """The engine's outcome, examined."""
        return self.judged.view(self.engine, self.setting)

    @cached_property
    def reference(self) -> View:
        """The reference's outcome, examined."""
        return self.judged.view(self.judged.reference, self.setting)

    @property
    def judgement(self) -> Judgement:
        """The engine's outcome by itself."""
        return self.judged.judgement(self.engine, self.setting)

    @property
    def comparison(self) -> Comparison:
        """What the two come to."""
        return self.judged.comparison(self.engine, self.setting)

    @property
    def singular(self) -> bool:
        """Whether the best point known lies on the boundary."""
        return self.judged.singular

    @property
    def failures(self) -> list[Failure]:
        """The outcomes that are no fits."""
        return self.view.failures() + self.reference.failures()

    @property
    def off_optimum(self) -> list[str]:
        """The engines that are not at the optimum."""
        judged = (*self.view.judged(), *self.reference.judged())
        return [fit.engine for fit, audit in judged if audit.certificate not in OPTIMAL]

    @property
    def discrepancy(self) -> float:
        """How far the fit is from the reference's, in units of what is tolerated."""
        judged = (*self.view.judged(), *self.reference.judged())
        gaps = [a.gap / gap_tolerance(f.setting, singular=self.singular) for f, a in judged]
        return max([worst(self.comparison.differences), *gaps])

    @property
    def faults(self) -> tuple[Evidence, ...]:
        """What was found against the engines that the difference is laid to, then its context.

        That an engine defines a number otherwise is no fault of another number, and what holds of
        fits that differ for no known reason is context.
        """
        comparison, known = self.comparison, load_known()
        if comparison.verdict in ("AGREE", "TOLERANCE"):
            return ()
        if comparison.verdict == "UNEXPLAINED":
            return tuple(e for e in comparison.evidence if e.cause in ACCOMPANYING)
        found = tuple(
            e
            for e in comparison.evidence
            if e.engine in ("", *comparison.blamed) or e.cause in ACCOMPANYING_DATA
        )
        if comparison.verdict not in ("CODING", "DEFINITION"):
            found = tuple(e for e in found if known[e.cause].kind != "definition")
        return tuple(sorted(found, key=lambda e: e.cause in ACCOMPANYING))


def judge_pair(
    case: Case, outcome: Outcome, other: Outcome, *, tight: bool | None = None
) -> JudgedPair:
    """Judge an outcome beside another's in one setting; the same two are judged once.

    Parameters
    ----------
    tight : bool, optional
        Whether the same engines agree in the tight setting, where that is known.
    """
    setting = outcome.setting
    entries = _judged.setdefault(key_of(case, setting), [])
    _judged.move_to_end(key_of(case, setting))
    known = next((j for one, two, j in entries if one is outcome and two is other), None)
    if known is None or tight is not None:
        # An engine may be held against itself: its second fit is then another's.
        alike = outcome.engine == other.engine
        beside = structs.replace(other, engine=f"{other.engine} again") if alike else other
        judged = judge_outcomes(
            case,
            (outcome, beside),
            search=search_of,
            agree_tight=tight,
        )
        if tight is None:
            entries.append((outcome, other, judged))
            while len(_judged) > _KEPT:
                _judged.popitem(last=False)
    else:
        judged = known
    return JudgedPair(judged, outcome.engine, setting)


def beside_referee(case: Case, outcome: Outcome) -> JudgedPair:
    """Judge an outcome beside the referee's own fit."""
    return judge_pair(case, outcome, REFEREE.fit(case, outcome.setting))


def two_fits(case: Case, before: Fit, after: Fit) -> Pair:
    """Compare what one engine states in two fits of a case.

    Where one of them does not state a number, the referee's at each fit's own point are compared.
    """
    examination = examine(case, (before, after), search=search_of)
    rows: tuple[Difference, ...] = ()
    audits: tuple[Audit | None, ...] = examination.audits or (None, None)
    width = len(case.design.x_names)
    if examination.fits and len(before.coefficients) == len(after.coefficients) == width:
        one, two = _as_stated(*examination.fits)
        quiet = Judgement(
            engine=before.engine, setting=before.setting, verdict="RIGHT", finding=Finding(key="")
        )
        rows = differences(case.design, one, quiet, two, quiet, singular=examination.singular)
    return Pair(View(case, before, audits[0]), View(case, after, audits[1]), rows)


def _as_stated(one: Examined, two: Examined) -> tuple[Examined, Examined]:
    """Fill in the referee's numbers where one of two fits does not state its own."""
    filled: tuple[list[Coefficient], list[Coefficient]] = ([], [])
    rows = zip(one.fit.coefficients, two.fit.coefficients, strict=True)
    fair = zip(one.audit.coefficients, two.audit.coefficients, strict=True)
    for stated, right in zip(rows, fair, strict=True):
        unsaid = [
            column
            for column in ("se", "df", "statistic", "p")
            if any(getattr(row, column) is None for row in stated)
        ]
        for out, row, own in zip(filled, stated, right, strict=True):
            out.append(structs.replace(row, **{c: getattr(own, c) for c in unsaid}))
    first, second = (
        replace(seen, fit=structs.replace(seen.fit, coefficients=tuple(coefficients)))
        for seen, coefficients in zip((one, two), filled, strict=True)
    )
    return first, second


def worst(rows: Iterable[Difference]) -> float:
    """Return the largest difference in units of its tolerance; infinite for a NaN."""
    return max(
        (math.inf if math.isnan(d.difference) else d.difference / d.tolerance for d in rows),
        default=0.0,
    )
