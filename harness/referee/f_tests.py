"""F tests of several contrasts at once: Satterthwaite's denominator df, and type III hypotheses.

For ``L beta = 0`` with L V L' = U D U', the rows of U'L are uncorrelated contrasts, so F is the
mean of their squared t statistics. Each t has nu_i df, and the df of F follow from its mean: for F
with (q, df) degrees of freedom E[q F] = q df / (df - 2), for the sum of squared t E = sum nu_i /
(nu_i - 2), hence df = 2 E / (E - q) (Fai and Cornelius 1996, J. Stat. Comput. Simul. 54, 363-378;
Kuznetsova, Brockhoff and Christensen 2017, J. Stat. Softw. 82(13), section 2.2).
The eigenvectors, and so the df though not F, depend on how the rows of L are scaled; those of the
type III hypotheses are therefore written down exactly as ``lmerTest`` has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.model.design import build_design
from harness.model.expression_text import render_name
from harness.model.formula import Binary, Name, Number
from harness.model.model import Model, column_of
from harness.model.table import FactorColumn, Table
from harness.referee.crossproducts import aliased_columns
from harness.referee.deviance import Point
from harness.referee.satterthwaite import contrast_tests, two_sided_p

Array = NDArray[np.float64]

DEPENDENT = float(np.sqrt(np.finfo(float).eps))
"""Eigenvalues of L V L' below this share of the largest are contrasts that depend on others."""

_ROUNDING = 1e-9
"""Coefficients of a hypothesis below this are zero; theirs are ratios of small whole numbers."""


@dataclass(frozen=True)
class FTest:
    """F test: statistic, df of numerator and denominator, p.

    ``scale`` is Kenward and Roger's factor, already in ``statistic``; 1 for Satterthwaite.
    """

    statistic: float
    df_num: int
    df_den: float
    p: float
    scale: float = 1.0


def contrast_rows(contrasts: Array, p: int) -> Array:
    """Contrasts as an (r, p) array.

    Raises
    ------
    ValueError
        For another width, no row, a value that is not finite, or a row of zeros.
    """
    rows = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
    if rows.ndim != 2 or rows.shape[1] != p:
        raise ValueError(f"a contrast needs {p} columns, one per fixed effect; got {rows.shape}")
    if not len(rows) or not np.isfinite(rows).all() or not np.abs(rows).max(axis=1).all():
        raise ValueError("contrasts need at least one row, finite values and no row of zeros")
    return rows


def whitened_contrasts(rows: Array, covariance: Array) -> tuple[Array, Array]:
    """Rows M = D^-1/2 U'L with M V M' = I, dependent ones dropped, and D^1/2 (decreasing)."""
    values, vectors = np.linalg.eigh(rows @ covariance @ rows.T)
    kept = np.flatnonzero(values > DEPENDENT * values[-1])[::-1]
    sizes = np.sqrt(values[kept])
    return (vectors[:, kept].T @ rows) / sizes[:, None], sizes


def satterthwaite_f(
    point: Point, contrasts: Array, *, sigma: float | None = None, beta: Array | None = None
) -> FTest:
    """F test of ``L beta = 0`` with Satterthwaite's denominator df, as lmerTest's contestMD.

    Parameters
    ----------
    contrasts : (r, p) or (p,) array
        L; rows that depend on others do not count.
    sigma, beta : optional
        As in :func:`harness.referee.satterthwaite.contrast_tests`.
    """
    products = point.likelihood.products
    internal = point.sigma if sigma is None else sigma / products.basis.y_scale
    covariance: Array = internal * internal * point.to_data(np.asarray(point.c, dtype=np.float64))
    rows, _ = whitened_contrasts(contrast_rows(contrasts, products.p), covariance)
    tests = contrast_tests(point, rows, sigma=sigma, beta=beta)
    statistic = float(np.mean([test.statistic**2 for test in tests]))
    df = pooled_df([test.df for test in tests])
    if len(tests) == 1:
        return FTest(statistic, 1, df, two_sided_p(tests[0].statistic, df))
    return FTest(statistic, len(tests), df, f_p(statistic, len(tests), df))


def f_p(statistic: float, df_num: int, df_den: float) -> float:
    """Upper tail of F; that of chi^2 / q for infinite denominator df."""
    if np.isinf(df_den):
        return float(special.chdtrc(df_num, df_num * statistic))
    return float(special.fdtrc(df_num, df_den, statistic))


