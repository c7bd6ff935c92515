"""Cases with structured random terms beside a residual covariance."""

import numpy as np

from harness.model.design import build_design
from harness.model.model import bind, parse_model
from tests.referee.structured_cases import repeats
from tests.referee.structured_cases import some_theta as some_random

MODELS = {
    "diag, ar1": ("y ~ x + diag(1 + x | s)", "ar1(visit | s)"),
    "homdiag, cs": ("y ~ x + homdiag(0 + f | s)", "cs(1 | s)"),
    "cs, car1": ("y ~ x + cs(0 + f | s)", "car1(time | s)"),
    "homcs, ar1": ("y ~ x + homcs(0 + f | s)", "ar1(visit | s)"),
    "ar1, ar1": ("y ~ x + ar1(0 + f | s)", "ar1(visit | s)"),
    "homcs, het": ("y ~ x + homcs(0 + f | s)", "het(sex)"),
    "homcs, ar1 and het": ("y ~ x + homcs(0 + f | s)", "ar1(visit | s) + het(sex)"),
    "ar1, corr": ("y ~ x + ar1(0 + f | s)", "corr(turn | s:f)"),
    "hetar1, toep": ("y ~ x + hetar1(0 + f | s)", "toep(place | s)"),
    "two, ar1": ("y ~ x + homcs(0 + f | s) + diag(1 + x | g)", "ar1(visit | s)"),
    "beside others, us": ("y ~ x + diag(0 + f | g) + (1 | g)", "us(place | s)"),
}
"""Formula and residual covariance, by name."""


def visited(seed=0, **options):
    """Levels of a factor in subjects as ever, the rows of a subject numbered, with gaps."""
    frame = repeats(seed, **options)
    rng = np.random.default_rng(seed + 1000)
    frame["place"] = frame.groupby("s").cumcount()
    frame["turn"] = frame.groupby(["s", "f"]).cumcount()
    frame["gap"] = rng.integers(1, 3, len(frame))
    frame["visit"] = frame.groupby("s")["gap"].cumsum()
    frame["time"] = frame["visit"] + 0.4 * rng.random(len(frame))
    frame["sex"] = [("f", "m")[int(s[1:]) % 2] for s in frame["s"]]
    return frame.drop(columns="gap")


def made(name, seed=0, **options):
    """The design of one of MODELS."""
    model = parse_model(MODELS[name][0], "REML", MODELS[name][1])
    return build_design(model, bind(model, visited(seed, **options)))


def some_theta(design, seed=0):
    """A point inside the parameter space."""
    rng = np.random.default_rng(seed)
    phi = rng.uniform(0.05, 0.2, len(design.residual.names))
    if design.residual.structure == "car1":
        phi[0] = -phi[0]  # a logarithm
    return np.concatenate([some_random(design, seed), phi])
