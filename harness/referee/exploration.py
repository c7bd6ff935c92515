"""A model at its best point, as the matrices of its theory: y = X beta + Z u + e, V = Z D Z' + R.

Nothing here is needed for a fit. The matrices are whole and dense, as a textbook writes them, so
that what a program does by other means can be done again by hand and found equal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import block_diag, cho_solve, cholesky

from harness.base.errors import BadInput
from harness.data.own_table import frame_rung
from harness.model.case import Case
from harness.referee.best_point import search_for
from harness.referee.conditional_modes import conditional_modes
from harness.referee.deviance import Likelihood
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import ResidualPoint, residual_parameters
from harness.spelling.formula_options import formula_with

Array = NDArray[np.float64]

MOST_ROWS = 4000
"""Rows beyond which V is not written out: it would have more than 16 million numbers."""


class TooManyRows(ValueError):
    """The matrices of all rows would not fit into memory."""


@dataclass(frozen=True, eq=False)
class ByV:
    """What follows from V alone, by dense algebra.

    Attributes
    ----------
    beta : Series
        Generalised least squares: the solution of X'V^-1 X beta = X'V^-1 y.
    covariance : DataFrame
        Its covariance matrix, (X'V^-1 X)^-1.
    loglik : float
        ML or REML log-likelihood with every constant, as the criterion of the case says.
    """

    beta: pd.Series
    covariance: pd.DataFrame
    loglik: float


@dataclass(frozen=True, eq=False, repr=False)
class Exploration:
    """A model at its best point, taken apart; see :func:`explored`.

    ``y``, ``X``, ``Z``, ``D``, ``R``, ``V`` and everything that is computed of them are in the
    units of the data. Rows are called by their labels in the data, rows with a missing value left
    out.

    Attributes
    ----------
    case : Case
    best : Optimum
        The best point that the referee finds, with its certificate.
    rows : Index
        Label of each row used.
    """

    case: Case
    best: Optimum
    rows: pd.Index

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fixed effects: the columns of X."""
        return self.case.design.x_names

    @cached_property
    def y(self) -> pd.Series:
        """The outcome, less the offset where there is one."""
        return pd.Series(self.case.design.y, self.rows, name="y")

    @cached_property
    def X(self) -> pd.DataFrame:
        """Columns of the fixed effects."""
        return pd.DataFrame(self.case.design.x, self.rows, list(self.names))

    @cached_property
    def Z(self) -> pd.DataFrame:
        """Columns of the random effects: for each level of each term one for each of its effects.

        Raises
        ------
        TooManyRows
        """
        self._refuse_many()
        parts = [np.empty((len(self.rows), 0))]
        for term in self.case.design.random:
            indicators = np.eye(len(term.levels))[term.codes]
            each = indicators[:, :, None] * term.z[:, None, :]
            parts.append(each.reshape(len(self.rows), -1))
        return pd.DataFrame(np.hstack(parts), self.rows, self._columns)

    @cached_property
    def _columns(self) -> pd.Index:
        found = [
            f"{term.group} {level} {name}"
            for term in self.case.design.random
            for level in term.levels
            for name in term.names
        ]
        return pd.Index(found, dtype=object)

    @property
    def residual_variance(self) -> float:
        """s2; with weights that of a row of weight one, with strata that of the first."""
        return self.best.sigma**2

    @cached_property
    def covariances(self) -> dict[str, pd.DataFrame]:
        """Covariance matrix of the random effects of each term; a second term of a group has 2."""
        factors = self.best.point.likelihood.factors(self.best.point.theta)
        groups = [term.group for term in self.case.design.random]
        out: dict[str, pd.DataFrame] = {}
        for t, (term, lower) in enumerate(zip(self.case.design.random, factors, strict=True)):
            before = groups[:t].count(term.group)
            names = list(term.names)
            key = f"{term.group} ({before + 1})" if before else term.group
            out[key] = pd.DataFrame(self.residual_variance * lower @ lower.T, names, names)
        return out

    @cached_property
    def D(self) -> pd.DataFrame:
        """Covariance matrix of all random effects u: a block for each level."""
        self._refuse_many()
        blocks = [
            np.kron(np.eye(len(term.levels)), psi.to_numpy())
            for term, psi in zip(self.case.design.random, self.covariances.values(), strict=True)
        ]
        whole = block_diag(*blocks) if blocks else np.empty((0, 0))
        return pd.DataFrame(whole, self._columns, self._columns)

    @cached_property
    def R(self) -> pd.DataFrame:
        """Covariance matrix of the residuals: s2 I, or as weights or a structure have it."""
        self._refuse_many()
        n = len(self.rows)
        weights = self.case.design.weights
        whole = np.diag(np.ones(n) if weights is None else 1.0 / weights)
        point = self.best.point
        for matrix in point.likelihood.matrices if isinstance(point, ResidualPoint) else ():
            at = matrix.stack.rows
            block = matrix.value
            if weights is not None:
                root = np.sqrt(weights[at])
                block = block / (root[:, :, None] * root[:, None, :])
            whole[at[:, :, None], at[:, None, :]] = block
        return pd.DataFrame(self.residual_variance * whole, self.rows, self.rows)

    @cached_property
    def V(self) -> pd.DataFrame:
        """Covariance matrix of the outcome, Z D Z' + R."""
        z = self.Z.to_numpy()
        whole = z @ self.D.to_numpy() @ z.T
        # Symmetric to the last bit, as products of matrices are not.
        return pd.DataFrame(0.5 * (whole + whole.T) + self.R.to_numpy(), self.rows, self.rows)

    @cached_property
    def parameters(self) -> pd.Series:
        """Every parameter: fixed effects, variances and covariances, of the residuals too."""
        out = dict(zip(self.names, self.best.point.beta.tolist(), strict=True))
        for group, psi in self.covariances.items():
            for i, one in enumerate(psi.index):
                for other in psi.index[i:]:
                    what = f"var({one})" if one == other else f"cov({one}, {other})"
                    out[f"{group} {what}"] = float(psi.loc[one, other])
        out["residual variance"] = self.residual_variance
        out |= {f"residual {name}": value for name, value in residual_parameters(self.best.point)}
        return pd.Series(out, name="estimate")

    @cached_property
    def effects(self) -> dict[str, pd.DataFrame]:
        """Predicted random effects (BLUPs) of each term: a row for each level."""
        return self.shrunken(1.0)

    def shrunken(self, times: float) -> dict[str, pd.DataFrame]:
        """Return what the random effects would be with all their variances ``times`` as large.

        Large, and nothing is shrunken: groups are fixed effects. Near zero, and all are zero.
        """
        likelihood = self.best.point.likelihood
        theta = np.array(self.best.point.theta)
        theta[: len(likelihood.layout)] *= np.sqrt(times)
        modes = conditional_modes(likelihood.at(theta))
        return {
            key: pd.DataFrame(values, list(term.levels), list(term.names))
            for key, term, values in zip(
                self.covariances, self.case.design.random, modes, strict=True
            )
        }

    @cached_property
    def fitted(self) -> pd.Series:
        """X beta + Z u for each row."""
        value = self.case.design.x @ self.best.point.beta
        for term, modes in zip(self.case.design.random, self.effects.values(), strict=True):
            value = value + (term.z * modes.to_numpy()[term.codes]).sum(axis=1)
        return pd.Series(value, self.rows, name="fitted")

    @property
    def residuals(self) -> pd.Series:
        """Outcome less fitted value."""
        return (self.y - self.fitted).rename("residual")

    @cached_property
    def loglik(self) -> float:
        """ML or REML log-likelihood with every constant; of least squares ML, as lm states it."""
        if self.case.model.criterion != "OLS":
            return -0.5 * self.best.deviance
        return -0.5 * Likelihood(self.case.design, reml=False).at(self.best.point.theta).deviance()

    @property
    def certificate(self) -> str:
        """What is proved of the point, in a sentence."""
        found = self.best.optimality
        if self.case.model.criterion == "OLS":
            return "closed form: there is nothing to search for"
        said = f"derivatives of the deviance, variances changed relatively: {found.gradient:.1g}"
        if found.dual is not None:
            ranks = " and ".join(
                f"{term.group} has rank {rank} of {len(term.names)}"
                for term, rank in zip(self.case.design.random, found.ranks, strict=True)
                if rank < len(term.names)
            )
            return (
                f"boundary optimum: the covariance matrix of {ranks}; {said}; where a direction is "
                f"missing the deviance rises at a slope of {found.dual:.3g} or more (relative to "
                "that of log|V|), so that no covariance matrix near it is better"
            )
        where = "at the edge of the residual correlations" if found.residual_bound else "interior"
        return f"{where} optimum: {said}"

    def by_v(self) -> ByV:
        """Return estimates, their covariance and log-likelihood from X, y and V by dense algebra.

        Raises
        ------
        TooManyRows
        """
        x, y = self.case.design.x, self.case.design.y
        n, p = x.shape
        root = cholesky(self.V.to_numpy(), lower=True)
        information = x.T @ cho_solve((root, True), x)
        beta = np.linalg.solve(information, x.T @ cho_solve((root, True), y))
        left = y - x @ beta
        reml = self.case.model.criterion == "REML"
        # Least squares has its ML log-likelihood stated, where s2 is divided by n.
        share = (n - p) / n if self.case.model.criterion == "OLS" else 1.0
        value = 2.0 * np.log(np.diag(root)).sum() + n * np.log(share)
        value += left @ cho_solve((root, True), left) / share
        value += (n - p if reml else n) * np.log(2.0 * np.pi)
        if reml:
            value += np.linalg.slogdet(information)[1]
        names = list(self.names)
        covariance = pd.DataFrame(np.linalg.inv(information), names, names)
        return ByV(pd.Series(beta, names), covariance, float(-0.5 * value))

    def penalised(self) -> tuple[pd.Series, pd.Series]:
        """Return beta and u that minimise e'R^-1 e + u'D^-1 u, e = y - X beta - Z u.

        Least squares with a penalty on large random effects (Henderson's equations); u is in the
        order of the columns of Z.

        Raises
        ------
        LinAlgError
            When D is singular: the penalty on some effects is then infinite.
        """
        if self.best.optimality.singular:
            raise np.linalg.LinAlgError(
                "the covariance of the random effects is singular: what it lacks has an infinite "
                "penalty"
            )
        p = len(self.names)
        both = np.hstack([self.X.to_numpy(), self.Z.to_numpy()])
        root = cholesky(self.R.to_numpy(), lower=True)
        system = both.T @ cho_solve((root, True), both)
        system[p:, p:] += cho_solve(
            (cholesky(self.D.to_numpy(), lower=True), True), np.eye(len(self._columns))
        )
        solved = np.linalg.solve(system, both.T @ cho_solve((root, True), self.case.design.y))
        return pd.Series(solved[:p], list(self.names)), pd.Series(solved[p:], self._columns)

    def simulated(self, rng: np.random.Generator) -> pd.Series:
        """Draw an outcome of the model at this point: X beta + Z u + e, normal.

        An offset is in it again, so that it can take the place of the outcome in the data.
        """
        root = cholesky(self.V.to_numpy(), lower=True)
        drawn = self.case.design.x @ self.best.point.beta + root @ rng.normal(size=len(self.rows))
        if self.case.design.offset is not None:
            drawn = drawn + self.case.design.offset
        return pd.Series(drawn, self.rows)

    def _refuse_many(self) -> None:
        if len(self.rows) > MOST_ROWS:
            raise TooManyRows(
                f"{len(self.rows):,} rows: Z, D, R and V are written out for {MOST_ROWS:,} at "
                "most; explore some of the groups"
            )

    def __repr__(self) -> str:
        design, formula = self.case.design, self.case.model.formula.text
        residual = self.case.model.residual
        terms = ", ".join(
            f"{len(term.levels)} {term.group} x {len(term.names)}" for term in design.random
        )
        lines = [
            formula + (f", residuals {residual.text()}" if residual is not None else ""),
            f"{self.case.model.criterion}, {len(self.rows)} rows; X {design.x.shape[0]} x "
            f"{design.x.shape[1]}" + (f"; Z: {terms}" if terms else ""),
            self.parameters.to_string(float_format=lambda value: f"{value:.6g}"),
            f"log-likelihood {self.loglik:.6f}",
            textwrap.fill(self.certificate, 88),
        ]
        return "\n".join(lines)


def explored(case: Case, rows: pd.Index | None = None) -> Exploration:
    """Return a case at its best point.

    Parameters
    ----------
    rows : Index, optional
        Labels of the rows of the table, complete or not; their numbers without it.

    Raises
    ------
    ValueError
        When the likelihood has no maximum, X lacks rank, or the model is too large.
    """
    labels = pd.RangeIndex(case.table.n_rows) if rows is None else rows
    return Exploration(case, search_for(case).best(), labels[case.design.rows])


def explore(
    model: Case | str,
    data: pd.DataFrame | None = None,
    *,
    ml: bool = False,
    residual: str = "",
    factors: Sequence[str] = (),
    levels: Mapping[str, Sequence[str]] | None = None,
    contrasts: Mapping[str, str] | None = None,
    weights: str = "",
    offset: str = "",
) -> Exploration:
    """Take a model apart at its best point: design, covariances, random effects, residuals.

    Parameters
    ----------
    model : Case or str
        A case, or a formula in lme4's syntax with ``data``.
    data : DataFrame
        With a formula.
    ml, factors, levels, contrasts, weights, offset
        As :func:`harness.diagnose` has them.
    residual : str
        Covariance of the residuals, ``"ar1(visit | subject)"``; independent without it.

    Returns
    -------
    Exploration
        ``y``, ``X``, ``Z``, ``D``, ``R``, ``V``, ``names``, ``parameters``, ``effects``,
        ``fitted``, ``residuals``, ``certificate``.

    Raises
    ------
    BadInput
        In one line, for a formula, column or option that cannot be used, and a model that has no
        best point.

    Examples
    --------
    >>> found = harness.explore("score ~ edu + (1 | classroom)", pupils)    # doctest: +SKIP
    >>> found.V.iloc[:2, :2]                                                # doctest: +SKIP
    """
    rows = None
    if isinstance(model, str):
        if not isinstance(data, pd.DataFrame):
            what = "" if data is None else f", a DataFrame, not {type(data).__name__}"
            raise BadInput(f"a formula needs its data: explore(formula, data){what}")
        written = formula_with(model, contrasts=contrasts, weights=weights, offset=offset)
        rung = frame_rung(
            data, written, "ML" if ml else "REML", factors=factors, levels=levels, residual=residual
        )
        model, rows = rung.case, data.index
    elif data is not None or ml or residual or factors or levels or contrasts or weights or offset:
        raise BadInput("a case has its data, its criterion and all its options already")
    try:
        return explored(model, rows)
    except ValueError as error:
        raise BadInput(str(error)) from error
