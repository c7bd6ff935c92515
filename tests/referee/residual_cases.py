"""Cases with residual covariances."""

import numpy as np
import pandas as pd

from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.referee.residual_likelihood import likelihood_of

MODELS = {
    "ar1": ("y ~ x", "ar1(visit | s)"),
    "ar1, intercept": ("y ~ x + (1 | s)", "ar1(visit | s)"),
    "ar1, slopes, strata": ("y ~ x + (x | s)", "ar1(visit | s) + het(sex)"),
    "car1, strata": ("y ~ x + (1 | s)", "car1(time | s) + het(sex)"),
    "cs": ("y ~ x", "cs(1 | s)"),
    "cs across groups": ("y ~ x + (1 | sex)", "cs(1 | s)"),
    "toep": ("y ~ x", "toep(visit | s)"),
    "corr": ("y ~ x", "corr(visit | s)"),
    "us, crossed": ("y ~ x + (1 | sex)", "us(visit | s)"),
    "us, strata": ("y ~ x", "us(visit | s) + het(sex)"),
    "het": ("y ~ x + (1 | s)", "het(sex)"),
    "het twice": ("y ~ x", "het(sex) + het(visit)"),
    "crossed": ("y ~ x + (1 | visit)", "ar1(visit | s)"),
}
"""Formula and residual covariance, by name."""


def visits(seed=0, subjects=6, times=3, lost=0.1):
    """Visits of subjects, some of them missed; times are not equally spaced."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"s{i}", j, j + 0.5 * float(rng.random()), "fm"[i % 2])
        for i in range(subjects)
        for j in range(times)
        if rng.random() >= lost or i < 2
    ]
    frame = pd.DataFrame(rows, columns=["s", "visit", "time", "sex"])
    frame["x"] = rng.normal(size=len(frame))
    own = {s: rng.normal() for s in frame["s"].unique()}
    frame["y"] = frame["x"] + frame["s"].map(own) + rng.normal(size=len(frame))
    return frame


def made(name, seed=0, **options):
    """The design of one of MODELS."""
    formula, residual = MODELS[name]
    model = parse_model(formula, "REML", residual)
    return build_design(model, bind(model, visits(seed, **options)))


def some_theta(design, seed=0):
    """A point inside the parameter space."""
    rng = np.random.default_rng(seed)
    elements = sum(q * (q + 1) // 2 for q in (t.z.shape[1] for t in design.random))
    own = design.residual
    phi = rng.uniform(0.1, 0.25, len(own.names))
    if own.structure == "car1":
        phi[0] = -phi[0]  # a logarithm
    return np.concatenate([rng.uniform(0.3, 0.9, elements), phi])


def point(design, theta, *, reml):
    """The referee's point."""
    return likelihood_of(design, reml=reml).at(theta)
