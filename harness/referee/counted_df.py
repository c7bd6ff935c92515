"""Degrees of freedom that are counted from the design: they do not depend on the estimates.

- ``residual``: n - rank X.
- ``containment``: SAS's. Among the random effects that contain a fixed effect the smallest
  contribution to rank [X Z], taken in the order of the model; n - rank [X Z] where none does.
- ``containment-levels``: nlme's, in :mod:`harness.referee.containment`.
- ``between-within``: SAS's. n - rank X is divided: effects that are constant within subjects have
  the subjects less the rank of their columns, all others the rest.
- ``between-within-classic``: Schluchter and Elashoff's, as mmrm has it.
- ``group-equations``: HLM's. The groups less the effects in the equation of a random coefficient,
  n - p in that of a fixed one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design
from harness.referee.containment import changes_within, constant_columns, nested_codes
from harness.referee.once_per_design import once_per_design

Array = NDArray[np.float64]
Codes = NDArray[np.int32]
Block = tuple[Array, Codes]
"""A random effect: its values, and the groups in which each has a column of its own."""

LARGEST = 2e10
"""Multiplications above which a rank is not computed."""

_DEPENDENT = 1e-8
"""Share of a unit column that is left where it depends on others; ranks are whole numbers, and data
that come nearer than this to another rank are taken for it."""


def residual_df(design: Design) -> tuple[float, ...]:
    """Return n - rank X for each coefficient: the linear model's; PROC MIXED, DDFM=RESIDUAL."""
    n, p = design.x.shape
    return tuple(float(n - p) for _ in range(p))


@once_per_design
def containment_rank_df(design: Design) -> tuple[float, ...] | None:
    """Return SAS's containment df of each coefficient.

    A random effect contains a fixed one where the fixed effect's column is a multiple of the random
    effect's in every group: a column that is constant within subjects is contained in a random
    intercept of subjects, and x in a random slope of x. SAS reads that from the names, so that
    groups have to be written as nested, ``subject(treatment)``; where they are not, nothing
    contains the effect, and it gets :func:`residual_xz_df`.

    Returns
    -------
    tuple of float, length p, or None
        None where the design is too large for its ranks.

    References
    ----------
    SAS/STAT 15.3 User's Guide, The GLIMMIX Procedure, Containment Degrees of Freedom Approximation;
    the same in PROC MIXED, where it is the default with a RANDOM statement.
    """
    blocks, ranks = _effects(design), _ranks(design)
    if any(r is None for r in ranks):
        return None
    contributions = np.diff(np.array(ranks, dtype=float))
    rest = float(len(design.y) - (ranks[-1] or 0))
    out = []
    for column in design.x.T:
        inside = [c for c, b in zip(contributions, blocks, strict=True) if _contains(b, column)]
        out.append(float(min(inside)) if inside else rest)
    return tuple(out)


@once_per_design
def _ranks(design: Design) -> tuple[int | None, ...]:
    """Return the rank of X, and of X beside more and more of the random effects."""
    blocks = _effects(design)
    return tuple(rank(design.x, blocks[:i]) for i in range(len(blocks) + 1))


@once_per_design
def residual_xz_df(design: Design) -> tuple[float, ...] | None:
    """Return n - rank [X Z] for each coefficient: SAS's containment where nothing contains it.

    So PROC MIXED tests a treatment of subjects by default where its subjects are not written as
    nested in treatments.
    """
    whole = _ranks(design)[-1]
    n, p = design.x.shape
    return None if whole is None else tuple(float(n - whole) for _ in range(p))


@once_per_design
def between_within_df(design: Design) -> tuple[float, ...] | None:
    """Return SAS's between-within df of each coefficient.

    Subjects are the groups of the coarsest of nested grouping factors, of the residuals' too.
    Constant within them is the intercept too. Where the residuals have any covariance matrix and
    there are no random effects, all effects have the df between subjects.

    Returns
    -------
    tuple of float, length p, or None
        None where groups cross, and where more than one within-subject effect has factors: SAS
        then divides the within-subject df again, by subject-by-effect interactions.

    References
    ----------
    SAS/STAT 15.3 User's Guide, The GLIMMIX Procedure, Between-Within Degrees of Freedom
    Approximation; The MIXED Procedure, MODEL Statement, DDFM=BETWITHIN, of TYPE=UN.
    """
    subjects = _subjects(design)
    if subjects is None:
        return None
    within = changes_within(design.x, subjects)
    if _all_between(design):
        left = len(np.unique(subjects)) - (rank(design.x[:, ~within]) or 0)
        return tuple(float(left) for _ in within)
    if len(_factor_terms(design.x_names, within)) > 1:
        return None
    n, p = design.x.shape
    between = len(np.unique(subjects)) - (rank(design.x[:, ~within]) or 0)
    rest = n - p - between
    return tuple(float(rest if inside else between) for inside in within)


def between_within_classic_df(design: Design) -> tuple[float, ...] | None:
    """Return Schluchter and Elashoff's between-within df of each coefficient.

    Effects that are constant within subjects have N_1 - N_0 - p_1 df, with N_1 subjects, p_1 such
    columns besides the intercept, and N_0 = 1 where there is one; all others, and the intercept,
    n - N_1 - p_2 df.

    References
    ----------
    Schluchter and Elashoff 1990, J. Stat. Comput. Simul. 37, 69-87; as the R package mmrm has it.
    """
    subjects = _subjects(design)
    if subjects is None:
        return None
    constant = constant_columns(design.x)
    within = changes_within(design.x, subjects) & ~constant
    between = ~within & ~constant
    n, count = len(design.y), len(np.unique(subjects))
    upper = float(count - int(constant.any()) - int(between.sum()))
    lower = float(n - count - int(within.sum()))
    return tuple(upper if one else lower for one in between)


