"""Cases with structured random terms, and their likelihood written down directly with mpmath."""

import mpmath
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


def exact_psi(term, theta):
    """Psi by the definition of each structure, in mpmath numbers."""
    q = term.z.shape[1]
    psi = mpmath.zeros(q)
    if not term.structure:
        lower, at = mpmath.zeros(q), 0
        for b in range(q):
            for a in range(b, q):
                lower[a, b] = theta[at]
                at += 1
        return lower * lower.T
    sd = {"homdiag": 1, "homcs": 1, "ar1": 1}.get(term.structure, q)
    for i in range(q):
        for j in range(q):
            value = theta[i % sd] * theta[j % sd]
            if i != j:
                rho = 0 if term.structure in ("diag", "homdiag") else theta[sd]
                value *= rho ** (abs(i - j) if "ar1" in term.structure else 1)
            psi[i, j] = value
    return psi


def exact_deviance(design, theta, sigma, *, reml):
    """-2 log L by definition, in mpmath numbers."""
    n, p = design.x.shape
    v = mpmath.eye(n)
    if design.weights is not None:
        v = mpmath.diag([1 / mpmath.mpf(float(w)) for w in design.weights])
    at = 0
    for term in design.random:
        k = parameter_count(term.structure, term.z.shape[1])
        z = mpmath.matrix(term.z.tolist())
        full = z * exact_psi(term, theta[at : at + k]) * z.T
        at += k
        for i in range(n):
            for j in range(n):
                if term.codes[i] == term.codes[j]:
                    v[i, j] += full[i, j]
    v *= sigma**2
    x, y = mpmath.matrix(design.x.tolist()), mpmath.matrix(design.y.tolist())
    inverse = v**-1
    xvx = x.T * inverse * x
    left = y - x * (xvx**-1 * (x.T * inverse * y))
    value = mpmath.log(mpmath.det(v)) + (left.T * inverse * left)[0]
    value += (n - p if reml else n) * mpmath.log(2 * mpmath.pi)
    return value + mpmath.log(mpmath.det(xvx)) if reml else value
