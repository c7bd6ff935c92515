"""Generated data whose predictor is far from zero or in units far from 1, by kind and seed."""

import numpy as np
import pandas as pd

# Where a predictor starts, and how far it reaches.
KINDS = {
    "year": (1990, 30),
    "unix time": (1.6e9, 3e7),
    "julian date": (2459000, 400),
    "day number": (737800, 84),
    "wavelength": (400e-9, 300e-9),
    "income": (30000, 90000),
    "kelvin": (285, 25),
    "frequency": (1.2e6, 1.3e6),
    "days": (0, 9),
    "seconds": (0, 800000),
}

FORMULAS = (
    "y ~ x + (x | g)",
    "y ~ x + (1 | g)",
    "y ~ x * f + (x | g)",
    "y ~ x * w + (x | g)",
    "y ~ f:x + (x | g)",
    "y ~ x + (x || g)",
    "y ~ x + (x | g) + (1 | b)",
)


def generated(kind, formula, seed):
    """A table with outcome y, predictors x and w, factor f, groups g and b."""
    rng = np.random.default_rng(seed)
    groups, rows = int(rng.integers(6, 13)), int(rng.integers(4, 9))
    g = np.repeat(np.arange(groups), rows)
    n = len(g)
    start, reach = KINDS[kind]
    t = rng.uniform(size=n)
    x = start + reach * t
    if reach > 20:
        x = np.round(x)
        t = (x - start) / reach
    w, f, b = rng.normal(size=n), rng.integers(0, 2, n), np.arange(n) % 5
    effects = rng.multivariate_normal([0, 0], [[2, 0.5], [0.5, rng.uniform(0.2, 2)]], groups)
    y = 10 + 2 * t + 0.5 * f + 0.3 * w * ("w" in formula)
    y = y + effects[g, 0] + effects[g, 1] * t + rng.normal(size=n)
    if "| b" in formula:
        y = y + rng.normal(size=5)[b]
    return pd.DataFrame(
        {
            "y": y.round(2),
            "x": x,
            "w": w.round(3),
            "f": np.array(["a", "b"])[f],
            "g": [f"g{i}" for i in g],
            "b": [f"b{i}" for i in b],
        }
    )
