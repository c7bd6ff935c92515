"""Fits and their examination within a time limit; without one both take as long as they take."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from harness.base.deadline import Deadline, TimeUp, stopped_at
from harness.base.text import number
from harness.engines.engine import Engine, Fit, Outcome, OwnModel, Setting
from harness.engines.within_limits import begin_within, fits_here
from harness.judge.examination import Examination, examine
from harness.model.case import Case
from harness.referee.best_point import search_for
from harness.referee.cost import search_cost
from harness.referee.optimum import Optimum, OptimumSearch

MOST = 0.5
"""Part of the time that is kept for the examination, at most."""

JUDGING_SECONDS = 2.0
"""What is kept for it at least: a small case takes some tenths of a second."""


def outcomes_within(
    deadline: Deadline, case: Case, engines: Sequence[Engine], settings: Sequence[Setting]
) -> list[Outcome]:
    """Fit a case by every engine in every setting; some time is left for the examination."""
    until = deadline
    if not math.isinf(deadline.seconds):
        seconds = search_cost(case.design).seconds
        if seconds <= deadline.left:
            until = deadline.less(min(seconds + JUDGING_SECONDS, MOST * deadline.left))
    begun = [(e, begin_within(e, case, s, until)) for s in settings for e in engines]
    here = sum(fits_here(engine) for engine, _ in begun)
    outcomes = []
    for engine, wait in begun:
        here -= fits_here(engine)
        # One that never ends leaves time for those that fit in this process after it.
        outcomes.append(wait(until.half() if here and fits_here(engine) else until))
    return outcomes


def examined_within(
    deadline: Deadline,
    case: Case,
    fits: Sequence[Fit],
    own: Mapping[str, OwnModel],
    best: Optimum | None,
    search: Callable[[Case], OptimumSearch] = search_for,
) -> Examination:
    """Examine the fits of a case, unless that would take too long; it is stopped when it does."""
    if best is None and not math.isinf(deadline.seconds):
        cost = search_cost(case.design)
        if cost.seconds > deadline.seconds:
            limit = f"limit {number(deadline.seconds)} s"
            reason = f"the referee's search for the optimum would take about {cost} ({limit})"
            return Examination((), None, reason, left_out=True)
    try:
        with stopped_at(deadline):
            return examine(case, fits, own, best=best, search=search)
    except TimeUp:
        reason = (
            f"the referee was stopped, since the limit of {number(deadline.seconds)} s was reached"
        )
        return Examination((), None, reason, left_out=True)