def pooled_df(nu: Sequence[float]) -> float:
    """Denominator df of the mean of squared t statistics with ``nu`` df each.

    The mean of F does not exist when some nu <= 2; like lmerTest this gives 2 then, and the common
    value (their mean) when all are equal, which is exact and where E - q cancels at infinity.
    """
    values = np.asarray(nu, dtype=np.float64)
    if len(values) == 1:
        return float(values[0])
    # Relative beside lmerTest's absolute 1e-8: equal large df differ by more than that in rounding.
    if np.isinf(values).all() or (np.abs(np.diff(values)) < 1e-8 * np.maximum(1, values[1:])).all():
        return float(values.mean())
    if (values <= 2.0).any():
        return 2.0
    # E - q = sum 2 / (nu - 2), without the cancellation; an infinite nu adds nothing.
    excess = float((2.0 / (values - 2.0)).sum())
    return 2.0 * (len(values) + excess) / excess


@dataclass(frozen=True)
class Factor:
    """A variable of the fixed effects as terms are made of it.

    Attributes
    ----------
    values : (n, k) array
        Indicators of the levels, the reference first; or the columns of a numeric variable.
    """

    name: str
    values: Array
    categorical: bool


@dataclass(frozen=True)
class FixedTerms:
    """The terms of a fixed-effects formula, each a tuple of names of factors."""

    intercept: bool
    terms: tuple[tuple[str, ...], ...]
    factors: Mapping[str, Factor]


def fixed_terms(model: Model, table: Table) -> FixedTerms:
    """Terms of a model on the complete rows of its table."""
    factors = {}
    for term in model.fixed.terms:
        for atom in term:
            alone = replace(
                model, formula=replace(model.formula, fixed=Binary("+", Number("0"), atom))
            )
            categorical = isinstance(atom, Name) and isinstance(
                column_of(table, atom), FactorColumn
            )
            name = render_name(atom)
            factors[name] = Factor(name, build_design(alone, table).x, categorical)
    names = tuple(tuple(render_name(atom) for atom in term) for term in model.fixed.terms)
    return FixedTerms(model.fixed.intercept, names, factors)


def type3_hypotheses(terms: FixedTerms, x: Array) -> dict[str, Array]:
    """Type III hypothesis matrix of every term, rows over the columns of ``x``.

    A term's hypotheses are about its own parameters in the overparametrised model, in which each
    factor has an indicator for all its levels, made orthogonal to those of the terms that contain
    it, so that they do not depend on the number of rows in each cell (Searle 1987, chapter 12; SAS
    Institute, *The four types of estimable functions*). As in ``lmerTest::anova(type = 3)``: terms
    of highest order first, hypotheses taken for the columns that treatment coding keeps, then
    written for the columns of ``x`` whatever their coding. A model with a single term has
    sequential (type I) hypotheses, which span the same space in triangular form. lmerTest rounds
    coefficients to seven decimals on the way (``zapsmall``), a third to 0.3333333; this does not.

    Parameters
    ----------
    terms : FixedTerms
    x : (n, p) array
        The fixed-effects columns of the model, of full rank, spanning what the terms span.

    Returns
    -------
    dict of (r, p) arrays
        By term, ``"a:b"``, in the order of the formula; a term without hypotheses has no rows.

    Raises
    ------
    ValueError
        When the terms do not span ``x``.
    """
    if not terms.terms:
        return {}
    if len(terms.terms) == 1 and (not terms.intercept or (x[:, 0] == 1.0).all()):
        return {":".join(terms.terms[0]): _sequential(x)[int(terms.intercept) :]}
    full = [(term, *_full_columns(terms, term)) for term in terms.terms]
    everything = [np.ones((len(x), 1))] if terms.intercept else []
    owner = [-1] if terms.intercept else []
    kept = [True] if terms.intercept else []
    for i, (term, values, indices) in enumerate(full):
        coded = _contrast_coded(terms, i)
        everything.append(values)
        owner += [i] * values.shape[1]
        kept += [
            all(at > 0 for name, at in zip(term, row, strict=True) if name in coded)
            for row in indices
        ]
    wide = np.column_stack(everything)
    chosen = np.flatnonzero(kept)
    chosen = np.delete(chosen, aliased_columns(wide[:, chosen]))
    treatment = wide[:, chosen]
    belongs = np.asarray(owner)
    estimable = _clean(_coordinates(treatment, wide)).T
    to_x = _clean(_coordinates(treatment, x))
    if to_x.shape[0] != to_x.shape[1]:
        raise ValueError("the terms of the formula do not span the columns of the model")
    columns_of = {i: np.flatnonzero(belongs[chosen] == i) for i in range(len(full))}
    for i in sorted(columns_of, key=lambda i: -len(full[i][0])):
        above = [columns_of[j] for j in range(len(full)) if _contains(terms, i, j)]
        if above and len(columns_of[i]):
            basis = estimable[:, np.concatenate(above)]
            mine = estimable[:, columns_of[i]]
            fitted = basis @ np.linalg.lstsq(basis, mine, rcond=1e-9)[0]
            estimable[:, columns_of[i]] = _clean(mine - fitted)
    out = {}
    for i, (term, _, _) in enumerate(full):
        rows = estimable[np.ix_(chosen, columns_of[i])].T
        rows = rows[np.abs(rows).sum(axis=1) > 1e-8]
        out[":".join(term)] = _clean(rows @ to_x)
    return out


