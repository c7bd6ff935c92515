"""What an engine is, and what it gives back: a :class:`Fit` or a :class:`Failure`.

A fit is what the engine *said*, in its own numbers. Nothing here is recomputed or repaired: what
the referee makes of it is kept apart in an audit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from harness.base.json import Matrix, Real, Vector
from harness.model.case import Case
from harness.model.design import Design

Setting = Literal["default", "tight"]
"""``default`` is what a user gets; ``tight`` has strict tolerances, several methods and starts."""

Reason = Literal[
    "unsupported",
    "left-out",
    "refused",
    "error",
    "crash",
    "timeout",
    "memory",
    "environment",
    "data",
]
"""Why there is no fit. ``unsupported``: the engine cannot express the model; ``left-out``: it was
not run, since by its estimate it would not have been done within the limits; ``refused``: it
rejects the data; ``data``: the data it received are not the data that were sent."""


class Message(msgspec.Struct, frozen=True):
    """One thing an engine said while fitting: its kind, its text and its class."""

    kind: Literal["note", "message", "warning", "error"]
    text: str
    category: str = ""


class Coefficient(msgspec.Struct, frozen=True):
    """One row of a fixed-effects table. ``None`` means that the engine does not report it.

    ``df`` is ``inf`` where the engine uses the normal distribution (a z test).
    """

    name: str
    estimate: Real
    se: Real | None = None
    df: Real | None = None
    statistic: Real | None = None
    p: Real | None = None


class TermTest(msgspec.Struct, frozen=True):
    """An F test of a fixed-effects term: ``term`` as the formula has it, ``"dose:f"``."""

    term: str
    statistic: Real
    df_num: Real
    df_den: Real | None = None
    p: Real | None = None


class RandomTerm(msgspec.Struct, frozen=True):
    """One random-effects term as estimated: covariance matrix Psi and predicted effects.

    Attributes
    ----------
    group : str
        Grouping factor, ``"classroom"`` or ``"batch:cask"``.
    names : tuple of str, length q
        The effects of the term, ``("(Intercept)", "Days")``.
    covariance : q x q, in squared units of the outcome
    factor : q x q or None
        Lower-triangular L with Psi = sigma^2 L L', where the engine has one. It holds digits that
        Psi has lost when a predictor is far from zero; its diagonal may have any sign.
    levels : tuple of str, length k
        Levels of the grouping factor, in the order of ``effects``.
    effects : k x q or None
        Conditional modes (BLUPs); None where the engine refuses to give them.
    """

    group: str
    names: tuple[str, ...]
    covariance: Matrix
    levels: tuple[str, ...] = ()
    effects: Matrix | None = None
    factor: Matrix | None = None


class Fit(msgspec.Struct, frozen=True, tag="fit", kw_only=True):
    """What one engine returned for one case in one setting.

    Attributes
    ----------
    fitter : str
        The function that did it: ``"MixedLM"``, ``"lmerTest::lmer"``, ``"OLS"``, ``"lm"``.
    coefficients : tuple of Coefficient
        Native fixed effects, named and ordered as the case's design matrix.
    native_names : tuple of str
        The engine's own names for them, in the same order.
    residual_variance : float
        sigma^2 in squared units of the outcome; with variances by strata that of the first level
        of each.
    residual : tuple of (str, float)
        Parameters of the residual covariance, under the names that the case's design has for them:
        correlations, and ratios of standard deviations to those of the first level.
    loglik : float
        ML or REML log-likelihood as the criterion of the case says.
    converged, singular : bool or None
        As the engine states it; None where it says nothing.
    settings : tuple of str
        What was run: optimizer, tolerances, number of starts.
    variance_se : tuple of (str, float)
        What the engine prints as standard errors of variance parameters, under its own names.
    variance_params : tuple of (str, float)
        Variances as a second column of the engine's prints them, under the definition declared for
        ``variance``; those of ``random`` are in squared units of the outcome always.
    term_tests : tuple of TermTest
        F tests of whole terms, under the definition declared for ``term_tests``.
    probes : dict of str to str
        What the adapter found out about the engine's run: evidence for a cause, by its name.
    definitions : dict of str to str
        By quantity (``loglik``, ``aic``, ``bic``, ``se``, ``df``, ``statistic``, ``p``,
        ``variance``, ``variance_se``, ``residual_variance``, ``term_tests``) the key of the
        definition by which the engine states it: ``"not stated"`` where it states none; absent
        where it declares nothing.
    data_checksum : str
        MD5 of the data as the engine's side received it.
    seconds : float
        Wall time inside the engine: the fit, its tests and random effects.
    """

    engine: str
    setting: Setting
    fitter: str
    n_obs: int
    coefficients: tuple[Coefficient, ...]
    native_names: tuple[str, ...]
    random: tuple[RandomTerm, ...] = ()
    residual_variance: Real
    residual: tuple[tuple[str, Real], ...] = ()
    loglik: Real | None = None
    aic: Real | None = None
    bic: Real | None = None
    df_residual: Real | None = None
    fitted: Vector = ()
    residuals: Vector = ()
    converged: bool | None = None
    singular: bool | None = None
    settings: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    variance_se: tuple[tuple[str, Real], ...] = ()
    variance_params: tuple[tuple[str, Real], ...] = ()
    term_tests: tuple[TermTest, ...] = ()
    probes: dict[str, str] = {}
    definitions: dict[str, str] = {}
    data_checksum: str = ""
    seconds: float = 0.0

    def coefficient(self, name: str) -> Coefficient:
        """Return the row called ``name``; KeyError when the model has no such coefficient."""
        for row in self.coefficients:
            if row.name == name:
                return row
        raise KeyError(name)


@dataclass(frozen=True, eq=False)
class OwnModel:
    """The model that a fit is of, where that is not the case's in the case's coding.

    Attributes
    ----------
    design : Design
        Its rows, columns and terms; the columns in the order of the fit's coefficients.
    random : tuple of RandomTerm
        What the fit has for the terms of ``design``.
    formula : str
        In lme4's syntax and the user's columns; empty where there is none.
    """

    design: Design
    random: tuple[RandomTerm, ...]
    formula: str = ""


class Failure(msgspec.Struct, frozen=True, tag="failure", kw_only=True):
    """Why an engine has no answer for a case; ``probes`` as those of a :class:`Fit`."""

    engine: str
    setting: Setting
    reason: Reason
    text: str
    messages: tuple[Message, ...] = ()
    probes: dict[str, str] = {}
    seconds: float = 0.0


Outcome = Fit | Failure

PRINTED = "printed"
"""The fitter of numbers that were printed, and not fitted here; NaN stands for what is not."""


class Engine(Protocol):
    """Anything that fits a case. Engines raise nothing: what goes wrong is a :class:`Failure`.

    Two attributes say what its numbers depend on, so that fits can be stored, and may be absent:
    ``sources``, a tuple of the packages of this program that it uses (``"r_scripts"`` for the R
    scripts), and ``identity``, a function; see :func:`harness.store.identity.engine_identity`.

    Two more may be absent: ``elsewhere``, true where it fits in a process of its own and keeps to
    its limits by itself, and ``cost``, a function from a case to the :class:`~harness.referee.cost.
    Cost` of a fit, with which what would not be done in time is left out.
    """

    name: str

    def versions(self) -> dict[str, str]:
        """Versions of everything the numbers depend on, by component."""
        ...

    def unsupported(self, case: Case) -> str | None:
        """Return why this engine cannot express the case, or None when it can."""
        ...

    def fit(self, case: Case, setting: Setting) -> Outcome:
        """Fit the case and wait for the result."""
        ...

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Begin to fit the case, where possible elsewhere; calling what is returned waits."""
        ...
