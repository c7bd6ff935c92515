"""Predicates for answers that change with what should not matter: units, order of rows or groups.

Each looks at a fit beside the referee's on a case, and at that of the same engine on the same case
in other units or another order.
"""

from __future__ import annotations

from harness.engines.engine import Fit
from harness.judge.audit import Audit
from harness.judge.causes.view import Seen
from harness.judge.tolerances import load_tolerances

_SHORT = ("stopped short", "false boundary", "outside the parameter space")


def unit_dependent_stop(before: Seen, after: Seen) -> str | None:
    """Hold when a fit is not at the optimum in one unit and elsewhere in the other."""
    return _stops(before, after, "in the units given", "in the others")


def order_dependent_stop(before: Seen, after: Seen) -> str | None:
    """Hold when a fit is not at the optimum in one order and elsewhere in the other."""
    return _stops(before, after, "in the order given", "in the other")


def _stops(before: Seen, after: Seen, here: str, there: str) -> str | None:
    first, second = _left(before), _left(after)
    if first is None or second is None:
        return None
    if not any(audit.certificate in _SHORT for _, audit in (first, second)):
        return None
    gaps = (max(first[1].gap, 0.0), max(second[1].gap, 0.0))
    if not abs(gaps[0] - gaps[1]) > 2.0 * load_tolerances()["loglik"].default:
        return None
    return (
        f"{first[0].engine}: deviance {gaps[0]:.2g} above the best point {here}, {gaps[1]:.2g} "
        f"{there}"
    )


def _left(seen: Seen) -> tuple[Fit, Audit] | None:
    if isinstance(seen.left, Fit) and seen.left_audit is not None:
        return seen.left, seen.left_audit
    return None
