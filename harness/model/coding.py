"""Codings of a factor: the columns that stand for its levels, as those of R's ``contr.`` functions.

A column of the design is a column of the matrix of the coding, taken at each row's level. Where a
term has no margin in the model, a factor has an indicator for every level instead, whatever its
coding (R's ``model.matrix``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import BadInput

Array = NDArray[np.float64]

CODINGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "treatment": ("contr.treatment", "Treatment"),
        "sum": ("contr.sum", "Sum"),
        "helmert": ("contr.helmert", "Helmert"),
        "SAS": ("contr.SAS", ""),
        "poly": ("contr.poly", "Poly"),
    }
)
"""The codings, with their names in R and in patsy."""

_POWERS = (".L", ".Q", ".C")


@dataclass(frozen=True)
class Coding:
    """A coding; ``reference`` is a level for treatment coding, the first one where it is empty."""

    kind: str
    reference: str = ""


def coding_named(text: str) -> str | None:
    """Return the coding that a word names in R, in patsy or here; None where it is none."""
    for kind, names in CODINGS.items():
        if text and text.lower() in {kind.lower(), *(name.lower() for name in names if name)}:
            return kind
    return None


def coding_columns(
    coding: Coding | None, name: str, levels: Sequence[str]
) -> tuple[tuple[str, ...], Array]:
    """Return the columns of a coding of k levels.

    Parameters
    ----------
    name : str
        The factor, for an error.
    levels : sequence of str, length k
        Those that occur, in their order.

    Returns
    -------
    suffixes : tuple of str
        What is added to the name of the factor: ``[T.b]`` where a column stands for a level, R's
        numbers or powers elsewhere.
    matrix : (k, k - 1) array

    Raises
    ------
    BadInput
        For a reference that is no level.
    """
    k = len(levels)
    if coding is None or coding.kind in ("treatment", "SAS"):
        at = k - 1 if coding is not None and coding.kind == "SAS" else 0
        if coding is not None and coding.reference:
            if coding.reference not in levels:
                raise BadInput(
                    f"{coding.reference!r} is no level of {name!r} in the rows used; "
                    f"it has {', '.join(levels)}"
                )
            at = levels.index(coding.reference)
        others = [i for i in range(k) if i != at]
        return tuple(f"[T.{levels[i]}]" for i in others), np.eye(k)[:, others]
    if coding.kind == "sum":
        matrix = np.vstack([np.eye(k - 1), -np.ones(k - 1)])
    elif coding.kind == "helmert":
        matrix = np.where(np.tri(k, k - 1, -1) > 0, 0.0, -np.ones((k, k - 1)))
        matrix[np.arange(1, k), np.arange(k - 1)] = np.arange(1.0, k)
    else:
        matrix = _orthonormal_powers(k)
        powers = [*_POWERS[: k - 1], *(f"^{i}" for i in range(4, k))]
        return tuple(powers), matrix
    return tuple(str(i) for i in range(1, k)), matrix


def _orthonormal_powers(k: int) -> Array:
    """Orthonormal polynomials of degree 1 to k - 1 on k points at equal distances."""
    points = np.arange(k) - (k - 1) / 2.0
    columns = [np.ones(k) / np.sqrt(k)]
    for _ in range(1, k):
        new = points * columns[-1]
        for _ in range(2):  # twice is enough: the second pass removes rounding
            for known in columns:
                new = new - known * (known @ new)
        columns.append(new / np.linalg.norm(new))
    return np.column_stack(columns[1:]) if k > 1 else np.empty((k, 0))
