"""What a predicate may look at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import msgspec

from harness.base.json import Vector
from harness.engines.engine import Failure, Fit
from harness.engines.mixedlm_result import as_intercept
from harness.judge.audit import Audit
from harness.judge.comparison import Difference
from harness.judge.tolerances import load_tolerances
from harness.model.case import Case
from harness.model.design import Design
from harness.referee.best_point import search_for
from harness.referee.deviance import Likelihood
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import likelihood_of

LMER = ("lmerTest::lmer", "lme4::lmer")
MIXEDLM = ("MixedLM",)
"""Fitters that are lme4's and statsmodels', whatever the engine is called that runs them."""


@dataclass(frozen=True)
class View:
    """One engine's outcome, examined.

    ``thetas`` are those of all audited fits of the case: points that are known already.
    ``not_examined`` says why the referee did not look at it, where that is for want of time,
    ``no_maximum`` that the likelihood has none. ``best`` is the best point known of the case, where
    there is one; ``own`` the design that the fit is of, where that is not the case's.
    """

    case: Case
    outcome: Fit | Failure
    audit: Audit | None
    thetas: tuple[Vector, ...] = ()
    not_examined: str = ""
    no_maximum: str = ""
    best: Optimum | None = None
    own: Design | None = None

    @property
    def engine(self) -> str:
        """Return the engine's name."""
        return self.outcome.engine

    @property
    def fit(self) -> Fit | None:
        """Return the fit, or None where there is none."""
        return self.outcome if isinstance(self.outcome, Fit) else None

    def judged(self) -> list[tuple[Fit, Audit]]:
        """Return the fit with its audit, where there is such: one or none."""
        if isinstance(self.outcome, Fit) and self.audit is not None:
            return [(self.outcome, self.audit)]
        return []

    def failures(self) -> list[Failure]:
        """Return the outcome where it is no fit: one or none."""
        return [self.outcome] if isinstance(self.outcome, Failure) else []

    @cached_property
    def as_run(self) -> View:
        """Compound symmetry as the random intercept by which MixedLM fits it; often itself."""
        fit, audit = self.fit, self.audit
        symmetric = self.case.model.by_random_intercept is not None
        if fit is None or audit is None or fit.fitter not in MIXEDLM or not symmetric:
            return self
        if not fit.residual:
            return self
        run = as_intercept(fit, self.case)
        ((between,),), own = run.random[0].covariance, run.residual_variance
        inside = own > 0.0 and 0.0 <= between < math.inf
        theta = (math.sqrt(between / own),) if inside else ()
        audit = msgspec.structs.replace(audit, theta=theta)
        return View(self.case.by_random_intercept, run, audit)

    @cached_property
    def above_intercept(self) -> float:
        """Deviance of the audited fit above the best one of the case by a random intercept."""
        assert self.audit is not None
        best = search_for(self.case.by_random_intercept).best()
        return max(-2.0 * self.audit.loglik - best.deviance, 0.0)

    @cached_property
    def likelihood(self) -> Likelihood:
        """The case's likelihood by its own criterion."""
        return likelihood_of(self.case.design, reml=self.case.model.criterion != "ML")


@dataclass(frozen=True)
class Pair:
    """Two outcomes of one case in one setting, and what was made of them.

    ``tight`` says whether the same two engines agree in the tight setting; None when that is not
    known (it was not run, or this is it).
    """

    one: View
    reference: View
    differences: tuple[Difference, ...] = ()
    tight: bool | None = None

    @property
    def case(self) -> Case:
        """Return the case of both."""
        return self.one.case

    @property
    def views(self) -> tuple[View, View]:
        """Return both views."""
        return self.one, self.reference

    def judged(self) -> list[tuple[Fit, Audit]]:
        """Return the fits with their audits, none to two."""
        return self.one.judged() + self.reference.judged()

    def failures(self) -> list[Failure]:
        """Return the outcomes that are no fits."""
        return self.one.failures() + self.reference.failures()

    def outside(self, *quantities: str) -> list[Difference]:
        """Return the differences beyond their tolerance, of some quantities or of all."""
        return [
            c
            for c in self.differences
            if not c.within and (not quantities or c.quantity in quantities)
        ]


def misstated(audit: Audit) -> bool:
    """Whether the log-likelihood an engine states is another than the referee's at its point.

    Held to the default tolerance in every setting: rounding grows with the log-likelihood.
    """
    error = audit.loglik_error
    return error is not None and not abs(error) <= load_tolerances()["loglik"].default
