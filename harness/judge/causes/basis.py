"""Predicates for fixed effects in another basis of the case's column space."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.judge.causes.view import View
from harness.judge.evidence import Evidence, found, with_more
from harness.judge.tolerances import load_tolerances
from harness.model.case import Case
from harness.model.column_match import match_columns
from harness.model.design import build_design
from harness.model.formula import names_in
from harness.model.model import column_of
from harness.model.table import FactorColumn, Table
from harness.referee.conditional_modes import conditional_modes

Array = NDArray[np.float64]
Move = tuple[tuple[FactorColumn, int], ...]
"""Factors, each with the level that comes first."""

CODINGS = ("other-reference-level", "reml-coding", "other-contrasts")
"""Causes that name another basis of the same space."""

_FEW = 64
"""Choices of first levels up to which all are tried; beyond, one factor at a time."""

_BASIS = 1e-9
"""Part of a column's size that rounding leaves of it outside the space of the others."""


def coding(view: View) -> Evidence | None:
    """Hold when a fit has its own basis of the case's fixed effects, and say which.

    Another first level of a factor, or contrasts that move the REML log-likelihood by a constant,
    or others. A fit's own columns tell where they are known, else its fitted values: these do not
    depend on the basis, and are compared with the referee's at the fit's own variances.
    """
    if not view.judged():
        return None
    fit, _ = view.judged()[0]
    columns = tuple(c.name for c in fit.coefficients)
    if view.own is not None:
        constant = _constant(view.case.design.x, view.own.x)
        own = view.own.x
        moved = _first_levels(view.case, lambda x: match_columns(x, own).complete)
        apart: dict[str, float] = {}
    else:
        off = _fitted_apart(view)
        if off is None or not off <= load_tolerances()["fitted"].default:
            return None
        apart = {"apart": off}
        moved = _by_estimates(view)
        constant = view.judged()[0][1].loglik_error
    if constant is None:
        return None
    if moved is not None:
        return _other_level(view.engine, moved)
    reml = view.case.model.criterion == "REML"
    if reml and abs(constant) > load_tolerances()["loglik"].default:
        one = found("reml-coding", fit.engine, columns=columns, constant=constant)
    else:
        one = found("other-contrasts", fit.engine, columns=columns)
    return with_more(one, **apart)


def _constant(x: Array, own: Array) -> float | None:
    """Return by how much the REML log-likelihood is higher in other columns of the same space.

    With own = x T it is -log |det T|, as log |X' V^-1 X| is higher by twice that; None where the
    space is another.
    """
    if own.shape != x.shape:
        return None
    transform = np.linalg.lstsq(x, own, rcond=None)[0]
    left = np.abs(own - x @ transform).max(axis=0)
    sign, size = np.linalg.slogdet(transform)
    inside = bool((left <= _BASIS * np.abs(own).max(axis=0)).all())
    return -float(size) if inside and sign else None


def _fitted_apart(view: View) -> float | None:
    """Return how far fitted values are from those of the fit's own variances, in residual SD."""
    fit, audit = view.judged()[0]
    design = view.case.design
    if len(fit.fitted) != len(design.y) or len(audit.theta) != len(view.likelihood.layout):
        return None
    if len(fit.coefficients) != design.x.shape[1]:
        return None
    point = view.likelihood.at(list(audit.theta))
    right = design.x @ point.beta
    for term, modes in zip(design.random, conditional_modes(point), strict=True):
        right = right + (term.z * modes[term.codes]).sum(axis=1)
    return float(np.abs(np.array(fit.fitted) - right).max()) / math.sqrt(fit.residual_variance)


def other_reference_level(view: View) -> Evidence | None:
    """Hold when fixed effects are those of the design with another reference level of a factor."""
    for _, audit in view.judged():
        if view.own is None and audit.gls_distance > 1e-3:
            moved = _by_estimates(view)
            return None if moved is None else _other_level(view.engine, moved)
    return None


