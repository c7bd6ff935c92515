"""What can be found out about a MixedLM run that failed: evidence for a named cause."""

from __future__ import annotations

import traceback
from pathlib import Path

import numpy as np


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