def group_equations_df(design: Design) -> tuple[float, ...] | None:
    """Return HLM's df of each coefficient of a model with two levels.

    Each coefficient of the rows, the intercept or a slope, has an equation: itself and what it is
    multiplied by that is constant within groups. Where the coefficient is random its equation has
    J - q df, with J groups and q fixed effects in it, all others n - p.

    Returns
    -------
    tuple of float, length p, or None
        None where there is more than one grouping factor.

    References
    ----------
    Raudenbush and Bryk 2002, Hierarchical Linear Models, section 3, J - S - 1 with S predictors
    besides the constant. n - p is what HLM 5 and 6 print in the examples of UCLA's pages.
    """
    levels = nested_codes(design)
    if levels is None or len(levels) > 1:
        return None
    n, p = design.x.shape
    out = np.full(p, float(n - p))
    free = np.ones(p, dtype=bool)
    for block in _effects(design):
        inside = free & [_contains(block, column) for column in design.x.T]
        out[inside] = len(np.unique(levels[0])) - inside.sum()
        free &= ~inside
    return tuple(out.tolist())


def rank(x: Array, blocks: Sequence[Block] = ()) -> int | None:
    """Return the rank of x beside the columns of random effects; None for too large a design.

    The effect with the most columns, which are orthogonal, is projected out of all others.
    """
    widths = [len(np.unique(codes)) for _, codes in blocks]
    largest = int(np.argmax(widths)) if widths else -1
    dense = [x, *(_spread(b) for i, b in enumerate(blocks) if i != largest and _small(b, x))]
    if len(dense) < max(len(blocks), 1):
        return None
    columns = np.column_stack(dense)
    n, k = columns.shape
    if n * k * min(n, k) > LARGEST:
        return None
    sizes = np.sqrt((columns**2).sum(axis=0))
    columns = columns / np.where(sizes > 0.0, sizes, 1.0)
    found = 0
    if largest >= 0:
        z, codes = blocks[largest]
        squares = np.bincount(codes, weights=z**2)
        held = squares > 0.0
        found = int(held.sum())
        for j in range(k):
            sums = np.bincount(codes, weights=z * columns[:, j])
            share = np.divide(sums, squares, out=np.zeros_like(sums), where=held)
            columns[:, j] -= z * share[codes]
    # The triangle has the singular values of the columns, and few rows.
    triangle = np.linalg.qr(columns, mode="r")
    return found + int((np.linalg.svd(triangle, compute_uv=False) > _DEPENDENT).sum())


def _small(block: Block, x: Array) -> bool:
    """Whether a random effect's columns may stand in a dense matrix."""
    width = len(np.unique(block[1]))
    return len(x) * width * min(len(x), width) <= LARGEST


def _spread(block: Block) -> Array:
    z, codes = block
    _, place = np.unique(codes, return_inverse=True)
    out = np.zeros((len(z), int(place.max()) + 1))
    out[np.arange(len(z)), place.reshape(-1)] = z
    return out


def _effects(design: Design) -> list[Block]:
    """Return every random effect in the order of the model."""
    out = []
    for term in design.random:
        _, place = np.unique(term.codes, return_inverse=True)
        codes = place.reshape(-1).astype(np.int32)
        out += [(column, codes) for column in np.asarray(term.z, dtype=np.float64).T]
    return out


def _contains(block: Block, column: Array) -> bool:
    z, codes = block
    squares = np.bincount(codes, weights=z**2)
    sums = np.bincount(codes, weights=z * column)
    share = np.divide(sums, squares, out=np.zeros_like(sums), where=squares > 0.0)
    left = column - z * share[codes]
    return bool(np.abs(left).max() <= _DEPENDENT * np.abs(column).max())


def _subjects(design: Design) -> Codes | None:
    """Return the subject of each row: the coarsest group of random effects and of residuals."""
    levels = nested_codes(design)
    residual = design.residual
    if residual is None or not residual.structure:
        return None if levels is None else levels[0]
    if not design.random:
        return residual.group
    if levels is None:
        return None
    coarse, fine = sorted((levels[0], residual.group), key=lambda codes: len(np.unique(codes)))
    pairs = np.unique(np.column_stack([coarse, fine]), axis=0)
    return coarse if len(pairs) == len(np.unique(fine)) else None


def _all_between(design: Design) -> bool:
    """Whether SAS gives every effect the df between subjects: REPEATED with TYPE=UN alone."""
    residual = design.residual
    return not design.random and residual is not None and residual.structure == "us"


def _factor_terms(names: Sequence[str], within: NDArray[np.bool_]) -> set[str]:
    """Return the terms with factors among columns: ``f[T.b]`` and ``f[T.c]`` are of ``f[]``."""
    terms = {re.sub(r"\[[^]]*\]", "[]", n) for n, w in zip(names, within, strict=True) if w}
    return {term for term in terms if "[]" in term}
