"""Kenward and Roger's adjustment from the full matrices, by definition."""

import numpy as np


def dense_kenward_roger(x, v, first, second=None):
    """Phi_A and the df of each coefficient: equations 3 and 6 to 9 of Kenward and Roger (1997).

    ``first`` and ``second`` are the derivatives of V, n by n each, in its parameters; V is linear
    in them without ``second``.
    """
    k = len(first)
    y = np.linalg.solve(v, x)
    scaled = [np.linalg.solve(v, g) for g in first]
    phi = np.linalg.inv(x.T @ y)
    p = [-y.T @ g @ y for g in first]
    information, inner = np.zeros((k, k)), np.zeros((k, k, *phi.shape))
    for i in range(k):
        for j in range(k):
            q = y.T @ first[i] @ scaled[j] @ y
            information[i, j] = (scaled[i] * scaled[j].T).sum() - 2.0 * np.trace(phi @ q)
            information[i, j] += np.trace(phi @ p[i] @ phi @ p[j])
            inner[i, j] = q - p[i] @ phi @ p[j]
            if second is not None:
                inner[i, j] -= 0.25 * y.T @ second[i][j] @ y
    w = 2.0 * np.linalg.inv(information)
    u = np.array([np.diag(phi @ one @ phi) / np.diag(phi) for one in p])
    df = 2.0 / np.einsum("il,ij,jl->l", u, w, u)
    return phi + 2.0 * phi @ np.einsum("ij,ijkl->kl", w, inner) @ phi, df
