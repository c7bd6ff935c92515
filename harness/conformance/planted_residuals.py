"""Engines with mistakes in the residuals: weights, a covariance, or gaps of visits are ignored."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from harness.conformance.judged_pair import REFEREE
from harness.conformance.planted_mistake import PlantedEngine
from harness.conformance.residual_twins import with_plain_residuals
from harness.engines.engine import Fit
from harness.model.case import Case
from harness.model.table import NumericColumn, Table
from harness.referee.residual_matrix import neutral, stated


def _plain(case: Case, fit: Fit) -> Fit:
    """Return the fit of independent residuals with one variance, said to be that of the case."""
    plain = REFEREE.fit(with_plain_residuals(case), fit.setting)
    if not isinstance(plain, Fit):
        return fit
    residual = case.design.residual
    none = () if residual is None else stated(residual, neutral(residual)).tolist()
    return msgspec.structs.replace(
        plain,
        data_checksum=fit.data_checksum,
        residual=tuple(zip(residual.names if residual else (), none, strict=True)),
    )


def ignores_weights() -> PlantedEngine:
    """Return an engine that fits a model with weights as if it had none."""

    def change(case: Case, fit: Fit) -> Fit:
        return fit if case.model.formula.weights is None else _plain(case, fit)

    return PlantedEngine("ignores-weights", change)


def ignores_residual() -> PlantedEngine:
    """Return an engine that fits a residual covariance as if residuals were independent."""

    def change(case: Case, fit: Fit) -> Fit:
        return fit if case.model.residual is None else _plain(case, fit)

    return PlantedEngine("ignores-residual", change)


def closes_gaps() -> PlantedEngine:
    """Return an engine that counts the visits of each group, as ``factor()`` in nlme's form does.

    Two visits that follow each other are one apart then, whatever lies between them.
    """

    def change(case: Case, fit: Fit) -> Fit:
        residual, rows = case.design.residual, case.design.rows
        if case.model.residual is None or residual is None or case.model.residual.position is None:
            return fit
        name = case.model.residual.position.name
        columns = {c.name: c for c in case.table.columns}
        column = columns[name]
        if not isinstance(column, NumericColumn):
            return fit
        counted = column.values.copy()
        for group in np.unique(residual.group):
            mine = rows[residual.group == group]
            counted[mine] = np.unique(column.values[mine], return_inverse=True)[1]
        columns[name] = NumericColumn(name, counted)
        closed = REFEREE.fit(replace(case, table=Table(tuple(columns.values()))), fit.setting)
        if not isinstance(closed, Fit):
            return fit
        return msgspec.structs.replace(closed, data_checksum=fit.data_checksum)

    return PlantedEngine("closes-gaps", change)
