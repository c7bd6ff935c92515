"""Cases with structured random terms."""

import numpy as np
import pandas as pd

from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.model.structure import STRUCTURES, parameter_count

MODELS = {
    "diag": "y ~ x + diag(1 + x | s)",
    "diag of a factor": "y ~ x + diag(0 + f | s)",
    "homdiag": "y ~ x + homdiag(0 + f | s)",
    "cs": "y ~ x + cs(0 + f | s)",
    "homcs": "y ~ x + homcs(0 + f | s)",
    "ar1": "y ~ x + ar1(0 + f | s)",
    "hetar1": "y ~ x + hetar1(0 + f | s)",
    "cs with a slope": "y ~ x + cs(1 + x | s)",
    "beside others": "y ~ x + ar1(0 + f | s) + (x | g)",
    "two": "y ~ x + homcs(0 + f | s) + diag(1 + x | g)",
}
"""Formulas, by name."""


def repeats(seed=0, subjects=6, levels=3, times=2, lost=0.1):
    """Levels of a factor, measured more than once in each subject, some rows missing."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"s{i}", f"l{j}", f"g{(i + j) % 4}")
        for i in range(subjects)
        for j in range(levels)
        for _ in range(times)
        if rng.random() >= lost or i < 2
    ]
    frame = pd.DataFrame(rows, columns=["s", "f", "g"])
    frame["x"] = 3.0 + rng.normal(size=len(frame))
    own = {key: rng.normal() for key in dict.fromkeys((s, f) for s, f, _ in rows)}
    more = {s: rng.normal() for s in frame["s"].unique()}
    frame["y"] = frame["x"] + frame["s"].map(more) + 0.5 * rng.normal(size=len(frame))
    frame["y"] += [own[key] for key in zip(frame["s"], frame["f"], strict=True)]
    return frame


def made(name, seed=0, **options):
    """The design of one of MODELS, or of a formula."""
    model = parse_model(MODELS.get(name, name))
    return build_design(model, bind(model, repeats(seed, **options)))


def some_theta(design, seed=0):
    """A point inside the parameter space."""
    rng = np.random.default_rng(seed)
    out = []
    for term in design.random:
        k = parameter_count(term.structure, term.z.shape[1])
        own = rng.uniform(0.4, 1.1, k)
        if term.structure and STRUCTURES[term.structure].correlation:
            own[-1] = rng.choice([-0.3, 0.45])
        out.append(own)
    return np.concatenate(out)
