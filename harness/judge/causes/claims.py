"""Predicates for what an engine says of its own fit: flags, standard errors, df and p values."""

from __future__ import annotations

import numpy as np

from harness.engines.engine import Fit
from harness.judge.causes.view import View
from harness.judge.evidence import Evidence, found

OPTIMAL = ("interior optimum", "boundary optimum", "closed form")


_FAILED = "Model failed to converge"
"""How lme4 and lmerTest begin the warning; lmerTest's, of a negative eigenvalue, moves no flag."""


def said_of_convergence(fit: Fit) -> bool | None:
    """Return what a fit says of its convergence; None where flag and warning say the opposite."""
    warned = any(m.kind == "warning" and m.text.startswith(_FAILED) for m in fit.messages)
    return None if fit.converged and warned else fit.converged


def false_convergence(view: View) -> Evidence | None:
    """Hold when a fit that is not at the optimum says that it converged."""
    for fit, audit in view.judged():
        if said_of_convergence(fit) and audit.certificate not in OPTIMAL:
            return found("false-convergence", fit.engine, gap=audit.gap)
    return None


def false_alarm(view: View) -> Evidence | None:
    """Hold when a fit at the optimum says that it did not converge."""
    for fit, audit in view.judged():
        if fit.converged is False and audit.certificate in OPTIMAL:
            said = "; ".join(m.text for m in fit.messages if m.kind in ("warning", "message"))
            return found(
                "false-alarm",
                fit.engine,
                gap=max(audit.gap, 0.0),
                gradient=audit.gradient,
                said=said[:200],
            )
    return None


def absolute_singularity(view: View) -> Evidence | None:
    """Hold when a fit is called singular, or not, by a variance near an absolute 0.01."""
    for fit, audit in view.judged():
        if fit.fitter != "MixedLM" or audit.singular_true is not False:
            continue
        smallest = min(float(np.linalg.eigvalsh(np.array(t.covariance))[0]) for t in fit.random)
        if fit.singular == (smallest < 0.01):
            return found(
                "absolute-singularity",
                fit.engine,
                says=bool(fit.singular),
                smallest=smallest,
                relative=smallest / fit.residual_variance,
            )
    return None


def false_singular(view: View) -> Evidence | None:
    """Hold when a fit at an interior optimum is called singular."""
    for fit, audit in view.judged():
        if fit.singular and audit.certificate == "interior optimum":
            smallest = min(float(np.linalg.eigvalsh(np.array(t.covariance))[0]) for t in fit.random)
            return found("false-singular", fit.engine, smallest=smallest / fit.residual_variance)
    return None


def absolute_boundary_warning(view: View) -> Evidence | None:
    """Hold when statsmodels warned of the boundary, and the best point is not on it."""
    for fit, audit in view.as_run.judged():
        warned = any("boundary of the parameter space" in m.text for m in fit.messages)
        if fit.fitter == "MixedLM" and warned and audit.certificate == "interior optimum":
            # MixedLM looks at the diagonal of cov_re, and at vcomp.
            smallest = min(t.covariance[i][i] for t in fit.random for i in range(len(t.names)))
            return found(
                "absolute-boundary-warning",
                fit.engine,
                smallest=smallest,
                relative=smallest / fit.residual_variance,
            )
    return None
