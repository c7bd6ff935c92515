"""The residual covariance on the rows of a case: which rows are correlated, and by which numbers.

The residuals of rows i and j have covariance s2 w_i w_j c_ij. The correlation c_ij is zero between
groups; within one it is a parameter (``cs``, ``toep``, ``corr``, ``us``), or one to the power of
the distance of the rows (``ar1``, ``car1``). The standard deviation w_i is the product, over every
factor that has variances by its levels, of a ratio to the factor's first level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.model.group_levels import grouping
from harness.model.model import column_of
from harness.model.residual import Residual
from harness.model.table import FactorColumn, Table

Array = NDArray[np.float64]
Codes = NDArray[np.int32]

MOST_PARAMETERS = 100
"""Residual parameters beyond which a structure is refused."""


@dataclass(frozen=True, eq=False)
class ResidualDesign:
    """A residual covariance on the rows used.

    Attributes
    ----------
    structure : str
        As in :class:`harness.model.residual.Residual`; empty for variances by strata alone.
    group : (n,) int32 array
        Group of each row; each row its own where residuals are not correlated.
    position : (n,) array
        Time of each row (``car1``), visit as a whole number (``ar1``, ``toep``), index of the visit
        (``corr``, ``us``); its place in the group where no column has it.
    pairs : (k, 2) int array
        Of ``corr`` and ``us``: which two visits each correlation belongs to. Of ``toep``: distance
        of each, twice.
    strata : tuple of (n,) int32 arrays
        For each factor of variances the level of each row, 0 for the reference.
    names : tuple of str
        Of every parameter: correlations, then ratios of standard deviations.
    correlations : int
        How many of them are correlations.
    group_names : tuple of str
        Label of each group.
    visits : tuple of str
        Labels of the visits of ``corr`` and ``us``, and of those of others that are a factor.
    levels : tuple of tuple of str
        For each factor of variances its levels, the reference first.
    """

    structure: str
    group: Codes
    position: Array
    pairs: NDArray[np.int64]
    strata: tuple[Codes, ...]
    names: tuple[str, ...]
    correlations: int
    group_names: tuple[str, ...]
    visits: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]


def build_residual(residual: Residual, used: Table) -> ResidualDesign:
    """Evaluate a residual covariance on complete rows.

    Raises
    ------
    BadInput
        When it cannot be told from these rows; one line.
    """
    n = used.n_rows
    group, labels = _crossed(residual.group, used)
    if not residual.structure:
        group, labels = np.arange(n, dtype=np.int32), ()
    position, visits = _positions(residual, used, group, labels)
    pairs, names = _pairs(residual.structure, group, position, visits)
    strata, levels = [], []
    if residual.structure == "us":
        strata.append(position.astype(np.int32))
        levels.append(visits)
    for own in residual.strata:
        codes, labelled = _crossed(own, used)
        strata.append(codes)
        levels.append(labelled)
    ratios = [f"sd ratio {label}" for labelled in levels for label in labelled[1:]]
    if len(names) + len(ratios) > MOST_PARAMETERS:
        raise BadInput(
            f"residual: {residual.text()} has {len(names) + len(ratios):,} parameters here, more "
            f"than {MOST_PARAMETERS}; choose a structure with fewer"
        )
    if len(set(names + ratios)) < len(names + ratios):
        ratios = [f"{name} ({i})" for i, name in enumerate(ratios, 1)]
    return ResidualDesign(
        residual.structure,
        group,
        position,
        pairs,
        tuple(strata),
        tuple(names + ratios),
        len(names),
        labels,
        visits,
        tuple(levels),
    )


def _crossed(columns: tuple[str, ...], used: Table) -> tuple[Codes, tuple[str, ...]]:
    """Codes and labels of an interaction of factors, levels without a row dropped."""
    if not columns:
        return np.zeros(used.n_rows, dtype=np.int32), ()
    return grouping(columns, used)


def _positions(
    residual: Residual, used: Table, group: Codes, labels: tuple[str, ...]
) -> tuple[Array, tuple[str, ...]]:
    """Position of each row, and the labels of visits where they are told apart."""
    structure, n = residual.structure, used.n_rows
    if not structure:
        return np.zeros(n), ()
    if np.bincount(group).max() < 2:
        raise BadInput(
            f"residual: no group of {':'.join(residual.group)!r} has two rows; there is no "
            f"correlation to estimate"
        )
    if residual.position is None:
        position = _place_in_group(group)
        return position, tuple(str(int(v) + 1) for v in range(int(position.max()) + 1))
    column = column_of(used, residual.position)
    name = residual.position.name
    if isinstance(column, FactorColumn):
        if structure == "car1":
            raise BadInput(f"residual: car1() needs times as numbers; {name!r} is a factor")
        present, index = np.unique(column.codes, return_inverse=True)
        labelled = tuple(column.levels[k] for k in present)
        # The distance of two visits is that of their levels, also where one has no row.
        distance = structure in ("ar1", "toep")
        values = (column.codes if distance else index).astype(np.float64)
    elif structure in ("corr", "us"):
        present_values, index = np.unique(column.values, return_inverse=True)
        labelled = tuple(f"{v:g}" for v in present_values)
        values = index.astype(np.float64)
    else:
        values, labelled = column.values.astype(np.float64), ()
        whole = bool((values == np.round(values)).all())
        if structure in ("ar1", "toep") and not whole:
            example = float(values[values != np.round(values)][0])
            raise BadInput(
                f"residual: {structure}() needs visits that are whole numbers; {name!r} holds "
                f"{example:g}; "
                + ("write car1() for times" if structure == "ar1" else "number them")
            )
    if structure != "cs":
        _refuse_repeated(group, values, labels, name, structure)
    return values, labelled


def _place_in_group(group: Codes) -> Array:
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    out = np.empty(len(group))
    out[order] = np.arange(len(group)) - np.repeat(starts, counts)
    return out


def _refuse_repeated(
    group: Codes, values: Array, labels: tuple[str, ...], name: str, structure: str
) -> None:
    order = np.lexsort((values, group))
    same = (np.diff(group[order]) == 0) & (np.diff(values[order]) == 0.0)
    if same.any():
        row = order[int(np.flatnonzero(same)[0])]
        raise BadInput(
            f"residual: {labels[group[row]]!r} has two rows at the same value of {name!r}; "
            f"{structure}() needs one row for each (write cs() where their order means nothing)"
        )


def _pairs(
    structure: str, group: Codes, position: Array, visits: tuple[str, ...]
) -> tuple[NDArray[np.int64], list[str]]:
    """Which correlations there are, and their names."""
    none = np.zeros((0, 2), dtype=np.int64)
    if not structure:
        return none, []
    if structure in ("ar1", "car1", "cs"):
        return none, ["rho"]
    met = _met(group, position.astype(np.int64))
    if structure == "toep":
        lags = np.unique(met[:, 1] - met[:, 0])
        return np.column_stack([lags, lags]), [f"rho({lag})" for lag in lags]
    count = len(visits)
    first, second = np.triu_indices(count, 1)
    if len(first) > len(met):
        known = set(map(tuple, met.tolist()))
        a, b = next((i, j) for i, j in zip(first, second, strict=True) if (i, j) not in known)
        raise BadInput(
            f"residual: no group has rows at both visits {visits[a]!r} and {visits[b]!r}; "
            f"{structure}() cannot know their correlation"
        )
    pairs = np.column_stack([first, second]).astype(np.int64)
    return pairs, [f"rho({visits[a]},{visits[b]})" for a, b in pairs]


def _met(group: Codes, position: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of positions, the smaller first, that some group has both."""
    order = np.lexsort((position, group))
    group, position = group[order], position[order]
    found: list[NDArray[np.int64]] = []
    for step in range(1, int(np.bincount(group).max())):
        both = group[step:] == group[:-step]
        found.append(np.column_stack([position[:-step], position[step:]])[both])
        found = [np.unique(np.concatenate(found), axis=0)]
    return found[0]