def _other_level(engine: str, moved: Move) -> Evidence:
    return found(
        "other-reference-level",
        engine,
        item=moved[0][0].name,
        factors=tuple(column.name for column, _ in moved),
        levels=tuple(column.levels[level] for column, level in moved),
    )


def _by_estimates(view: View) -> Move | None:
    """Find first levels under which the GLS estimates at a fit's variances are the fit's own."""
    case, (fit, audit) = view.case, view.judged()[0]
    if not audit.theta or len(fit.coefficients) != case.design.x.shape[1]:
        return None
    beta = view.likelihood.at(list(audit.theta)).beta
    own = np.array([c.estimate for c in fit.coefficients])
    se = np.array([c.se for c in audit.coefficients], dtype=np.float64)
    off = np.abs(own - beta) / se

    def same(x: Array) -> bool:
        coded = np.linalg.lstsq(x, case.design.x @ beta, rcond=None)[0]
        return bool(np.abs((own - coded) / se).max() <= 1e-3)

    def possible(moved: Move) -> bool:
        apart = set.intersection(*(set(_apart_from(factor, case)) for factor, _ in moved))
        return float(off[sorted(apart)].max(initial=0.0)) <= 1e-3

    return _first_levels(case, same, possible)


def _first_levels(
    case: Case,
    same: Callable[[Array], bool],
    possible: Callable[[Move], bool] = lambda _: True,
) -> Move | None:
    """Find other first levels of the factors among the fixed effects that a fit may have.

    ``same`` is asked of the columns that they give, where ``possible`` does not rule them out.
    """
    for moved in _moves(case):
        if possible(moved):
            x = _with_first(case, moved)
            if x is not None and x.shape == case.design.x.shape and same(x):
                return moved
    return None


def _moves(case: Case) -> Iterator[Move]:
    """Choose first levels, of fewest factors first."""
    names = {column_of(case.table, node).name for node in names_in(case.model.formula.fixed)}
    factors = [c for c in case.table.columns if isinstance(c, FactorColumn) and c.name in names]
    if math.prod(len(c.levels) for c in factors) > _FEW:
        for column in factors:
            yield from (((column, level),) for level in range(1, len(column.levels)))
        return
    choices = product(*(range(len(column.levels)) for column in factors))
    for chosen in sorted(choices, key=lambda levels: sum(map(bool, levels))):
        if any(chosen):
            yield tuple((c, k) for c, k in zip(factors, chosen, strict=True) if k)


def _apart_from(factor: FactorColumn, case: Case) -> list[int]:
    """Columns of X whose fixed effects are the same whatever the factor's first level is.

    Not those of the factor, and not those (the intercept, x beside x:f) that another first level
    makes into sums with them. None where a name cannot be taken apart.
    """
    texts = list(case.table.names)
    for column in case.table.columns:
        texts += column.levels if isinstance(column, FactorColumn) else ()
    if any(mark in text for text in texts for mark in ":["):
        return []
    names = case.design.x_names
    pieces = [[] if name == "Intercept" else name.split(":") for name in names]
    free = [[p for p in piece if p.partition("[")[0] != factor.name] for piece in pieces]
    moved = [one for one, whole in zip(free, pieces, strict=True) if one != whole]
    return [j for j, piece in enumerate(pieces) if free[j] == piece and piece not in moved]


def _with_first(case: Case, moved: Move) -> Array | None:
    """X with other levels of factors put first."""
    changed = {column.name: _reordered(column, level) for column, level in moved}
    table = Table(tuple(changed.get(c.name, c) for c in case.table.columns))
    try:
        return build_design(case.model, table).x
    except BadInput:
        return None


def _reordered(column: FactorColumn, level: int) -> FactorColumn:
    order = [level, *(k for k in range(len(column.levels)) if k != level)]
    place = np.argsort(order).astype(np.int32)
    codes = np.where(column.missing, column.codes, place[column.codes]).astype(np.int32)
    return FactorColumn(column.name, codes, tuple(column.levels[k] for k in order))
