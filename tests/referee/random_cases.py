"""Random clustered data sets, a third of them with a variance of zero, from a seed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.data.datasets import Dataset
from harness.data.rungs import Rung
from harness.model.case import Case
from harness.model.model import bind, parse_model


@dataclass(frozen=True)
class _Kind:
    """A model, its weight, whether it has a second factor, and SDs of intercept and slopes."""

    formula: str
    weight: int
    factors: tuple[str, ...] = ("g",)
    effects: int = 1


KINDS = {
    "intercept": _Kind("y ~ x + (1 | g)", 4),
    "slope": _Kind("y ~ x + (x | g)", 6, effects=2),
    "independent": _Kind("y ~ x + (x || g)", 3, effects=2),
    "predictors": _Kind("y ~ x + v + t + (1 | g)", 2),
    "group predictor": _Kind("y ~ x + w + (x | g)", 2, effects=2),
    "interaction": _Kind("y ~ x * w + (1 | g)", 1),
    "two slopes": _Kind("y ~ x + v + (x + v | g)", 1, effects=3),
    "no predictor": _Kind("y ~ 1 + (1 | g)", 1),
    "nested": _Kind("y ~ x + (1 | g/h)", 2, ("g", "h")),
    "crossed": _Kind("y ~ x + (1 | g) + (1 | h)", 2, ("g", "h")),
    "crossed slope": _Kind("y ~ x + (x | g) + (1 | h)", 1, ("g", "h"), effects=2),
}


def random_rung(seed):
    """Data set and model number ``seed``; even seeds are REML, odd ones ML."""
    rng = np.random.default_rng([2015, seed])
    kinds = [name for name, kind in KINDS.items() for _ in range(kind.weight)]
    name = str(rng.choice(kinds))
    kind = KINDS[name]
    criterion = ("REML", "ML")[seed % 2]
    frame = _frame(rng, kind)
    case = Case(
        f"random/{seed}/{name}/{criterion}",
        parse_model(kind.formula, criterion),
        bind(parse_model(kind.formula, criterion), frame, factors=(*kind.factors, "t")),
    )
    data = Dataset(f"random {seed}", frame, "simulated")
    return Rung(case, f"random {seed}", "Random data", "x", data)


def _frame(rng, kind):
    groups = int(rng.choice([3, 4, 6, 9, 15, 24]))
    per = int(rng.choice([3, 5, 8] if groups > 6 else [5, 8, 12]))
    if rng.random() < 0.6:
        sizes = np.maximum(rng.poisson(per, groups), 1 + kind.effects)
    else:
        sizes = np.full(groups, per)
    g = np.repeat(np.arange(groups), sizes)
    n = len(g)
    # Within groups, partly between them, or nearly constant in them.
    between = rng.choice([0.0, 1.0, 3.0])
    x = rng.normal(size=n) + between * rng.normal(size=groups)[g]
    v = rng.normal(size=n)
    t = rng.permutation(np.arange(n) % 3)
    w = rng.normal(size=groups)[g]
    sd = rng.choice([0.0, 0.3, 1.0, 2.0], size=kind.effects, p=[0.2, 0.3, 0.3, 0.2])
    root = np.linalg.cholesky(_correlation(rng, kind.effects))
    u = rng.normal(size=(groups, kind.effects)) @ root.T * sd
    z = np.column_stack([np.ones(n), x, v])[:, : kind.effects]
    y = 2.0 + 0.7 * x + 0.3 * v + 0.5 * (t == 1) - 0.4 * w
    y += (z * u[g]).sum(axis=1) + rng.normal(size=n)
    h = np.zeros(n, dtype=int)
    if "h" in kind.factors:
        others = int(rng.integers(3, 7))
        h = rng.permutation(np.arange(n) % others)
        # (1 | g/h) makes its own levels of h within each g, in crossed models h is one factor.
        cell = g * others + h if "/" in kind.formula else h
        y += rng.choice([0.0, 0.7, 1.5]) * rng.normal(size=cell.max() + 1)[cell]
    # Units that users have: thousands, percentages, years, a large origin.
    y = float(rng.choice([1.0, 1.0, 1e-3, 1e3])) * y + float(rng.choice([0.0, 0.0, 500.0]))
    x = float(rng.choice([1.0, 1.0, 0.02, 30.0])) * x + float(rng.choice([0.0, 0.0, 0.0, 20.0]))
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "v": v,
            "w": w,
            "t": [f"t{k}" for k in t],
            "g": [f"g{k:02d}" for k in g],
            "h": [f"h{k}" for k in h],
        }
    )


def _correlation(rng, size):
    a = rng.normal(size=(size, size + 1))
    s = a @ a.T
    d = np.sqrt(np.diag(s))
    return s / np.outer(d, d)
