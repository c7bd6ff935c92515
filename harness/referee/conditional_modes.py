"""Conditional modes (BLUPs) of the random effects at a point (Henderson 1975; Robinson 1991)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.referee.deviance import Point

Array = NDArray[np.float64]


def conditional_modes(point: Point) -> list[Array]:
    """Return u = Psi Z'V^-1 (y - X beta) by term, (k, q) each, in the units of the data."""
    basis = point.likelihood.products.basis
    out = []
    for t, (q, levels) in enumerate(
        zip(point.likelihood.products.sizes, point.likelihood.products.levels, strict=True)
    ):
        psi = point.lambdas[t] @ point.lambdas[t].T
        modes = np.empty((levels, q))
        for part in point.solved:
            at = part.bucket.slots[t]
            modes[at.level] = part.u[at.block[:, None], at.columns] @ psi
        out.append(basis.y_scale * modes @ np.linalg.inv(basis.effects[t]).T)
    return out