def _full_columns(terms: FixedTerms, term: tuple[str, ...]) -> tuple[Array, list[tuple[int, ...]]]:
    """Products of the indicators of a term's factors, the first factor fastest as in R.

    With each product comes the position of its column within every factor; 1 and up for numeric
    variables, which have no reference to drop.
    """
    parts = [terms.factors[name] for name in term]
    shape = [part.values.shape[1] for part in parts]
    positions = [tuple(int(v) for v in at[::-1]) for at in np.ndindex(*shape[::-1])]
    columns = [
        reduce(np.multiply, [part.values[:, k] for part, k in zip(parts, at, strict=True)])
        for at in positions
    ]
    shifted = [
        tuple(k if part.categorical else k + 1 for part, k in zip(parts, at, strict=True))
        for at in positions
    ]
    return np.column_stack(columns), shifted


def _contrast_coded(terms: FixedTerms, i: int) -> set[str]:
    """Variables of a term that R codes by contrasts: those whose margin is in the model.

    The rule of R's ``terms.formula``: v of term T has contrasts when T without v is a term, and all
    its indicators otherwise. Without an intercept the first factor that stands alone has them all.
    """
    present = {frozenset(term) for term in terms.terms}
    term = terms.terms[i]
    coded = set()
    for name in term:
        margin = frozenset(term) - {name}
        if margin in present or (not margin and not _takes_intercepts_place(terms, i)):
            coded.add(name)
    return coded


def _takes_intercepts_place(terms: FixedTerms, i: int) -> bool:
    if terms.intercept:
        return False
    alone = [
        j
        for j, term in enumerate(terms.terms)
        if len(term) == 1 and terms.factors[term[0]].categorical
    ]
    return bool(alone) and alone[0] == i


def _contains(terms: FixedTerms, i: int, j: int) -> bool:
    """Whether term j contains term i: all its variables and more, and the same numeric ones.

    As in lmerTest only variables coded by contrasts count, so that in ``a + a:b`` (b within a) the
    first is not contained in the second. Where the intercept is missing its factor still counts.
    """

    def variables(k: int) -> set[str]:
        term = terms.terms[k]
        return set(term) if len(term) == 1 else _contrast_coded(terms, k)

    def numeric(names: set[str]) -> set[str]:
        return {name for name in names if not terms.factors[name].categorical}

    small, large = variables(i), variables(j)
    return small < large and numeric(small) == numeric(large)


def _sequential(x: Array) -> Array:
    """Type I hypotheses: X'X = R'R, rows of R divided by their diagonal."""
    upper = np.linalg.qr(x, mode="r")
    return _clean(upper / np.diag(upper)[:, None])


def _coordinates(basis: Array, columns: Array) -> Array:
    """Coordinates of columns in a basis of full rank that spans them."""
    sizes = np.linalg.norm(basis, axis=0)
    return np.asarray(np.linalg.lstsq(basis / sizes, columns, rcond=None)[0] / sizes[:, None])


def _clean(matrix: Array) -> Array:
    """Set rounding to zero, column by column: numeric variables have units."""
    size = np.abs(matrix).max(axis=0, initial=0.0)
    return np.where(np.abs(matrix) < _ROUNDING * size, 0.0, matrix)
