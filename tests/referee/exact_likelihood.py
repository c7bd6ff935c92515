"""The likelihood of any design, written down directly with mpmath: the definition, no algebra."""

from dataclasses import dataclass

import mpmath
import numpy as np

from harness.model.structure import parameter_count

DIGITS = 40


@dataclass(frozen=True)
class ExactPoint:
    """The pieces of the likelihood at one theta, V being sigma^2 H."""

    n: int
    p: int
    log_det_h: mpmath.mpf
    log_det_xhx: mpmath.mpf
    rss: mpmath.mpf
    beta: mpmath.matrix

    def deviance(self, sigma=None, *, reml):
        """-2 log L; at the best sigma without one."""
        m = self.n - self.p if reml else self.n
        s2 = self.rss / m if sigma is None else sigma**2
        value = m * mpmath.log(2 * mpmath.pi * s2) + self.log_det_h + self.rss / s2
        return value + self.log_det_xhx if reml else value


def exact_point(design, theta):
    """Evaluate H, of theta and then phi, and what is made of it. Doubles are taken as they are."""
    with mpmath.workdps(DIGITS):
        theta = [mpmath.mpf(v) for v in theta]
        n, p = design.x.shape
        h, at = _residual(design, theta), 0
        for term in design.random:
            k = parameter_count(term.structure, term.z.shape[1])
            z = mpmath.matrix(term.z.tolist())
            full = z * _psi(term, theta[at : at + k]) * z.T
            at += k
            for i in range(n):
                for j in range(n):
                    if term.codes[i] == term.codes[j]:
                        h[i, j] += full[i, j]
        x, y = mpmath.matrix(design.x.tolist()), mpmath.matrix(design.y.tolist())
        inverse = h**-1
        xhx = x.T * inverse * x
        beta = xhx**-1 * (x.T * inverse * y)
        left = y - x * beta
        rss = (left.T * inverse * left)[0]
        return ExactPoint(n, p, mpmath.log(mpmath.det(h)), mpmath.log(mpmath.det(xhx)), rss, beta)


def exact_deviance(design, theta, sigma=None, *, reml):
    """-2 log L; at the best sigma without one."""
    with mpmath.workdps(DIGITS):
        sigma = None if sigma is None else mpmath.mpf(sigma)
        return exact_point(design, theta).deviance(sigma, reml=reml)


def exact_derivatives(design, theta, sigma, *, reml):
    """Gradient and Hessian of the deviance in (theta, sigma), by differences, as doubles."""
    with mpmath.workdps(DIGITS):
        h = mpmath.mpf("1e-10")  # errors of h^2 and of 1e-40 / h^2, both 1e-20
        start = [mpmath.mpf(v) for v in (*theta, sigma)]
        k = len(start)

        def at(*moves):
            moved = list(start)
            for i, sign in moves:
                moved[i] += sign * h
            return exact_deviance(design, moved[:-1], moved[-1], reml=reml)

        middle = at()
        ahead = [at((i, 1)) for i in range(k)]
        behind = [at((i, -1)) for i in range(k)]
        gradient = [float((a - b) / (2 * h)) for a, b in zip(ahead, behind, strict=True)]
        hessian = np.empty((k, k))
        for i in range(k):
            for j in range(i + 1):
                both = at((i, 1), (j, 1)) + at((i, -1), (j, -1)) + 2 * middle
                both -= ahead[i] + behind[i] + ahead[j] + behind[j]
                hessian[i, j] = hessian[j, i] = float(both / (2 * h**2))
    return np.array(gradient), hessian


def _psi(term, theta):
    """Psi by the definition of each structure."""
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


def _residual(design, theta):
    """R / sigma^2 by the definition of each structure, or of weights."""
    own, n = design.residual, len(design.y)
    weights = np.ones(n) if design.weights is None else design.weights
    weights = [mpmath.mpf(float(w)) for w in weights]
    if own is None:
        return mpmath.diag([1 / w for w in weights])
    phi = theta[len(theta) - len(own.names) :]
    pairs = [tuple(pair) for pair in own.pairs.tolist()]

    def deviation(i):
        at, out = own.correlations, 1 / mpmath.sqrt(weights[i])
        for codes in own.strata:
            if codes[i]:
                out *= mpmath.exp(phi[at + int(codes[i]) - 1])
            at += int(codes.max())
        return out

    def correlation(i, j):
        if i == j:
            return mpmath.mpf(1)
        if own.group[i] != own.group[j]:
            return mpmath.mpf(0)
        low, high = sorted((float(own.position[i]), float(own.position[j])))
        match own.structure:
            case "ar1":
                return phi[0] ** int(high - low)
            case "car1":
                return mpmath.exp(phi[0] * (mpmath.mpf(high) - mpmath.mpf(low)))
            case "cs":
                return phi[0]
            case "toep":
                return phi[pairs.index((int(high - low),) * 2)]
            case "corr" | "us":
                return phi[pairs.index((int(low), int(high)))]
        raise AssertionError(own.structure)

    return mpmath.matrix(
        [[deviation(i) * deviation(j) * correlation(i, j) for j in range(n)] for i in range(n)]
    )
