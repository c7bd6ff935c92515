"""The case on the bench: its likelihood, the best point known, and the judgement of any fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.data.rungs import Rung
from harness.diagnose.diagnosis import FocusRow, Snapshot
from harness.diagnose.optima import Optima
from harness.engines.engine import Coefficient, Failure, Fit, Outcome, OwnModel
from harness.judge.audit import Audit
from harness.judge.examination import Examination, audit_of, point_of
from harness.judge.verdict import VerdictClass
from harness.model.case import Case
from harness.referee.deviance import Likelihood
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import likelihood_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Bench:
    """A case with what judges it.

    Attributes
    ----------
    likelihood : Likelihood or None
        None, and ``reason`` says why, where the referee cannot evaluate the case.
    best : Optimum or None
        The best point known.
    elsewhere : mapping
        By engine, the model that its default fit is of, where that was given and is of another
        model than the case's.
    optima : Optima
        Best points of the models that the diagnosis has looked at.
    """

    rung: Rung
    likelihood: Likelihood | None
    best: Optimum | None
    reason: str = ""
    elsewhere: Mapping[str, OwnModel] = field(default_factory=dict)
    optima: Optima = field(default_factory=Optima)

    @property
    def case(self) -> Case:
        """The case."""
        return self.rung.case

    @property
    def loglik(self) -> float:
        """Best log-likelihood known; NaN where there is none."""
        return math.nan if self.best is None else -0.5 * self.best.deviance

    @property
    def relative(self) -> tuple[Array, ...]:
        """Covariance matrices at the best point, relative to s2, term by term."""
        if self.best is None or self.likelihood is None:
            return ()
        return tuple(f @ f.T for f in self.likelihood.factors(self.best.point.theta))

    def audit(self, outcome: Outcome) -> tuple[Outcome, Audit | None]:
        """Judge a fit; one that has no coefficients gets the GLS estimates of its variances."""
        if not isinstance(outcome, Fit) or self.likelihood is None or self.best is None:
            return outcome, None
        if not self.case.design.random and self.case.design.residual is None:
            return outcome, None
        try:
            point = point_of(self.likelihood, outcome)
        except np.linalg.LinAlgError:
            point = None
        if point is not None and not outcome.coefficients:
            rows = zip(self.case.design.x_names, point.beta.tolist(), strict=True)
            outcome = msgspec.structs.replace(
                outcome, coefficients=tuple(Coefficient(name, value) for name, value in rows)
            )
        return outcome, audit_of(outcome, point, self.best)

    def snapshot(
        self,
        outcome: Outcome,
        audit: Audit | None = None,
        *,
        verdict: VerdictClass | None = None,
    ) -> Snapshot:
        """Describe a fit for a before-and-after, by its audit or as a fit of this case."""
        formula = self.case.model.text
        if isinstance(outcome, Failure):
            return Snapshot(
                engine=outcome.engine, formula=formula, text=outcome.text, verdict=verdict or ""
            )
        if audit is None:
            outcome, audit = self.audit(outcome)
        assert isinstance(outcome, Fit)
        if audit is None:
            return Snapshot(
                engine=outcome.engine,
                formula=formula,
                loglik=outcome.loglik,
                verdict=verdict or "",
                focus=focus_row(self.rung.focus, outcome.coefficients),
            )
        own = self.elsewhere.get(outcome.engine)
        return Snapshot(
            engine=outcome.engine,
            formula=formula if own is None else own.formula or "another model",
            loglik=audit.loglik if own is None else self.own_loglik(outcome),
            gap=0.5 * audit.gap,
            certificate=audit.certificate,
            verdict=verdict or "",
            focus=self._like_for_like(audit),
        )

    def own_loglik(self, fit: Fit) -> float | None:
        """Return the log-likelihood of a fit that is elsewhere, in its own model."""
        own = self.elsewhere[fit.engine]
        likelihood = likelihood_of(own.design, reml=self.case.model.criterion != "ML")
        point = point_of(likelihood, msgspec.structs.replace(fit, random=own.random))
        return None if point is None else -0.5 * point.deviance(math.sqrt(fit.residual_variance))

    def _like_for_like(self, audit: Audit) -> FocusRow | None:
        """Return the row of the effect asked about; its estimate alone where that is determined."""
        row = focus_row(self.rung.focus, audit.coefficients)
        names = self.case.design.x_names
        if row is None or self.best is None or row.name not in {names[j] for j in self.best.moved}:
            return row
        return FocusRow(name=row.name, estimate=row.estimate)


def bench_of(
    rung: Rung,
    examination: Examination,
    elsewhere: Mapping[str, OwnModel] = MappingProxyType({}),
) -> Bench:
    """Put a case on the bench, with the best point that its examination has found."""
    best = examination.best
    if best is None:
        return Bench(rung, None, None, examination.reason, elsewhere)
    bench = Bench(rung, best.point.likelihood, best, "", elsewhere)
    bench.optima.keep(rung, best)
    return bench


def focus_row(name: str, coefficients: Sequence[Coefficient]) -> FocusRow | None:
    """Return the row of one fixed effect, None when there is none of that name."""
    for row in coefficients:
        if row.name == name:
            return FocusRow(name=name, estimate=row.estimate, se=row.se, df=row.df, p=row.p)
    return None
