"""Engines that take all residuals for alike: one ignores weights, one a residual covariance."""

from __future__ import annotations

import msgspec

from harness.conformance.judged_pair import REFEREE
from harness.conformance.planted_mistake import PlantedEngine
from harness.conformance.residual_twins import with_plain_residuals
from harness.engines.engine import Fit
from harness.model.case import Case
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
