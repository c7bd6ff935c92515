"""Where statsmodels' optimizer went: its iterates, as covariance matrices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.base.model import LikelihoodModel
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

from harness.engines.statsmodels import StatsmodelsEngine
from harness.model.case import Case
from harness.model.column_match import match_columns
from harness.spelling.mixedlm_spelling import mixedlm_spelling
from harness.spelling.patsy_language import NotExpressible

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
    with _seen() as seen:
        StatsmodelsEngine().fit(case, "default")
    return iterates(case, seen.model, seen.points) if seen.model is not None else []


@dataclass
class _Seen:
    """A model that was fitted, and the iterates of its optimizers in its packed parameters."""

    model: Any = None
    points: list[Array] = field(default_factory=list)


def iterates(case: Case, model: Any, points: list[Array]) -> list[list[Array]]:
    """Return packed parameters of a MixedLM as :func:`statsmodels_path` does."""
    try:
        written = case.in_columns
        spelling = mixedlm_spelling(written.model, written.table, aliased=True)
    except NotExpressible:
        return []
    out = []
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
    for packed in _thinned(points):
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


def _thinned(points: list[Array]) -> list[Array]:
    kept = np.unique(np.linspace(0, max(len(points) - 1, 0), MOST).round().astype(int))
    return [points[i] for i in kept.tolist()] if points else []


@contextmanager
def _seen() -> Iterator[_Seen]:
    """Keep the iterates of every method that ``MixedLM.fit`` tries: it returns the last one's.

    For a method that keeps none, lbfgs, they are the points at which it asked for the likelihood.
    """
    seen = _Seen()
    asked: list[Array] = []
    mixed, single, loglike = MixedLM.fit, LikelihoodModel.fit, MixedLM.loglike

    def all_methods(self: Any, *arguments: Any, **named: Any) -> Any:
        seen.model = self
        return mixed(self, *arguments, **{"full_output": True, **named})

    def one_method(self: Any, *arguments: Any, **named: Any) -> Any:
        asked.clear()
        result = single(self, *arguments, **named)
        if isinstance(self, MixedLM):
            visited = (result.mle_retvals or {}).get("allvecs") or asked
            seen.points += [np.asarray(v, dtype=np.float64) for v in visited]
            seen.points.append(np.array(result.params, dtype=np.float64))
        return result

    def watched(self: Any, params: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(params, np.ndarray):
            asked.append(params.copy())
        return loglike(self, params, *arguments, **named)

    MixedLM.fit, LikelihoodModel.fit, MixedLM.loglike = all_methods, one_method, watched
    try:
        yield seen
    finally:
        MixedLM.fit, LikelihoodModel.fit, MixedLM.loglike = mixed, single, loglike
