"""A result of MixedLM as it is: its parameters, its design, its columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from harness.model.design import Design, RandomDesign
from harness.referee.deviance import Likelihood, Point

Array = NDArray[np.float64]


def unwrapped(result: Any) -> Any:
    """Return the MixedLMResults inside a wrapper, or advice."""
    from statsmodels.base.model import Model
    from statsmodels.regression.mixed_linear_model import MixedLMResults

    inner = getattr(result, "_results", result)
    if isinstance(inner, MixedLMResults):
        if not hasattr(inner, "freepat"):
            raise ValueError(
                "a fit by fit_regularized has no sampling theory for t tests; use fit()"
            )
        return inner
    if isinstance(result, Model):
        raise TypeError(f"this is a model, not a result: call {type(result).__name__}.fit() first")
    kind = type(getattr(inner, "model", inner)).__name__
    advice = {
        "OLS": "; its own t and F tests are exact, see result.summary()",
        "GEE": "; a marginal model has no variance components: use its robust standard errors",
    }.get(kind, "")
    raise TypeError(f"expected the result of statsmodels' MixedLM.fit(), got {kind}{advice}")


class MixedFit:
    """A MixedLM result with its design, one random term per independent block of effects.

    Attributes
    ----------
    result : MixedLMResults
    criterion : {"REML", "ML"}
        By which it was fitted; a later fit changes that of its model.
    names : tuple of str
        Of the fixed effects.
    beta : (p,) array
        Fixed effects as estimated.
    sigma : float
        Residual standard deviation, in the units of the data.
    covariances : list of (q, q) arrays
        Psi of each term of ``design.random``, in squared units of the data.

    Raises
    ------
    ValueError
        For penalised fits, held parameters, and variance components that give a row several
        effects.
    """

    def __init__(self, result: Any) -> None:
        if result.cov_pen is not None or result.model.fe_pen is not None:
            raise ValueError("a penalised fit has no sampling theory for t tests")
        if result.model.endog is None or result.model.exog is None:
            raise ValueError(
                "the result holds no data any more, as after remove_data(): fit again, or save it "
                "without remove_data=True"
            )
        self.result = result
        self.criterion: Literal["REML", "ML"] = "REML" if result.reml else "ML"
        self.names = tuple(map(str, result.model.exog_names))
        self.beta = np.asarray(result.fe_params, dtype=np.float64)
        self.sigma = math.sqrt(result.scale) if result.scale > 0.0 else math.nan
        self.blocks = _effect_blocks(result)
        self.design = _design(result.model, self.names, self.blocks)
        psi = np.asarray(result.cov_re, dtype=np.float64).reshape(result.k_re, result.k_re)
        components = np.asarray(result.vcomp, dtype=np.float64).reshape(-1)
        self.covariances = [psi[np.ix_(block, block)] for block in self.blocks]
        self.covariances += [np.full((1, 1), value) for value in components]

    @cached_property
    def point(self) -> Point:
        """The likelihood at the result's own variances."""
        for psi in self.covariances:
            finite = np.isfinite(psi).all() and math.isfinite(self.sigma)
            values = np.linalg.eigvalsh(psi) if finite else np.array([-math.inf])
            if values[0] < -1e-8 * max(float(values[-1]), float(self.result.scale)):
                raise ValueError(
                    "the estimated variances are outside the parameter space (a covariance matrix "
                    "with a negative eigenvalue, or no residual variance): fit again"
                )
        likelihood = Likelihood(self.design, reml=self.criterion == "REML")
        return likelihood.at(likelihood.theta([c / self.sigma**2 for c in self.covariances]))

    @property
    def held(self) -> float:
        """Largest covariance that ``free=`` holds at zero; 0 where all of them are, to rounding."""
        pattern = self.result.freepat
        return 0.0 if pattern is None else _held(self.result)

    @property
    def held_effects(self) -> tuple[str, str]:
        """Names of the two random effects of that covariance."""
        covariance = np.abs(np.asarray(self.result.cov_re, dtype=np.float64))
        joined = np.asarray(self.result.freepat.cov_re) != 0
        i, j = np.unravel_index(np.argmax(np.where(joined, -1.0, covariance)), covariance.shape)
        names = getattr(self.result.model.data, "exog_re_names", range(len(covariance)))
        return str(names[int(i)]), str(names[int(j)])

    @property
    def as_its_call_says(self) -> bool:
        """Whether ``free=`` was heeded: some methods ignore it."""
        return self.held == 0.0

    def variance_errors(self) -> list[Array]:
        """Return what the summary has as standard errors of variances, term by term."""
        packed = np.asarray(self.result.bse_re, dtype=np.float64)
        first = int(self.result.model.k_re2)
        # Lower triangle by rows: element (j, j) is number j (j + 3) / 2.
        own = [packed[[j * (j + 3) // 2 for j in block]] for block in self.blocks]
        return [*own, *packed[first:].reshape(-1, 1)]

    def effects(self) -> list[Array]:
        """Return the conditional modes term by term, (k, q) each, as ``design`` has the levels.

        Raises
        ------
        ValueError, LinAlgError
            When MixedLM refuses to compute them, as for a singular covariance matrix.
        """
        model, by_group = self.result.model, self.result.random_effects
        rows = [np.asarray(by_group[g], dtype=np.float64) for g in model.group_labels]
        out = [np.array([row[block] for row in rows]) for block in self.blocks]
        begin = np.full(len(rows), model.k_re)
        for matrices, term in zip(
            model.exog_vc.mats, self.design.random[len(self.blocks) :], strict=True
        ):
            # The groups, and the columns in them, that the levels of the term stand for.
            places = (level.rpartition(":") for level in term.levels)
            out.append(
                np.array([[rows[int(g)][begin[int(g)] + int(column)]] for g, _, column in places])
            )
            begin = begin + [matrix.shape[1] for matrix in matrices]
        return out


def _held(result: Any) -> float:
    covariance = np.abs(np.asarray(result.cov_re, dtype=np.float64))
    joined = np.asarray(result.freepat.cov_re) != 0
    largest = float(covariance[~joined].max(initial=0.0))
    return largest if largest > 1e-10 * float(covariance.max(initial=0.0)) else 0.0


def _effect_blocks(result: Any) -> list[NDArray[np.intp]]:
    """Which columns of ``exog_re`` are correlated with each other: one term each.

    Without ``free=`` all are. With it those are that its pattern joins; some methods ignore the
    pattern, and then the model that was fitted is the one with all covariances.
    """
    k = int(result.k_re)
    if not k:
        return []
    everything = [np.arange(k)]
    pattern = result.freepat
    if pattern is None:
        return everything
    joined = np.asarray(pattern.cov_re) != 0
    held = not np.diag(joined).all() or (np.asarray(pattern.fe_params) == 0).any()
    if held or (np.asarray(pattern.vcomp) == 0).any():
        raise ValueError("free= holds fixed effects or variances at a value; fit without that")
    if _held(result) > 0.0:
        return everything
    count, block = connected_components(sparse.csr_array(joined), directed=False)
    blocks = [np.flatnonzero(block == i) for i in range(count)]
    if not all(joined[np.ix_(b, b)].all() for b in blocks):
        raise ValueError("free= holds single covariances at zero inside a block; not supported")
    return blocks


def _design(model: Any, names: tuple[str, ...], blocks: list[NDArray[np.intp]]) -> Design:
    n = len(model.endog)
    groups = np.empty(n, dtype=np.int32)
    for i, label in enumerate(model.group_labels):
        groups[model.row_indices[label]] = i
    labels = tuple(map(str, model.group_labels))
    effects = getattr(model.data, "exog_re_names", None) or range(int(model.k_re))
    random = [
        RandomDesign(
            "group",
            tuple(str(effects[j]) for j in block),
            np.asarray(model.exog_re, dtype=np.float64)[:, block],
            groups,
            labels,
        )
        for block in blocks
    ]
    for name, matrices in zip(model.exog_vc.names, model.exog_vc.mats, strict=True):
        random.append(_component(model, str(name), matrices))
    x = np.ascontiguousarray(model.exog, dtype=np.float64)
    y = np.asarray(model.endog, dtype=np.float64)
    return Design(y, x, names, tuple(random), np.arange(n))


def _component(model: Any, name: str, matrices: Sequence[Any]) -> RandomDesign:
    """One variance component: within each group every column is an effect of its own.

    Raises
    ------
    ValueError
        When a row has several effects: the referee's terms have one level per row.
    """
    n, width = len(model.endog), 1 + max(matrix.shape[1] for matrix in matrices)
    z, codes = np.zeros((n, 1)), np.empty(n, dtype=np.int64)
    for i, (label, matrix) in enumerate(zip(model.group_labels, matrices, strict=True)):
        entries = sparse.csr_array(matrix)
        entries.eliminate_zeros()
        count = np.diff(entries.indptr)
        if count.max(initial=0) > 1:
            raise ValueError(
                f"variance component {name!r} gives one row several effects with a common "
                "variance; not supported"
            )
        rows = np.asarray(model.row_indices[label])
        codes[rows] = i * width  # a row without the effect: any level of the group will do
        z[rows[count == 1], 0] = entries.data
        codes[rows[count == 1]] += entries.indices
    present, index = np.unique(codes, return_inverse=True)
    levels = tuple(f"{code // width}:{code % width}" for code in present)
    return RandomDesign(name, (name,), z, index.astype(np.int32), levels)
