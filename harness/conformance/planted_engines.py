"""Engines with one mistake each, to see that the suite finds it and names it.

Each is the referee's engine with one thing in its answer altered, everything else being right. Run
the suite on one as on any other: ``lmm-parity conformance --engine
harness.conformance.planted_engines:swapped_variances``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.conformance.judged_pair import REFEREE
from harness.conformance.planted_mistake import (
    AliasingEngine,
    DriftingEngine,
    Mistake,
    PlantedEngine,
)
from harness.conformance.planted_residuals import (
    closes_gaps,
    ignores_residual,
    ignores_weights,
)
from harness.engines.engine import Coefficient, Failure, Fit, RandomTerm
from harness.engines.referee_engine import fit_at
from harness.model.case import Case
from harness.model.design import build_design
from harness.model.formula import names_in
from harness.model.model import column_of
from harness.model.table import FactorColumn, Table
from harness.referee.deviance import Likelihood
from harness.referee.joint_hessian import joint_inverse
from harness.referee.optimality import optimality
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.satterthwaite import two_sided_p

Array = NDArray[np.float64]


def _likelihood(case: Case) -> Likelihood:
    return likelihood_of(case.design, reml=case.model.criterion != "ML")


def _at(case: Case, fit: Fit, covariances: list[Array]) -> Fit:
    """Everything at other variance ratios (Psi / s2), consistently, sigma profiled."""
    likelihood = _likelihood(case)
    point = likelihood.at(likelihood.theta(covariances))
    found = Optimum(point, point.deviance(), optimality(point), 1)
    return fit_at(case, fit.setting, found, fit.seconds)


def _relative(fit: Fit) -> list[Array]:
    return [np.array(term.covariance) / fit.residual_variance for term in fit.random]


def _coefficients(fit: Fit, change: Callable[[int, Coefficient], Coefficient]) -> Fit:
    rows = tuple(change(j, row) for j, row in enumerate(fit.coefficients))
    return msgspec.structs.replace(fit, coefficients=rows)


def _terms(fit: Fit, change: Callable[[RandomTerm], RandomTerm]) -> Fit:
    return msgspec.structs.replace(fit, random=tuple(change(term) for term in fit.random))


def _rows(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))


def _as_covariance(term: RandomTerm, covariance: Array) -> RandomTerm:
    return msgspec.structs.replace(term, covariance=_rows(covariance), factor=None)


def wrong_reml_constant() -> PlantedEngine:
    """Return an engine whose REML lacks p/2 log 2 pi."""

    def change(case: Case, fit: Fit) -> Fit:
        if case.model.criterion != "REML" or fit.loglik is None:
            return fit
        constant = 0.5 * len(fit.coefficients) * math.log(2.0 * math.pi)
        return msgspec.structs.replace(fit, loglik=fit.loglik - constant)

    return PlantedEngine("wrong-reml-constant", change)


def n_for_n_minus_p() -> PlantedEngine:
    """Return an engine whose REML variances are divided by n."""

    def change(case: Case, fit: Fit) -> Fit:
        if case.model.criterion != "REML":
            return fit
        n, p = case.design.x.shape
        share = (n - p) / n
        smaller = _terms(fit, lambda t: _as_covariance(t, share * np.array(t.covariance)))
        smaller = _coefficients(
            smaller,
            lambda _, c: msgspec.structs.replace(
                c, se=None if c.se is None else math.sqrt(share) * c.se
            ),
        )
        return msgspec.structs.replace(smaller, residual_variance=share * fit.residual_variance)

    return PlantedEngine("n-for-n-minus-p", change)


def errors_from_joint_hessian() -> PlantedEngine:
    """Return an engine with standard errors from the joint Hessian."""

    def change(case: Case, fit: Fit) -> Fit:
        likelihood = _likelihood(case)
        point = likelihood.at(likelihood.theta(_relative(fit)))
        errors = joint_inverse(point, math.sqrt(fit.residual_variance)).errors
        return _coefficients(
            fit,
            lambda j, c: msgspec.structs.replace(c, se=errors[j], statistic=None, p=None),
        )

    return PlantedEngine("errors-from-joint-hessian", change)


def z_for_t() -> PlantedEngine:
    """Return an engine with p values by the normal distribution."""

    def row(_: int, c: Coefficient) -> Coefficient:
        p = None if c.statistic is None else two_sided_p(c.statistic, math.inf)
        return msgspec.structs.replace(c, df=math.inf, p=p)

    return PlantedEngine("z-for-t", lambda _, fit: _coefficients(fit, row))


def residual_df() -> PlantedEngine:
    """Return an engine with t tests of n - p degrees of freedom."""

    def change(case: Case, fit: Fit) -> Fit:
        n, p = case.design.x.shape

        def row(_: int, c: Coefficient) -> Coefficient:
            value = None if c.statistic is None else two_sided_p(c.statistic, n - p)
            return msgspec.structs.replace(c, df=float(n - p), p=value)

        return _coefficients(fit, row)

    return PlantedEngine("residual-df", change)


def swapped_variances() -> PlantedEngine:
    """Return an engine that exchanges variances: of two effects, or of one and the residuals."""

    def change(case: Case, fit: Fit) -> Fit:  # noqa: ARG001
        (first, *others) = fit.random
        psi = np.array(first.covariance)
        if len(psi) > 1:
            swapped = _as_covariance(first, psi[::-1, ::-1])
            return msgspec.structs.replace(fit, random=(swapped, *others))
        if others:
            second = others[0]
            if len(second.names) > 1:
                return fit
            a, b = _as_covariance(first, np.array(second.covariance)), _as_covariance(second, psi)
            return msgspec.structs.replace(fit, random=(a, b, *others[1:]))
        if psi[0, 0] == 0.0:
            return fit
        residual = np.full((1, 1), fit.residual_variance)
        return msgspec.structs.replace(
            fit,
            random=(_as_covariance(first, residual),),
            residual_variance=float(psi[0, 0]),
        )

    return PlantedEngine("swapped-variances", change)


def covariance_sign() -> PlantedEngine:
    """Return an engine whose covariances of the first random effect have the opposite sign."""

    def term(t: RandomTerm) -> RandomTerm:
        signs = np.where(np.arange(len(t.names)) == 0, -1.0, 1.0)
        return _as_covariance(t, np.array(t.covariance) * np.outer(signs, signs))

    return PlantedEngine("covariance-sign", lambda _, fit: _terms(fit, term))


def false_convergence() -> PlantedEngine:
    """Return an engine that stops half-way and says that it converged."""

    def change(case: Case, fit: Fit) -> Fit:
        half = [0.5 * psi + 0.5 * np.eye(len(psi)) for psi in _relative(fit)]
        stopped = _at(case, fit, half)
        return msgspec.structs.replace(stopped, converged=True, singular=False)

    return PlantedEngine("false-convergence", change)


def clipped_at_boundary() -> PlantedEngine:
    """Return an engine that keeps variances at a hundredth of the residual variance or more."""

    def change(case: Case, fit: Fit) -> Fit:
        clipped, moved = [], False
        for psi, term in zip(_relative(fit), case.design.random, strict=True):
            # In effects of unit root mean square, so that units do not matter.
            width = np.sqrt((term.z**2).mean(axis=0))
            values, vectors = np.linalg.eigh(psi * np.outer(width, width))
            moved = moved or bool(values[0] < 0.01)
            lifted = (vectors * np.maximum(values, 0.01)) @ vectors.T
            clipped.append(lifted / np.outer(width, width))
        if not moved:
            return fit
        return msgspec.structs.replace(_at(case, fit, clipped), converged=True)

    return PlantedEngine("clipped-at-boundary", change)


def unit_dependent_stop() -> PlantedEngine:
    """Return an engine that stops at a change of standard deviations below an absolute 0.0001."""

    def change(case: Case, fit: Fit) -> Fit:
        left = min(1.0, 1e-4 / math.sqrt(fit.residual_variance))
        return _on_the_way(case, fit, left)

    return PlantedEngine("unit-dependent-stop", change)


def order_dependence() -> PlantedEngine:
    """Return an engine that stops early when the first group has a small mean."""

    def change(case: Case, fit: Fit) -> Fit:
        design = case.design
        first = design.y[design.random[0].codes == 0].mean()
        return _on_the_way(case, fit, 0.2 if first < design.y.mean() else 0.0)

    return PlantedEngine("order-dependence", change)


def _on_the_way(case: Case, fit: Fit, left: float) -> Fit:
    """Everything at a point on the way from the unit covariance to the best one."""
    if left == 0.0:
        return fit
    ratios = []
    for psi, term in zip(_relative(fit), case.design.random, strict=True):
        width = np.sqrt((term.z**2).mean(axis=0))
        start = np.diag(1.0 / np.where(width > 0.0, width, 1.0) ** 2)
        ratios.append((1.0 - left) * psi + left * start)
    return msgspec.structs.replace(_at(case, fit, ratios), converged=True)


def dropped_rows() -> PlantedEngine:
    """Return an engine that leaves the last complete row out."""
    return PlantedEngine("dropped-rows", _without_last_row)


def _without_last_row(case: Case, fit: Fit) -> Fit:
    keep = np.ones(case.table.n_rows, dtype=np.bool_)
    keep[case.design.rows[-1]] = False
    table = case.table.rows(keep)
    fewer = REFEREE.fit(replace(case, table=table), fit.setting)
    if isinstance(fewer, Failure) or len(fewer.coefficients) != len(fit.coefficients):
        return fit
    return msgspec.structs.replace(fewer, data_checksum=fit.data_checksum)


def other_reference() -> PlantedEngine:
    """Return an engine that takes the last level of every factor as its reference."""

    def change(case: Case, fit: Fit) -> Fit:
        predictors = {column_of(case.table, n).name for n in names_in(case.model.formula.fixed)}
        table = Table(
            tuple(
                FactorColumn(
                    c.name,
                    np.where(c.missing, c.codes, len(c.levels) - 1 - c.codes).astype(np.int32),
                    c.levels[::-1],
                )
                if isinstance(c, FactorColumn) and c.name in predictors
                else c
                for c in case.table.columns
            )
        )
        x = build_design(case.model, table).x
        if x.shape != case.design.x.shape or np.array_equal(x, case.design.x):
            return fit
        beta = np.array([c.estimate for c in fit.coefficients])
        coded = np.linalg.lstsq(x, case.design.x @ beta, rcond=None)[0]
        return _coefficients(fit, lambda j, c: msgspec.structs.replace(c, estimate=float(coded[j])))

    return PlantedEngine("other-reference", change)


def ml_for_reml() -> PlantedEngine:
    """Return an engine that maximises the ML likelihood whatever is asked for."""

    def change(case: Case, fit: Fit) -> Fit:
        ml = replace(case, model=replace(case.model, criterion="ML"))
        found = REFEREE.fit(ml, fit.setting)
        return found if isinstance(found, Fit) else fit

    return PlantedEngine("ml-for-reml", change)


def never_singular() -> PlantedEngine:
    """Return an engine that says of no fit that it is singular."""
    return PlantedEngine(
        "never-singular", lambda _, fit: msgspec.structs.replace(fit, singular=False)
    )


def unshrunk_effects() -> PlantedEngine:
    """Return an engine that gives twice the conditional modes as random effects."""

    def term(t: RandomTerm) -> RandomTerm:
        return msgspec.structs.replace(
            t, effects=None if t.effects is None else _rows(2.0 * np.array(t.effects))
        )

    return PlantedEngine("unshrunk-effects", lambda _, fit: _terms(fit, term))


def effects_by_label() -> PlantedEngine:
    """Return an engine that has random effects in the order of the labels, not of the levels."""

    def term(t: RandomTerm) -> RandomTerm:
        if t.effects is None:
            return t
        order = sorted(range(len(t.levels)), key=lambda k: t.levels[k])
        return msgspec.structs.replace(t, effects=tuple(t.effects[k] for k in order))

    return PlantedEngine("effects-by-label", lambda _, fit: _terms(fit, term))


def aliased_estimates() -> PlantedEngine:
    """Return an engine that gives estimates to linearly dependent columns, without a word."""
    return AliasingEngine("aliased-estimates", lambda _, fit: fit)


def remembers_the_fit_before() -> PlantedEngine:
    """Return an engine with other last digits when it has fitted something before."""
    return DriftingEngine()


PLANTED: dict[str, Mistake] = {
    "wrong-reml-constant": Mistake(wrong_reml_constant, "honesty.loglik", "criterion-constant"),
    "n-for-n-minus-p": Mistake(n_for_n_minus_p, "referee.agreement", "wrong-divisor"),
    "errors-from-joint-hessian": Mistake(
        errors_from_joint_hessian, "honesty.standard-errors", "se-joint-hessian"
    ),
    "z-for-t": Mistake(z_for_t, "honesty.tests", "z-for-t"),
    "residual-df": Mistake(residual_df, "honesty.tests", "residual-df"),
    "swapped-variances": Mistake(swapped_variances, "referee.agreement", "swapped-variances"),
    "covariance-sign": Mistake(covariance_sign, "referee.agreement", "covariance-sign"),
    "false-convergence": Mistake(false_convergence, "honesty.converged", "false-convergence"),
    "clipped-at-boundary": Mistake(clipped_at_boundary, "referee.agreement", "kept-off-boundary"),
    "unit-dependent-stop": Mistake(
        unit_dependent_stop, "metamorphic.y-affine", "unit-dependent-stop"
    ),
    "order-dependence": Mistake(
        order_dependence, "metamorphic.group-order", "order-dependent-stop"
    ),
    "dropped-rows": Mistake(dropped_rows, "rows.used", "rows-left-out"),
    "other-reference": Mistake(other_reference, "referee.agreement", "other-reference-level"),
    "ml-for-reml": Mistake(ml_for_reml, "referee.agreement", "other-criterion"),
    "never-singular": Mistake(never_singular, "honesty.singular", "singular-not-flagged"),
    "unshrunk-effects": Mistake(unshrunk_effects, "random-effects.sum-and-shrinkage", ""),
    "effects-by-label": Mistake(effects_by_label, "metamorphic.relabel-groups", ""),
    "aliased-estimates": Mistake(
        aliased_estimates, "refusal.duplicated-constant", "aliased-columns"
    ),
    "remembers-the-fit-before": Mistake(remembers_the_fit_before, "refit.own-data", ""),
    "ignores-weights": Mistake(
        ignores_weights, "referee.agreement", "stopped-short", shapes=("weighted",)
    ),
    "ignores-residual": Mistake(
        ignores_residual, "referee.agreement", "stopped-short", shapes=("ar1", "symmetric")
    ),
    "closes-gaps": Mistake(closes_gaps, "referee.agreement", "stopped-short", shapes=("ar1",)),
}
"""Every planted mistake by the name of its engine."""
