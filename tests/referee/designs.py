"""Small random designs, and the likelihood written down directly, for the referee's tests."""

import numpy as np

from harness.model.design import Design, RandomDesign


def design(y, x, terms):
    """A design from y, X and (z, codes) pairs; names are x0, x1, ..., g0, g1, ..."""
    random = []
    for i, (effects, codes) in enumerate(terms):
        z = np.asarray(effects, dtype=float).reshape(len(codes), -1)
        levels = tuple(map(str, range(int(np.max(codes)) + 1)))
        names = tuple(f"z{j}" for j in range(z.shape[1]))
        random.append(RandomDesign(f"g{i}", names, z, np.asarray(codes, np.int32), levels))
    x = np.asarray(x, dtype=float)
    names = tuple(f"x{j}" for j in range(x.shape[1]))
    return Design(np.asarray(y, dtype=float), x, names, tuple(random), np.arange(len(y)))


def slope_data(seed, groups=6, per=5, q=2, sd=(1.0, 0.6, 0.4), unbalanced=True):
    """y, X and Z of a random-slope model, groups of different sizes; Z = [1, x, ...]."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(max(2, per - 2), per + 3, groups) if unbalanced else [per] * groups
    codes = np.repeat(np.arange(groups), sizes)
    n = len(codes)
    z = np.column_stack([np.ones(n), rng.normal(size=(n, q - 1))]) if q > 1 else np.ones((n, 1))
    u = rng.normal(size=(groups, q)) * np.asarray(sd)[:q]
    x = np.column_stack([np.ones(n), z[:, 1] if q > 1 else rng.normal(size=n)])
    y = x @ [2.0, -1.0] + (z * u[codes]).sum(1) + rng.normal(size=n)
    return y, x, z, codes


def structures(seed=0):
    """One design of each kind of random part, by name."""
    rng = np.random.default_rng(seed)
    y, x, z, g = slope_data(seed)
    n = len(y)
    one = np.ones(n)
    top = g // 3
    crossed = rng.integers(0, 4, n)
    y3, x3, z3, g3 = slope_data(seed + 1, groups=8, per=6, q=3)
    return {
        "intercept": design(y, x, [(one, g)]),
        "slope": design(y, x, [(z, g)]),
        "slope alone": design(y, x, [(z[:, 1], g)]),
        "independent": design(y, x, [(one, g), (z[:, 1], g)]),
        "three effects": design(y3, x3, [(z3, g3)]),
        "nested": design(y, x, [(one, top), (z, g)]),
        "crossed": design(y, x, [(z, g), (one, crossed)]),
        "crossed slopes": design(y, x, [(z, g), (z, crossed)]),
        "no constant": design(y, x[:, 1:], [(z, g)]),
    }


def dense(made, theta, *, reml, sigma=None):
    """Deviance, beta and C = (X'V^-1 X)^-1 from the full V: (Z P Z' + 1 / w) s2, by definition.

    ``theta`` is lme4's; sigma is profiled without one.
    """
    n, p = made.x.shape
    h = np.eye(n) if made.weights is None else np.diag(1.0 / made.weights)
    at = 0
    for term in made.random:
        q = term.z.shape[1]
        lower = np.zeros((q, q))
        for b in range(q):
            for a in range(b, q):
                lower[a, b] = theta[at]
                at += 1
        same = term.codes[:, None] == term.codes[None, :]
        h += same * (term.z @ lower @ lower.T @ term.z.T)
    x_h = np.linalg.solve(h, made.x)
    xhx = made.x.T @ x_h
    beta = np.linalg.solve(xhx, x_h.T @ made.y)
    r = made.y - made.x @ beta
    rss = float(r @ np.linalg.solve(h, r))
    m = n - p if reml else n
    s2 = rss / m if sigma is None else sigma**2
    value = m * np.log(2 * np.pi * s2) + np.linalg.slogdet(h)[1] + rss / s2
    if reml:
        value += np.linalg.slogdet(xhx)[1]
    return float(value), beta, s2 * np.linalg.inv(xhx)


def frame_columns(made):
    """The design as columns for R: y, x0, ..., and per term z and g; see r_scripts/data.R."""
    columns = {"y": made.y}
    columns |= {f"x{j}": np.ascontiguousarray(c) for j, c in enumerate(made.x.T)}
    for i, term in enumerate(made.random):
        columns |= {f"z{i}_{j}": np.ascontiguousarray(c) for j, c in enumerate(term.z.T)}
        columns[f"g{i}"] = {"codes": (term.codes + 1).astype(np.int32), "levels": term.levels}
    return columns


def r_formula(made):
    """The model in R, its columns given as they are; terms keep their order only in the formula."""
    fixed = " + ".join(f"x{j}" for j in range(made.x.shape[1]))
    bars = [
        "(0 + " + " + ".join(f"z{i}_{j}" for j in range(t.z.shape[1])) + f" | g{i})"
        for i, t in enumerate(made.random)
    ]
    return f"y ~ 0 + {' + '.join([fixed, *bars])}"


def lme4_order(made):
    """Order of theta in lme4: terms by falling number of levels, ties as written."""
    terms = sorted(range(len(made.random)), key=lambda i: -len(made.random[i].levels))
    sizes = [t.z.shape[1] * (t.z.shape[1] + 1) // 2 for t in made.random]
    starts = np.cumsum([0, *sizes])
    return np.concatenate([np.arange(starts[i], starts[i + 1]) for i in terms])
