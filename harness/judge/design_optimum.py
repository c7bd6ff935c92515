"""The best point of a design that a user has given: what has none is said in one line."""

from __future__ import annotations

from harness.base.errors import BadInput
from harness.model.design import Design
from harness.model.model import Criterion
from harness.referee.best_point import find_optimum
from harness.referee.crossproducts import aliased_columns
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import likelihood_of


def best_of(design: Design, criterion: Criterion) -> Optimum:
    """Find the best point of a design.

    Raises
    ------
    BadInput
        Where columns of the fixed effects depend on others, the likelihood has no maximum, or the
        design is too large.
    """
    require_independent(design)
    try:
        return find_optimum(likelihood_of(design, reml=criterion == "REML"))
    except ValueError as error:
        raise BadInput(str(error)) from error


def require_independent(design: Design) -> None:
    """Check that no column of the fixed effects depends on others.

    Raises
    ------
    BadInput
        When one does.
    """
    aliased = aliased_columns(design.x)
    if len(aliased):
        names = ", ".join(design.x_names[j] for j in aliased)
        raise BadInput(f"these columns depend on those before them: {names}; leave them out")
