"""Two fits of a case, examined, compared and decided: what every property builds on."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.conformance.fit_memory import Key, Remembered, key_of
from harness.engines.engine import Fit, Outcome, Setting
from harness.engines.referee_engine import RefereeEngine
from harness.judge.audit import Audit
from harness.judge.causes.view import Seen
from harness.judge.comparison import Comparison
from harness.judge.decision import decide
from harness.judge.examination import Examination, examine, gap_tolerance
from harness.judge.side_by_side import compare
from harness.judge.verdict import Verdict
from harness.model.case import Case

REFEREE = Remembered(RefereeEngine())
"""The referee's own fits, shared by all properties of a case."""

_KEPT = 64
_examined: OrderedDict[Key, list[tuple[tuple[Fit, ...], Examination]]] = OrderedDict()


@dataclass(frozen=True)
class Judgement:
    """Two outcomes of one case and the verdict on them."""

    seen: Seen
    verdict: Verdict
    singular: bool

    @property
    def discrepancy(self) -> float:
        """How far the left fit is from the right one, in units of what is tolerated."""
        gaps = [a.gap / gap_tolerance(f.setting, singular=self.singular) for f, a in self.pairs]
        return max([worst(self.seen.comparisons), *gaps])

    @property
    def pairs(self) -> list[tuple[Fit, Audit]]:
        """The fits with their audits."""
        return self.seen.pairs()


def examined(case: Case, fits: Sequence[Fit], setting: Setting) -> Examination:
    """Examine fits of a case; the same fits are examined once."""
    key, wanted = key_of(case, setting), tuple(fits)
    entries = _examined.setdefault(key, [])
    _examined.move_to_end(key)
    for known, examination in entries:
        if len(known) == len(wanted) and all(a is b for a, b in zip(known, wanted, strict=True)):
            return examination
    examination = examine(case, wanted)
    entries.append((wanted, examination))
    while len(_examined) > _KEPT:
        _examined.popitem(last=False)
    return examination


def judge(
    case: Case,
    left: Outcome,
    right: Outcome,
    *,
    tight: bool | None = None,
    others: Sequence[Fit] = (),
) -> Judgement:
    """Examine, compare and decide two outcomes of a case in one setting.

    Parameters
    ----------
    tight : bool, optional
        Whether the same engines agree in the tight setting, where that is known.
    others : sequence of Fit
        Other fits of the case: starts for the search of the best point.
    """
    fits = [o for o in (left, right) if isinstance(o, Fit)]
    examination = examined(case, [*fits, *others], left.setting)
    audits: dict[int, Audit] = {}
    for fit, audit in zip(fits, examination.audits, strict=False):
        audits[id(fit)] = audit
    left_audit, right_audit = audits.get(id(left)), audits.get(id(right))
    rows: tuple[Comparison, ...] = ()
    if (
        isinstance(left, Fit)
        and isinstance(right, Fit)
        and left_audit is not None
        and right_audit is not None
        and len(left.coefficients) == len(right.coefficients) == len(case.design.x_names)
    ):
        rows = compare(
            case.design, left, left_audit, right, right_audit, singular=examination.singular
        )
    seen = Seen(case, left, right, left_audit, right_audit, rows, tight)
    return Judgement(seen, decide(seen), examination.singular)


def worst(comparisons: Sequence[Comparison]) -> float:
    """Return the largest difference in units of its tolerance; infinite for a NaN."""
    return max(
        (math.inf if math.isnan(c.difference) else c.difference / c.tolerance for c in comparisons),
        default=0.0,
    )
