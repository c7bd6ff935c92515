"""Predicates for standard errors that an engine gives otherwise than its own point has them."""

from __future__ import annotations

import math

import numpy as np

from harness.judge.causes.view import View
from harness.judge.evidence import Evidence, found
from harness.judge.tolerances import load_tolerances


def pseudo_inverse(view: View) -> Evidence | None:
    """Hold when standard errors are those of a pseudo-inverse of X'V^-1 X that left directions out.

    In the columns as they are, of any scale, an eigenvalue is small beside the largest for no other
    reason than its units; without its direction the variance that is largest becomes the smallest.
    """
    limit = load_tolerances()["se"].default
    for fit, audit in view.judged():
        stated = np.array([math.nan if c.se is None else c.se for c in fit.coefficients])
        if not audit.theta or len(stated) != view.case.design.x.shape[1]:
            continue
        point = view.likelihood.at(list(audit.theta))
        scaled = np.linalg.inv(point.likelihood.products.basis.m)
        # The basis has the outcome in units of its own; variances are those of the data.
        information = scaled.T @ point.xhx @ scaled / fit.residual_variance
        values, vectors = np.linalg.eigh(information)
        for kept in range(1, len(values)):
            own = values[-kept:], vectors[:, -kept:]
            errors = np.sqrt((own[1] ** 2 / own[0]).sum(axis=1))
            if bool((np.abs(stated - errors) <= limit * errors).all()):
                fair = [c.se for c in audit.coefficients]
                away = [abs(s / f - 1.0) if f else 0.0 for s, f in zip(stated, fair, strict=True)]
                j = int(np.argmax(away))
                return found(
                    "se-pseudo-inverse",
                    fit.engine,
                    quantity="se",
                    item=fit.coefficients[j].name,
                    value=float(stated[j]),
                    fair=math.nan if fair[j] is None else float(fair[j] or math.nan),
                    kept=kept,
                    columns=len(values),
                    share=float(values[-kept - 1] / values[-1]),
                )
    return None
