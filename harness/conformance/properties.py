"""The list of properties, in the order in which they are checked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from harness.conformance import honesty, inference, limits, metamorphic
from harness.conformance.fit_memory import Remembered
from harness.conformance.parity import parity, referee_agreement
from harness.conformance.question import Question
from harness.engines.engine import Engine, Failure, Setting
from harness.judge.property_outcome import PropertyOutcome
from harness.model.case import Case


@dataclass(frozen=True)
class Property:
    """Something that holds for every correct engine.

    Attributes
    ----------
    name : str
        Readable and stable: ``"metamorphic.row-order"``.
    title : str
        What holds, in a line.
    ask : function
        The check itself, of a :class:`Question`.
    needs_reference : bool
        Whether a second engine is compared with.
    """

    name: str
    title: str
    ask: Callable[[Question], PropertyOutcome]
    needs_reference: bool = False

    @property
    def of_a_fit(self) -> bool:
        """Whether it is about a fit that there is: not whether there is one."""
        return self.name not in ("parity", "referee.agreement")

    def check(
        self,
        engine: Engine,
        case: Case,
        *,
        reference: Engine | None = None,
        group: str = "",
        setting: Setting = "default",
    ) -> PropertyOutcome:
        """Check the property of an engine on one case.

        Parameters
        ----------
        engine : Engine
            Give a :class:`harness.conformance.fit_memory.Remembered` one to check several
            properties of a case without fitting it anew for each. A case that it has no fit for
            fails parity or agreement with the referee; nothing else applies to it.
        reference : Engine, optional
            Without it a property that needs one is not applicable.
        group : str
            Heading under which the case stands, for the record.
        """
        if not self.needs_reference:
            reference = None
        if not isinstance(engine, Remembered):
            engine = Remembered(engine)
        question = Question(self.name, engine, case, reference, group, setting)
        started = time.perf_counter()
        if self.needs_reference and reference is None:
            outcome = question.not_applicable("no reference engine was given")
        elif self.of_a_fit and isinstance(own := question.fit(), Failure):
            outcome = question.not_applicable(f"{engine.name} has no fit: {own.text}")
        else:
            outcome = self.ask(question)
        return msgspec.structs.replace(outcome, seconds=time.perf_counter() - started)


PROPERTIES: dict[str, Property] = {
    p.name: p
    for p in (
        Property("parity", "agrees with the reference engine", parity, needs_reference=True),
        Property("referee.agreement", "agrees with the referee", referee_agreement),
        Property(
            "metamorphic.y-affine",
            "a y + b has the estimates of y, scaled, and the same tests",
            metamorphic.outcome_rescaled,
        ),
        Property(
            "metamorphic.x-affine",
            "c x + d has the estimates of x, scaled, and the same tests",
            metamorphic.predictor_rescaled,
        ),
        Property(
            "metamorphic.row-order",
            "the order of the rows does not matter",
            metamorphic.rows_shuffled,
        ),
        Property(
            "metamorphic.relabel-groups",
            "the labels of the groups do not matter",
            metamorphic.groups_relabelled,
        ),
        Property(
            "metamorphic.group-order",
            "the order of the groups does not matter",
            metamorphic.groups_reordered,
        ),
        Property(
            "metamorphic.null-factor",
            "a grouping factor of zero variance changes nothing",
            metamorphic.null_factor_added,
        ),
        Property(
            "metamorphic.nested-spelling",
            "(1 | a/b) is (1 | a) + (1 | a:b)",
            metamorphic.nesting_in_full,
        ),
        Property(
            "metamorphic.nested-labels",
            "nesting in the labels is nesting in the formula",
            metamorphic.nesting_by_labels,
        ),
        Property(
            "metamorphic.recentred-slope",
            "the origin of a predictor with a correlated slope does not matter",
            metamorphic.slope_recentred,
        ),
        Property(
            "metamorphic.equal-weights",
            "equal weights change nothing but the residual variance",
            metamorphic.equal_weights,
        ),
        Property(
            "metamorphic.offset",
            "a known part of the outcome, given as an offset, changes nothing",
            metamorphic.offset_in_outcome,
        ),
        Property(
            "metamorphic.symmetry-as-intercept",
            "compound symmetry is a random intercept where the correlation is positive",
            metamorphic.symmetry_as_intercept,
        ),
        Property(
            "metamorphic.two-visits",
            "AR(1) of two visits is compound symmetry",
            metamorphic.two_visits,
        ),
        Property(
            "metamorphic.one-stratum",
            "variances by a factor of one level are one variance",
            metamorphic.one_stratum,
        ),
        Property(
            "metamorphic.reml-ml-order",
            "each criterion is largest at its own estimates",
            limits.reml_ml_order,
        ),
        Property(
            "refusal.duplicated-constant",
            "a second constant column is refused, left out or fitted, with a message",
            limits.duplicated_constant,
        ),
        Property(
            "refit.own-data",
            "the same data fitted again, after another fit, give the same bits",
            limits.refitted,
        ),
        Property(
            "limits.zero-variance-is-ols",
            "with zero variances a mixed model is least squares",
            limits.zero_variance_is_ols,
        ),
        Property("rows.used", "every complete row is used, and no other", honesty.rows_used),
        Property(
            "fitted.predict-training",
            "fitted values are X b + Z u, residuals what is left",
            honesty.predictions,
        ),
        Property(
            "random-effects.sum-and-shrinkage",
            "random effects are conditional modes, sum to zero and are shrunk",
            honesty.random_effects,
        ),
        Property(
            "honesty.converged",
            "said to have converged exactly when it is at the optimum",
            honesty.converged,
        ),
        Property(
            "honesty.singular",
            "said to be singular exactly when the optimum is",
            honesty.singular,
        ),
        Property(
            "honesty.loglik",
            "the log-likelihood is that of the fit's own estimates",
            honesty.loglik,
        ),
        Property(
            "honesty.standard-errors",
            "standard errors are sqrt diag (X'V^-1 X)^-1",
            honesty.standard_errors,
        ),
        Property(
            "honesty.tests",
            "stated df are Satterthwaite's, and p follows from t and df",
            honesty.stated_tests,
        ),
        Property(
            "honesty.f-tests",
            "stated F tests of terms are those of their rule at the fit's own estimates",
            inference.stated_f_tests,
        ),
        Property(
            "satterthwaite.bounds",
            "stated df of Satterthwaite lie between 0 and those of the residual variance",
            inference.df_bounds,
        ),
        Property(
            "satterthwaite.zero-variance",
            "stated df of Satterthwaite are those of the residual variance at zero variances",
            limits.zero_variance_df,
        ),
        Property(
            "satterthwaite.lmertest",
            "stated df of Satterthwaite, and p, are lmerTest's",
            inference.equal_to_lmertest,
            needs_reference=True,
        ),
        Property(
            "f-tests.type3",
            "type III F tests by the referee at the engine's estimates are lmerTest's",
            inference.type3,
            needs_reference=True,
        ),
    )
}
"""Every property by name."""
