"""What a property asked an engine: the case, the one it is compared with, and the best of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.conformance import model_twins, transformations
from harness.conformance.judged_pair import REFEREE
from harness.conformance.transformations import Twin
from harness.engines.engine import Engine, Fit, Outcome
from harness.engines.guard import guarded
from harness.model.case import Case


@dataclass(frozen=True)
class Asked:
    """A case that an engine was asked for.

    Attributes
    ----------
    changed : str
        What was changed in the case that the property began with, ``"with the rows in another
        order"``; empty for that case itself.
    outcome : Fit or Failure or None
        The engine's answer; None where it is not asked again.
    best : Fit or None
        The referee's fit.
    """

    case: Case
    changed: str
    outcome: Outcome | None
    best: Fit | None


_TWINS: dict[str, Callable[[Case], Twin | str]] = {
    "metamorphic.y-affine": transformations.outcome_rescaled,
    "metamorphic.x-affine": transformations.predictor_rescaled,
    "metamorphic.recentred-slope": transformations.slope_recentred,
    "metamorphic.row-order": transformations.rows_shuffled,
    "metamorphic.relabel-groups": transformations.groups_relabelled,
    "metamorphic.group-order": transformations.groups_reordered,
    "metamorphic.null-factor": model_twins.null_factor_added,
    "metamorphic.nested-spelling": model_twins.nesting_in_full,
    "metamorphic.nested-labels": model_twins.nesting_by_labels,
}


def asked_cases(name: str, case: Case, engine: Engine | None) -> tuple[Asked, ...]:
    """Return the case of a property and the other one that it asks for, as far as there are.

    Parameters
    ----------
    name : str
        Of the property; empty for a plain fit.
    engine : Engine, optional
        Is asked again.
    """
    changed, alone = _changed(name, case)
    cases = [] if alone and changed is not None else [(case, "")]
    return tuple(
        _asked(one, words, engine) for one, words in [*cases, *([changed] if changed else [])]
    )


def _changed(name: str, case: Case) -> tuple[tuple[Case, str] | None, bool]:
    """Return the other case with what was changed, and whether it is asked for alone."""
    if name in _TWINS:
        twin = _TWINS[name](case)
        return (None if isinstance(twin, str) else (twin.case, f"with {twin.words}")), False
    if name == "metamorphic.reml-ml-order":
        other = model_twins.by_other_criterion(case)
        return (other, f"by {other.model.criterion}"), False
    if name.startswith("limits.zero-variance"):
        flat = model_twins.without_variance(case)
        words = "with an outcome that has no variance but the residual's"
        return (None if isinstance(flat, str) else (flat.case, words)), True
    if name == "refusal.duplicated-constant":
        doubled = model_twins.with_constant_twice(case)
        words = "with a second constant column"
        return (None if isinstance(doubled, str) else (doubled, words)), True
    return None, False


def _asked(case: Case, changed: str, engine: Engine | None) -> Asked:
    outcome = None if engine is None else guarded(engine, case, "default")()
    best = REFEREE.fit(case, "default")
    return Asked(case, changed, outcome, best if isinstance(best, Fit) else None)
