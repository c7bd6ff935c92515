"""What can be found out about a run of MixedLM beyond its result: evidence for named causes.

Needs numpy alone: the engine that runs here and the program of other versions both have it.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def recorded_points(model: Any) -> list[Array]:
    """Keep the last point at which the optimizer asks the model for its gradient."""
    last: list[Array] = []
    score = model.score

    def recording(params: Any, *arguments: Any, **named: Any) -> Any:
        last[:] = [np.array(params, dtype=np.float64, copy=True)]
        return score(params, *arguments, **named)

    model.score = recording
    return last


def score_probe(model: Any, last: list[Array]) -> dict[str, str]:
    """Compare MixedLM's gradient with central differences where its factor has a negative diagonal.

    ``score_sqrt`` packs the covariance again through a Cholesky factor with a positive diagonal, so
    that the gradient in a column whose diagonal is negative comes out with the wrong sign.
    """
    if not last or model.k_re == 0:
        return {}
    point = last[0]
    rows, columns = np.tril_indices(model.k_re)
    diagonal = point[: model.k_re2][rows == columns]
    if not (diagonal < 0.0).any():
        return {}
    analytic = np.asarray(type(model).score(model, point), dtype=np.float64)
    steps = 1e-6 * np.maximum(np.abs(point), 1e-3)
    differences = np.array(
        [
            (model.loglike(point + h * e) - model.loglike(point - h * e)) / (2.0 * h)
            for h, e in zip(steps, np.eye(len(point)), strict=True)
        ]
    )
    size = np.abs(differences)
    wrong = (np.sign(analytic) != np.sign(differences)) & (size > 1e-3 * (1.0 + size.max()))
    if not wrong.any():
        return {}
    i = int(np.argmax(np.where(wrong, size, 0.0)))
    return {
        "score-sign": f"at the optimizer's last point MixedLM's gradient has element {i + 1} of "
        f"{len(point)} as {analytic[i]:.3g}, by differences it is {differences[i]:.3g}; factor "
        f"diagonal {', '.join(f'{d:.3g}' for d in diagonal)}"
    }


def singular_covariance_probe(error: BaseException) -> dict[str, str]:
    """Whether MixedLM raised while its covariance was singular: it inverts it at every step."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        if Path(frame.f_code.co_filename).name != "mixed_linear_model.py":
            continue
        for name in ("cov_re", "cov_re_unscaled"):
            covariance = frame.f_locals.get(name)
            if not isinstance(covariance, np.ndarray) or not np.isfinite(covariance).all():
                continue
            values = np.linalg.eigvalsh(covariance)
            if values.size and values[0] <= 1e-15 * max(float(values[-1]), 1.0):
                return {
                    "singular-covariance": f"raised in {frame.f_code.co_name}, where the smallest "
                    f"eigenvalue of {name} is {values[0]:.3g}"
                }
    return {}
