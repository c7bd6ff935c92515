"""Where statsmodels' optimizer went: its iterates, as covariance matrices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

from harness.cases.case import Case
from harness.cases.spelling import NotExpressible, mixedlm_spelling
from harness.engines.column_match import match_columns
from harness.engines.statsmodels import StatsmodelsEngine

Array = NDArray[np.float64]

MOST = 200
"""Points of a path that are kept, evenly taken."""


def statsmodels_path(case: Case) -> list[list[Array]]:
    """Fit by MixedLM as it comes and return its iterates, those of all methods in turn.

    Returns
    -------
    list of list of (q, q) arrays
        Covariance matrices relative to the residual variance, term by term; empty when MixedLM
        cannot be given the case, or fails.
    """
    with _seen() as results:
        StatsmodelsEngine().fit(case, "default")
    return iterates(case, results[-1]) if results else []


def iterates(case: Case, result: Any) -> list[list[Array]]:
    """Return the iterates of a result of ``MixedLM.fit``, as :func:`statsmodels_path` does."""
    try:
        spelling = mixedlm_spelling(case.model, case.table, aliased=True)
    except NotExpressible:
        return []
    model, out = result.model, []
    places: list[list[int] | int] = []
    for term, component in zip(case.design.random, spelling.components, strict=True):
        if component is not None:
            if component not in model.exog_vc.names:
                return []
            places.append(model.exog_vc.names.index(component))
            continue
        found = match_columns(term.z, np.asarray(model.exog_re, dtype=np.float64))
        if -1 in found.engine:
            return []
        places.append(list(found.engine))
    for packed in _thinned(_packed(result)):
        params = MixedLMParams.from_packed(
            packed, model.k_fe, model.k_re, use_sqrt=model.use_sqrt, has_fe=False
        )
        out.append(
            [
                np.full((1, 1), float(params.vcomp[place]))
                if isinstance(place, int)
                else np.asarray(params.cov_re, dtype=np.float64)[np.ix_(place, place)]
                for place in places
            ]
        )
    return out


def _packed(result: Any) -> list[Array]:
    every: list[Array] = []
    for one in getattr(result, "hist", None) or []:
        every += [np.asarray(v, dtype=np.float64) for v in one.get("allvecs") or []]
    return every


def _thinned(points: list[Array]) -> list[Array]:
    kept = np.unique(np.linspace(0, max(len(points) - 1, 0), MOST).round().astype(int))
    return [points[i] for i in kept.tolist()] if points else []


@contextmanager
def _seen() -> Iterator[list[Any]]:
    """Keep the results of ``MixedLM.fit`` meanwhile, asked for their iterates besides."""
    results: list[Any] = []
    fit = MixedLM.fit

    def watched(self: Any, *arguments: Any, **named: Any) -> Any:
        result = fit(self, *arguments, **{"full_output": True, **named})
        results.append(result)
        return result

    MixedLM.fit = watched
    try:
        yield results
    finally:
        MixedLM.fit = fit
