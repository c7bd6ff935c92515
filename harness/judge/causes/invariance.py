"""Predicates for answers that change with what should not matter: units, order of rows or groups.

Each looks at a fit beside the referee's on a case, and at that of the same engine on the same case
in other units or another order.
"""

from __future__ import annotations

from harness.judge.causes.view import View
from harness.judge.evidence import Evidence, found
from harness.judge.tolerances import load_tolerances

_SHORT = ("stopped short", "false boundary", "outside the parameter space")


def unit_dependent_stop(before: View, after: View) -> Evidence | None:
    """Hold when a fit is not at the optimum in one unit and elsewhere in the other."""
    return _stops("unit-dependent-stop", before, after)


def order_dependent_stop(before: View, after: View) -> Evidence | None:
    """Hold when a fit is not at the optimum in one order and elsewhere in the other."""
    return _stops("order-dependent-stop", before, after)


def _stops(cause: str, before: View, after: View) -> Evidence | None:
    if not before.judged() or not after.judged():
        return None
    (first,), (second,) = before.judged(), after.judged()
    if not any(audit.certificate in _SHORT for _, audit in (first, second)):
        return None
    gaps = (max(first[1].gap, 0.0), max(second[1].gap, 0.0))
    if not abs(gaps[0] - gaps[1]) > 2.0 * load_tolerances()["loglik"].default:
        return None
    return found(cause, first[0].engine, here=gaps[0], there=gaps[1])
