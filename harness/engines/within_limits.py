"""A fit held to limits: what could not be done is left out, what takes too long is stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial

from harness.base.deadline import Deadline, TimeUp, stopped_at
from harness.base.text import number
from harness.engines.engine import Engine, Failure, Outcome, Setting
from harness.engines.engine_wrapper import bare
from harness.engines.guard import guarded
from harness.model.case import Case
from harness.referee.cost import Cost

MEMORY_BYTES = 4e9
"""What a fit may take where no limit is given: as much as R may."""

READING_SECONDS = 0.5
"""For reading what an engine that fits elsewhere has answered already."""


def left_out(engine: Engine, case: Case, setting: Setting, limit: Cost) -> Failure | None:
    """Return why a fit is not begun, where the engine's own estimate is beyond the limit."""
    estimate: Callable[[Case], Cost] | None = getattr(engine, "cost", None)
    if estimate is None:
        return None
    cost = estimate(case)
    if cost.seconds <= limit.seconds and cost.bytes <= limit.bytes:
        return None
    return Failure(
        engine=engine.name,
        setting=setting,
        reason="left-out",
        text=f"it would take {cost} at least (limit {limit})",
    )


def begin_within(
    engine: Engine, case: Case, setting: Setting, deadline: Deadline
) -> Callable[[Deadline], Outcome]:
    """Begin a fit unless it is left out; what is returned waits for it until a deadline.

    An engine that fits in this process begins when it is waited for, and is stopped then, see
    :func:`harness.base.deadline.stopped_at`; what another process goes on with is left alone.
    """
    failure = None
    if math.isfinite(deadline.seconds):
        failure = left_out(engine, case, setting, Cost(deadline.seconds, MEMORY_BYTES))
    if failure is not None:
        found = failure
        return lambda _: found
    wait = guarded(engine, case, setting)
    return partial(_waited, engine, setting, wait)


def fits_here(engine: Engine) -> bool:
    """Whether an engine fits in this process, when it is waited for."""
    return not getattr(bare(engine), "elsewhere", False)


def _waited(
    engine: Engine, setting: Setting, wait: Callable[[], Outcome], until: Deadline
) -> Outcome:
    limit = f"{number(until.seconds)} s"
    if not fits_here(engine) and until.left < READING_SECONDS:
        until = Deadline(READING_SECONDS)
    if not until.left:
        return _timeout(engine, setting, f"not begun: the limit of {limit} was reached", 0.0)
    began = time.monotonic()
    try:
        with stopped_at(until):
            found = wait()
    except TimeUp:
        found = None
    taken = time.monotonic() - began
    # What an engine makes of being stopped is no answer.
    if found is None or (isinstance(found, Failure) and not until.left):
        return _timeout(engine, setting, f"stopped after {taken:.0f} s (limit {limit})", taken)
    return found


def _timeout(engine: Engine, setting: Setting, text: str, seconds: float) -> Failure:
    return Failure(
        engine=engine.name, setting=setting, reason="timeout", text=text, seconds=seconds
    )
