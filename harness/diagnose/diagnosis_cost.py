"""What a diagnosis will cost, estimated before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass

from harness.base.errors import BadInput
from harness.base.text import number
from harness.diagnose.diagnosis import Check
from harness.engines.mixedlm_cost import mixedlm_cost
from harness.model.case import Case
from harness.referee.cost import Cost, cost

EVALUATIONS = 60
"""Evaluations with derivatives that a diagnosis of a large case makes: a search from two to four
starts, the certificate of each fit, reduced models."""

LIMIT = Cost(seconds=900.0, bytes=2.5e9)
"""For all evaluations, and at one time: the data, R and the engines take their memory besides."""

LARGE_ROWS = 20_000
"""Above this an engine is run in its default setting only."""

BUDGET = 240.0
"""Seconds that the table of all optimizers of one engine may take."""


@dataclass(frozen=True)
class Size:
    """How large a case is and what follows from it.

    ``budget`` is in seconds; ``checks`` says so to the user.
    """

    large: bool
    budget: float
    checks: tuple[Check, ...]


def refuse_or_size(case: Case) -> Size:
    """Estimate the cost of the referee's evaluations.

    Raises
    ------
    BadInput
        When it is beyond what minutes and 4 GB allow, with the estimate.
    """
    design = case.design
    n = len(design.y)
    if not design.random:
        return Size(n > LARGE_ROWS, BUDGET, ())
    one = cost(design)
    whole = Cost(one.seconds * EVALUATIONS, one.bytes)
    levels = ", ".join(f"{len(t.levels):,} {t.group}" for t in design.random)
    if whole.seconds > LIMIT.seconds or whole.bytes > LIMIT.bytes:
        raise BadInput(
            f"too large to diagnose: {n:,} rows and {levels} would take about {whole} for the "
            f"referee alone (limit {LIMIT}); diagnose a sample of the groups instead"
        )
    if n <= LARGE_ROWS:
        return Size(False, BUDGET, ())
    python = mixedlm_cost(case).seconds
    sentence = (
        f"{n:,} rows, {levels}: the referee's evaluations are estimated at {whole}, statsmodels' "
        f"fit at {number(python)} s. Engines are run in their default setting only."
    )
    check = Check(
        key="cost",
        level="note",
        sentence=sentence,
        numbers=(
            ("seconds", whole.seconds),
            ("bytes", whole.bytes),
            ("statsmodels seconds", python),
        ),
    )
    return Size(True, BUDGET, (check,))
