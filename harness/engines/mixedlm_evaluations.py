"""What MixedLM's likelihood was at a point, kept: several methods go through the same points.

A default fit begins with bfgs, so do its tight form and ``minimize``, and each evaluation goes
through all groups in Python. What is kept is what the model itself returned, for the same data, the
same criterion and the same bits of the point.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.model.case import Case


@dataclass(frozen=True)
class _Kept:
    value: Any
    singular: int
    seconds: float


class Evaluations:
    """Log-likelihoods and gradients of the models of any number of cases.

    Attributes
    ----------
    saved : float
        Seconds that the evaluations took which were not made again.
    """

    def __init__(self) -> None:
        self.saved = 0.0
        self._cases: dict[int, tuple[Case, dict[tuple[Any, ...], _Kept]]] = {}

    def attach(self, model: Any, case: Case) -> None:
        """Have a model of the case look up what was evaluated before."""
        # The case is kept with its evaluations, so that its id stays its own.
        _, kept = self._cases.setdefault(id(case), (case, {}))
        for name in ("loglike", "score"):
            setattr(model, name, self._remembering(model, name, kept))

    def _remembering(
        self, model: Any, name: str, kept: dict[tuple[Any, ...], _Kept]
    ) -> Callable[..., Any]:
        evaluate = getattr(model, name)

        def remembering(params: Any, *arguments: Any, **named: Any) -> Any:
            if not isinstance(params, np.ndarray) or arguments or named:
                return evaluate(params, *arguments, **named)
            key = (name, model.reml, model.use_sqrt, params.dtype.str, params.tobytes())
            if key in kept:
                found = kept[key]
                model._cov_sing += found.singular
                self.saved += found.seconds
                return np.copy(found.value) if isinstance(found.value, np.ndarray) else found.value
            before, started = model._cov_sing, time.perf_counter()
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                value = evaluate(params)
            for one in said:
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
            if not said:  # what is said has to be said again
                kept[key] = _Kept(
                    np.copy(value) if isinstance(value, np.ndarray) else value,
                    model._cov_sing - before,
                    time.perf_counter() - started,
                )
            return value

        return remembering
