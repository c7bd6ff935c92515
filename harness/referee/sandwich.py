"""Robust standard errors of fixed effects: the sandwich, with residuals summed by subject.

    C (sum_i X_i'V_i^-1 r_i r_i'V_i^-1 X_i) C,    C = (X'V^-1 X)^-1,

over the groups of the outermost factor (Liang and Zeger 1986, Biometrika 73, 13-22), as PROC MIXED
with EMPIRICAL has it; nothing is done about small samples.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design
from harness.referee.conditional_modes import conditional_modes
from harness.referee.containment import nested_codes
from harness.referee.deviance import Point

Array = NDArray[np.float64]


def sandwich_errors(design: Design, point: Point, sigma: float) -> tuple[float, ...] | None:
    """Return robust standard errors; None where groups cross.

    Parameters
    ----------
    point : Point
        Of ``design``.
    sigma : float
        Residual standard deviation, in the units of the data.
    """
    nested = nested_codes(design) if design.random and design.residual is None else None
    if not nested:
        return None
    white = design.whitened()
    # H^-1 (y - X beta) is what is left of y beside its conditional modes.
    left = white.y - white.x @ point.beta
    for term, modes in zip(white.random, conditional_modes(point), strict=True):
        left -= (term.z * modes[term.codes]).sum(axis=1)
    _, subject = np.unique(nested[0], return_inverse=True)
    scores = np.zeros((int(subject.max()) + 1, white.x.shape[1]))
    np.add.at(scores, subject.reshape(-1), white.x * left[:, None])
    # Scores are relative to sigma^2, and C in the data's units is sigma^2 times what it is there.
    internal = sigma / point.likelihood.products.basis.y_scale
    bread = internal**2 * point.to_data(np.asarray(point.c, dtype=np.float64)) / sigma**2
    found = bread @ (scores.T @ scores) @ bread
    return tuple(math.sqrt(max(float(v), 0.0)) for v in np.diag(found))
