"""Predicates for fits that are not at the optimum."""

from __future__ import annotations

import numpy as np

from harness.referee.optimality import NULL_VARIANCE
from harness.verdicts.seen import Seen, joined, ranks_in_words


def stopped_short(seen: Seen) -> str | None:
    """Hold when a fit stopped above the best deviance with no false boundary in its way."""
    said = {True: ", and says it converged", False: ", and says so", None: ""}
    return joined(
        f"{fit.engine}: deviance {audit.gap:.2g} above the best point, largest scaled "
        f"derivative {audit.gradient:.2g}{said[fit.converged]}"
        for fit, audit in seen.pairs()
        if audit.certificate == "stopped short"
    )


def false_boundary(seen: Seen) -> str | None:
    """Hold when a fit sits on a boundary from which the likelihood rises."""
    return joined(
        f"{fit.engine}: dual eigenvalue {audit.dual:.2g} at {ranks_in_words(audit)}, deviance "
        f"{audit.gap:.2g} above the best point"
        for fit, audit in seen.pairs()
        if audit.certificate == "false boundary"
    )


def score_sign(seen: Seen) -> str | None:
    """Hold when a statsmodels fit stopped short where its own gradient has the wrong sign."""
    for fit, audit in seen.pairs():
        if audit.certificate in ("stopped short", "false boundary") and "score-sign" in fit.probes:
            return f"{fit.engine}: {fit.probes['score-sign']}"
    return None


def column_trap(seen: Seen) -> str | None:
    """Hold when lme4 sits where the first column of a factor has a zero diagonal, falsely."""
    for fit, audit in seen.pairs():
        if fit.engine != "lme4" or audit.certificate != "false boundary":
            continue
        for term in fit.random:
            first = term.covariance[0][0] / fit.residual_variance
            others = [term.covariance[i][i] for i in range(1, len(term.names))]
            if first <= NULL_VARIANCE and any(v / fit.residual_variance > first for v in others):
                return (
                    f"{fit.engine}: the variance of {term.names[0]} for {term.group} is held at "
                    f"{first:.2g} of the residual variance by theta_11 >= 0, while the deviance "
                    f"falls along a direction with dual eigenvalue {audit.dual:.2g}"
                )
    return None


def zeroed_fixed_effects(seen: Seen) -> str | None:
    """statsmodels#10239: effects exactly 0.0 at a vanishing covariance, away from GLS."""
    for fit, audit in seen.pairs():
        if fit.engine != "statsmodels" or not audit.gls_distance > 1e-3:
            continue
        zeros = [c.name for c in fit.coefficients if c.estimate == 0.0]
        largest = max(
            (float(np.abs(t.covariance).max()) / fit.residual_variance for t in fit.random),
            default=0.0,
        )
        if zeros and largest < NULL_VARIANCE:
            return (
                f"{', '.join(zeros)} exactly 0, {audit.gls_distance:.3g} SE from the GLS estimate; "
                f"largest variance {largest:.2g} of the residual variance"
            )
    return None
