"""A fitted ``MixedLM`` of statsmodels as the referee sees it: design, variances and terms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from harness.model.design import Design, RandomDesign
from harness.referee.deviance import Likelihood, Point
from harness.referee.f_tests import Factor, FixedTerms

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
        self.result = result
        self.names = tuple(map(str, result.model.exog_names))
        self.beta = np.asarray(result.fe_params, dtype=np.float64)
        self.sigma = math.sqrt(result.scale) if result.scale > 0.0 else math.nan
        blocks = _effect_blocks(result)
        self.design = _design(result.model, self.names, blocks)
        psi = np.asarray(result.cov_re, dtype=np.float64).reshape(result.k_re, result.k_re)
        components = np.asarray(result.vcomp, dtype=np.float64).reshape(-1)
        self.covariances = [psi[np.ix_(block, block)] for block in blocks]
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
        # The criterion the result was fitted by; a later fit changes that of the model.
        likelihood = Likelihood(self.design, reml=bool(self.result.reml))
        return likelihood.at(likelihood.theta([c / self.sigma**2 for c in self.covariances]))


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
    if np.abs(np.asarray(result.cov_re)[~joined]).max(initial=0.0) > 0.0:
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
    random = [
        RandomDesign(
            "group",
            tuple(str(j) for j in block),
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
    levels = tuple(f"{model.group_labels[code // width]}:{code % width}" for code in present)
    return RandomDesign(name, (name,), z, index.astype(np.int32), levels)


def formula_terms(result: Any) -> FixedTerms:
    """Terms of the formula a model was built from, evaluated on its rows.

    Raises
    ------
    ValueError
        When the model was built from arrays.
    """
    data = result.model.data
    spec = getattr(data, "model_spec", None) or getattr(data, "design_info", None)
    frame = getattr(data, "frame", None)
    if spec is None or frame is None:
        raise ValueError(
            "the model was built from arrays and does not know its terms: build it by a formula, "
            "or give the contrasts of a term to f_test()"
        )
    if len(frame) != len(result.model.endog):
        frame = frame.loc[data.row_labels]
    return _patsy_terms(spec, frame) if hasattr(spec, "factor_infos") else _formulaic(spec, frame)


def _patsy_terms(spec: Any, frame: pd.DataFrame) -> FixedTerms:
    from patsy import NAAction
    from patsy.categorical import categorical_to_int

    factors = {}
    for factor, info in spec.factor_infos.items():
        values = factor.eval(info.state, frame)
        if info.type == "categorical":
            codes = categorical_to_int(values, info.categories, NAAction(NA_types=[]))
            values = np.eye(len(info.categories))[np.asarray(codes)]
        matrix = np.asarray(values, dtype=np.float64).reshape(len(frame), -1)
        factors[factor.name()] = Factor(factor.name(), matrix, info.type == "categorical")
    terms = tuple(tuple(f.name() for f in term.factors) for term in spec.terms)
    return FixedTerms(() in terms, tuple(t for t in terms if t), factors)


def _formulaic(spec: Any, frame: pd.DataFrame) -> FixedTerms:
    import formulaic

    terms = tuple(tuple(f.expr for f in t.factors if f.expr != "1") for t in spec.terms)
    factors = {}
    for name in dict.fromkeys(name for term in terms for name in term):
        alone = formulaic.Formula(f"0 + {name}")
        matrix = alone.get_model_matrix(frame, ensure_full_rank=False)
        categorical = bool(matrix.model_spec.factor_contrasts)
        factors[name] = Factor(name, matrix.to_numpy(dtype=np.float64), categorical)
    return FixedTerms(() in terms, tuple(t for t in terms if t), factors)
