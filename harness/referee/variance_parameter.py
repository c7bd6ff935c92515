"""Variance parameters of a model: standard deviations, correlations, and the residual's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design
from harness.model.structure import STRUCTURES

Array = NDArray[np.float64]

EDGE = 1e-6
"""A correlation nearer to +-1 than this is at the boundary."""


@dataclass(frozen=True)
class Parameter:
    """A variance parameter: ``scale`` is ``sd``, ``correlation`` or ``sigma``."""

    scale: str
    term: int = -1
    effects: tuple[int, ...] = ()

    def label(self, design: Design) -> str:
        """Return its name in the user's columns."""
        if self.scale == "sigma":
            return "residual SD"
        term = design.random[self.term]
        structure = STRUCTURES.get(term.structure)
        if structure is not None and self.scale == "correlation":
            which = "neighbours" if structure.correlation == "ar1" else "any two effects"
            return f"correlation of {which} by {term.group}"
        if structure is not None and structure.one_variance:
            return f"SD of each effect by {term.group}"
        names = [term.names[i] for i in self.effects]
        what = "SD of" if self.scale == "sd" else "correlation of"
        return f"{what} {' and '.join(names)} by {term.group}"

    def value(self, covariances: Sequence[Array], sigma: float) -> float:
        """Return its value for covariance matrices in squared units of the data; NaN if none."""
        if self.scale == "sigma":
            return sigma
        psi = covariances[self.term]
        i = self.effects[0]
        if self.scale == "sd":
            return math.sqrt(max(float(psi[i, i]), 0.0))
        j = self.effects[1]
        size = float(psi[i, i] * psi[j, j])
        if not size > 0.0:
            return math.nan
        return min(max(float(psi[i, j]) / math.sqrt(size), -1.0), 1.0)

    @property
    def bounds(self) -> tuple[float, float]:
        """Ends of the parameter space."""
        return (-1.0, 1.0) if self.scale == "correlation" else (0.0, math.inf)


def parameters(design: Design) -> list[Parameter]:
    """Every variance parameter of a model: SDs of a term, then its correlations; sigma last.

    Of a term with a structure those that the structure has.
    """
    out = []
    for t, term in enumerate(design.random):
        q = len(term.names)
        if term.structure:
            own = STRUCTURES[term.structure]
            out += [Parameter("sd", t, (i,)) for i in range(1 if own.one_variance else q)]
            out += [Parameter("correlation", t, (0, 1))] if own.correlation else []
            continue
        out += [Parameter("sd", t, (i,)) for i in range(q)]
        out += [Parameter("correlation", t, (i, j)) for j in range(q) for i in range(j)]
    return [*out, Parameter("sigma")]
