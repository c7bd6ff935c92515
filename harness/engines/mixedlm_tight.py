"""The tight setting of statsmodels: several methods and starts, the best of them kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from statsmodels.regression.mixed_linear_model import MixedLMParams

from harness.engines.engine import Message
from harness.engines.warning_capture import captured


@dataclass(frozen=True)
class TightSearch:
    """One optimizer run: its result and what was said during it."""

    result: Any
    messages: tuple[Message, ...]


def fit_tight(
    build: Callable[[], Any], arguments: dict[str, Any]
) -> tuple[TightSearch, tuple[str, ...]]:
    """Take the best of several methods and starts.

    MixedLM's gradient has the wrong sign in a column of the Cholesky factor whose diagonal turns
    negative, so a gradient method that meets one stops there, wherever that is. Two starts that end
    at the same log-likelihood are taken for the optimum; otherwise Powell's method, which uses no
    gradient, goes on from the best. It ignores ``free=``, so a model with uncorrelated effects gets
    conjugate gradients and a third start instead.
    """
    unit, small, large = 1.0, 0.1, 10.0
    runs = [
        _run(build, arguments, "bfgs", scale=unit, **_BFGS),
        _run(build, arguments, "bfgs", scale=small, **_BFGS),
    ]
    tried = ["bfgs from cov_re = I and 0.1 I (gtol 1e-10)"]
    if not _agree(runs):
        runs.append(_run(build, arguments, "lbfgs", scale=unit))
        tried.append("lbfgs from I")
    if not _agree(runs):
        if "free" in arguments:
            runs.append(_run(build, arguments, "cg", scale=large, gtol=1e-10, maxiter=500))
            tried.append("cg from 10 I")
        else:
            runs.append(_run(build, arguments, "powell", start=_best(runs), ftol=1e-14))
            tried.append("powell from the best (ftol 1e-14)")
        runs.append(_run(build, arguments, "bfgs", start=_best(runs), **_BFGS))
        tried.append("bfgs from the best")
    best = _best(runs)
    if best is None:
        raise RuntimeError(f"no fit succeeded: {'; '.join(tried)}")
    return best, tuple(tried)


_BFGS: dict[str, Any] = {"gtol": 1e-10, "maxiter": 2000}


def _agree(runs: list[TightSearch | None]) -> bool:
    """Whether the two best runs end at the same log-likelihood, to 1e-8 and rounding."""
    found = sorted((run.result.llf for run in runs if run is not None), reverse=True)
    return len(found) > 1 and found[0] - found[1] <= 1e-8 + 1e-12 * abs(found[0])


def _best(runs: list[TightSearch | None]) -> TightSearch | None:
    done = [run for run in runs if run is not None]
    return max(done, key=lambda run: run.result.llf) if done else None


def _run(
    build: Callable[[], Any],
    arguments: dict[str, Any],
    method: str,
    *,
    scale: float = 1.0,
    start: TightSearch | None = None,
    **tolerances: Any,
) -> TightSearch | None:
    """Run one method from a multiple of the identity or from another run's answer.

    None when it ends in an error or, as at an exactly zero covariance, with an infinite likelihood.
    """
    model = build()
    if start is None:
        point = MixedLMParams.from_components(
            fe_params=np.zeros(model.k_fe),
            cov_re=scale * np.eye(model.k_re),
            vcomp=scale * np.ones(model.k_vc),
        )
    else:
        point = MixedLMParams.from_components(
            fe_params=start.result.fe_params,
            cov_re=start.result.cov_re_unscaled,
            vcomp=start.result.vcomp / start.result.scale,
        )
    messages: list[Message] = []
    try:
        with captured(messages):
            result = model.fit(start_params=point, method=[method], **tolerances, **arguments)
            finite = bool(np.isfinite(result.llf))
    except (np.linalg.LinAlgError, ValueError, FloatingPointError):
        return None  # a start from which the optimizer leaves the domain; others remain
    return TightSearch(result, tuple(messages)) if finite else None
