"""Models whose residuals have weights or a covariance, said in two ways.

Each function returns a :class:`Pairing`: two cases that are one model, made of a case that has
weights or a residual covariance; or the reason as text where the case has none. They ask nothing of
cases whose residuals are independent with one variance, and nothing of engines that have no others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from harness.base.errors import BadInput
from harness.conformance.judged_pair import REFEREE
from harness.conformance.model_twins import new_name, own_residuals, written
from harness.conformance.once_per_case import once_per_case
from harness.conformance.transformations import Twin
from harness.engines.engine import Fit
from harness.model.case import Case
from harness.model.formula import Bar, Formula, Name, Number
from harness.model.model import column_of
from harness.model.residual import Residual
from harness.model.table import Column, FactorColumn, NumericColumn, Table

_WEIGHT = 4.0
"""Its root rounds nothing."""

_LEAST = 0.02
"""A correlation below this may come out negative, which a random intercept cannot say."""


@dataclass(frozen=True)
class Pairing:
    """A case, which need not be the one that was asked about, and its twin."""

    case: Case
    twin: Twin


def _random_alone(case: Case) -> Case | str:
    """Return the case with its random effects and independent residuals, or why there is none."""
    if not own_residuals(case):
        return "its residuals are independent with one variance"
    plain = with_plain_residuals(case)
    if not plain.model.random:
        return "it has no random effects beside its residual covariance"
    return plain


@once_per_case
def equal_weights(case: Case) -> Pairing | str:
    """Give every row the weight 4: the residual variance is four times as large, no more."""
    plain = _random_alone(case)
    if isinstance(plain, str):
        return plain
    name = new_name(plain.table, "weight")
    formula = replace(plain.model.formula, weights=Name(name))
    twin = _with(plain, formula, NumericColumn(name, np.full(plain.table.n_rows, _WEIGHT)))

    def back(fit: Fit) -> Fit:
        return msgspec.structs.replace(fit, residual_variance=fit.residual_variance / _WEIGHT)

    return Pairing(plain, Twin(twin, back, "a weight of 4 in every row"))


@once_per_case
def offset_in_outcome(case: Case) -> Pairing | str:
    """Add a known part to the outcome and say so by ``offset()``."""
    if not own_residuals(case):
        return "its residuals are independent with one variance"
    formula = case.model.formula
    if not isinstance(formula.outcome, Name) or formula.offsets:
        return "the outcome is a function of columns, or has an offset already"
    outcome = column_of(case.table, formula.outcome)
    assert isinstance(outcome, NumericColumn)
    spread = float(np.std(case.design.y))
    step = 2.0 ** round(math.log2(spread)) if spread > 0.0 else 1.0
    known = np.asarray(step * (np.arange(case.table.n_rows) % 5 - 2.0), dtype=np.float64)
    name = new_name(case.table, "known")
    table = Table(
        tuple(
            NumericColumn(c.name, outcome.values + known) if c.name == outcome.name else c
            for c in case.table.columns
        )
    )
    twin = _with(
        replace(case, table=table),
        replace(formula, offsets=(Name(name),)),
        NumericColumn(name, known),
    )
    return Pairing(case, Twin(twin, _same, "a known part added to the outcome and as an offset"))


@once_per_case
def symmetry_as_intercept(case: Case) -> Pairing | str:
    """Write compound symmetry as a random intercept, where the correlation is positive."""
    residual = case.model.residual
    if residual is None or residual.structure != "cs" or residual.strata or case.model.random:
        return "its residuals are not of compound symmetry alone"
    best = REFEREE.fit(case, "default")
    if not isinstance(best, Fit):
        return f"the referee does not evaluate it: {best.text}"
    if best.residual[0][1] < _LEAST:
        return "the correlation is not positive, which a random intercept cannot say"
    names = [Name(g, as_factor=True) for g in residual.group]
    if len(names) > 1:
        return "the groups are an interaction"
    formula = replace(case.model.formula, bars=(Bar(Number("1"), names[0], double=False),))
    model = written(replace(case.model, formula=formula, residual=None))
    twin = replace(case, model=model)
    # Fitted values hold the group's effect in one and not in the other; and a standard error by ML
    # may have a divisor in one function of a program that it has not in another.
    loose = case.model.criterion == "ML"

    def row(fit: Fit) -> Fit:
        rows = tuple(
            msgspec.structs.replace(c, se=None if loose else c.se, df=None, statistic=None, p=None)
            for c in fit.coefficients
        )
        return msgspec.structs.replace(fit, coefficients=rows, fitted=(), residuals=())

    def back(fit: Fit) -> Fit:
        if len(fit.random) != 1 or len(fit.random[0].covariance) != 1:
            return fit
        between = fit.random[0].covariance[0][0]
        total = between + fit.residual_variance
        return row(
            msgspec.structs.replace(
                fit, random=(), residual_variance=total, residual=(("rho", between / total),)
            )
        )

    return Pairing(case, Twin(twin, back, "a random intercept for the compound symmetry"))


@once_per_case
def two_visits(case: Case) -> Pairing | str:
    """Keep two visits of each group that follow each other: AR(1) is then compound symmetry."""
    residual = case.model.residual
    if residual is None or residual.structure != "ar1" or residual.strata or case.model.random:
        return "its residuals are not autoregressive alone"
    own = case.design.residual
    assert own is not None
    kept: list[int] = []
    for group in np.unique(own.group):
        rows = np.flatnonzero(own.group == group)
        rows = rows[np.argsort(own.position[rows], kind="stable")]
        next_to = np.flatnonzero(np.diff(own.position[rows]) == 1.0)
        if len(next_to):
            kept += rows[next_to[0] : next_to[0] + 2].tolist()
    if len(kept) < 8:
        return "fewer than four groups have two visits that follow each other"
    table = case.table.rows(np.isin(np.arange(case.table.n_rows), case.design.rows[kept]))
    short = replace(case, table=table)
    symmetric = Residual("cs", None, residual.group, ())
    twin = replace(short, model=replace(short.model, residual=symmetric))
    if (
        short.design.x.shape[1] + 2 >= len(kept)
        or np.linalg.matrix_rank(short.design.x) < (short.design.x.shape[1])
    ):
        return "too few rows are left"
    return Pairing(short, Twin(twin, _same, "compound symmetry for the AR(1) of two visits"))


@once_per_case
def one_stratum(case: Case) -> Pairing | str:
    """Give all rows one stratum: variances by stratum are then one variance."""
    plain = _random_alone(case)
    if isinstance(plain, str):
        return plain
    name = new_name(plain.table, "stratum")
    codes = np.zeros(plain.table.n_rows, dtype=np.int32)
    one = FactorColumn(name, codes, ("one",))
    table = Table((*plain.table.columns, one))
    model = replace(plain.model, residual=Residual("", None, (), ((name,),)))
    twin = replace(plain, model=model, table=table)
    try:
        if twin.design.residual is None or twin.design.residual.names:
            return "one stratum has parameters"
    except BadInput as error:
        return str(error)
    return Pairing(plain, Twin(twin, _same, "variances by a factor of one level"))


def with_plain_residuals(case: Case) -> Case:
    """Return the case with independent residuals of one variance."""
    formula = replace(case.model.formula, weights=None)
    model = written(replace(case.model, formula=formula, residual=None))
    if not model.random:
        return replace(case, model=model)
    used = {name.name for name in model.names()}
    used |= {f"factor({name})" for name in used}
    return replace(
        case, model=model, table=Table(tuple(c for c in case.table.columns if c.name in used))
    )


def _with(case: Case, formula: Formula, column: Column) -> Case:
    model = written(replace(case.model, formula=formula))
    return replace(case, model=model, table=Table((*case.table.columns, column)))


def _same(fit: Fit) -> Fit:
    return fit
