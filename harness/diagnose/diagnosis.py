"""What a diagnosis found: frozen structures that terminal, HTML page and bundle read.

Every sentence in here stands beside the numbers it was made from. ``harness.base.json.encode``
writes a :class:`Diagnosis` as one line of JSON.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from harness.base.json import Matrix, Real, Vector, schema_of
from harness.diagnose.graphs import Contour, EffectIntervals, FixedInterval, Profile
from harness.diagnose.singular_term import Shift, Singular
from harness.engines.engine import Message
from harness.judge.audit import Certificate
from harness.judge.records import CaseRecord
from harness.judge.verdict import VerdictClass

FORMAT = 1
"""Version of the format of a written diagnosis; a reader refuses what it does not know."""

Agreement = Literal["agree", "differ", "one engine", "no fit"]

Level = Literal["fine", "note", "warning", "stop"]
"""How much a check matters: ``stop`` means that the model cannot be fitted to these data."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One look at data or model.

    Attributes
    ----------
    key : str
        What was looked at: ``rows``, ``levels``, ``contrasts``, ``rank``, ``groups``,
        ``one-row-per-group``, ``too-many-effects``, ``slope-constant-within-groups``, ``nesting``,
        ``crossing``, ``reused-labels``, ``coded-factor``, ``scale``, ``far-from-zero``, ``cost``,
        ``binary-outcome``, ``exact-fit``, ``repeated-labels``, ``no-random-term``.
    sentence : str
        What was found, with its numbers.
    columns : tuple of str
        The user's columns it is about.
    numbers : tuple of (str, float)
        The numbers behind the sentence, by name.
    advice : str
        What can be done; empty when there is nothing to do or nothing was tried.
    """

    key: str
    level: Level
    sentence: str
    columns: tuple[str, ...] = ()
    numbers: tuple[tuple[str, Real], ...] = ()
    advice: str = ""


class FocusRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fixed effect of one fit. ``se``, ``df`` and ``p`` are like for like (the referee's)."""

    name: str
    estimate: Real
    se: Real | None = None
    df: Real | None = None
    p: Real | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one fit before or after a remedy.

    Attributes
    ----------
    formula : str
        Of the fitted model, in lme4's syntax.
    loglik : float or None
        The referee's log-likelihood at the fit; None when there is no fit.
    gap : float or None
        Log-likelihood of the best point known for this formula less ``loglik``.
    certificate : str
        Empty when there is no fit.
    verdict : str
        Of this fit against the other engine, or empty when the remedy concerns one fit.
    focus : FocusRow or None
        None when the model has no such effect.
    text : str
        Why there is no fit, or what else describes the state (``"condition of X 1e6"``).
    """

    engine: str
    formula: str
    loglik: Real | None = None
    gap: Real | None = None
    certificate: Certificate | Literal[""] = ""
    verdict: VerdictClass | Literal[""] = ""
    focus: FocusRow | None = None
    text: str = ""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What another model costs, both at their best points.

    Attributes
    ----------
    criterion : {"REML", "ML"}
        By which the two are compared.
    loglik : float
        Its log-likelihood less that of the model asked for.
    parameters : int
        How many more it has, by the dimensions of the spaces of X and of V.
    same : bool
        Whether it is the model asked for, written otherwise: both spaces are the same.
    smaller : bool
        Whether it is a part of the model asked for.
    p_low, p_high : float or None
        p of the likelihood-ratio test, or its bounds; None where neither is a part of the other.
    null : str
        The distribution of the ratio under the null hypothesis.
    shifts : tuple of Shift
        What becomes of the fixed effects.
    """

    formula: str
    criterion: str
    loglik: Real
    parameters: int
    same: bool
    smaller: bool
    p_low: Real | None = None
    p_high: Real | None = None
    null: str = ""
    shifts: tuple[Shift, ...] = ()


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """A remedy that was run, with what it changed.

    Attributes
    ----------
    kind : str
        ``optimizer``, ``start``, ``tolerance``, ``centre``, ``rescale``, ``drop-term``,
        ``uncorrelate``, ``recode``, ``remove-column``, ``rows``, ``model``, ``call``.
    title : str
        What was done, ``"start statsmodels' MixedLM from a small covariance"``.
    r_code, python_code : str
        How the user does the same; empty where it does not apply.
    helped : bool
        Whether the cause is gone afterwards, or the conclusion right, by ``sentence``.
    same_model : bool
        Whether it is the model asked for, fitted otherwise; False when another model is fitted.
    engine : str
        The one that it is for; empty where it is for all of the user's.
    steps : tuple of str
        Of columns written otherwise: ``centre``, ``scale`` or both.
    mends : tuple of str
        The user's engines that were not right before and are then.
    price : Price or None
        Of another model.
    outcome : str
        What came of it, in a clause.
    sentence : str
        Outcome with all its numbers.
    """

    kind: str
    title: str
    engine: str = ""
    steps: tuple[str, ...] = ()
    mends: tuple[str, ...] = ()
    price: Price | None = None
    outcome: str = ""
    r_code: str = ""
    python_code: str = ""
    helped: bool
    same_model: bool = True
    before: Snapshot
    after: Snapshot
    sentence: str
    seconds: float = 0.0


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A named cause that was tested for and held.

    ``key`` is that of ``known_differences.toml`` or of ``harness/diagnose/causes.toml``; ``main``
    marks the one that the answer goes by.
    """

    key: str
    title: str
    definition: str
    engines: tuple[str, ...] = ()
    evidence: str
    main: bool = False
    upstream: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """A fixed effect seen by everybody who has a p value for it.

    Attributes
    ----------
    name : str
    printed : tuple of (str, float)
        p as each engine prints it.
    right : float or None
        p at the best point known, with Satterthwaite df; None when the referee cannot evaluate, or
        the data do not determine it.
    like_for_like : tuple of (str, float)
        p of each engine's own estimates with the referee's SE and df.
    changed : bool
        Whether two of these lie on different sides of alpha.
    because : str
        ``undetermined`` where as good a point has another p; else empty when not changed, and
        ``optimum`` (another point), ``definition`` (z for t, SE of the joint Hessian) or ``df``
        (lmerTest's numerical df).
    sentence : str
        Empty when not changed and determined.
    """

    name: str
    printed: tuple[tuple[str, Real], ...]
    right: Real | None
    like_for_like: tuple[tuple[str, Real], ...] = ()
    changed: bool = False
    because: str = ""
    sentence: str = ""


class OptimizerRun(msgspec.Struct, frozen=True, kw_only=True):
    """One optimizer from one start, judged by the referee.

    Attributes
    ----------
    optimizer, start : str
        ``"bobyqa"``; the program's ``own``, ``small`` variances (0.01 of the residual variance),
        ``enlarged`` ones (a tenth above the best point's), ``lme4's`` answer or the ``referee's``.
    loglik : float or None
        The referee's value at the run's variances; None when it gave no valid point.
    stated : float or None
        What the engine states.
    gap : float or None
        Log-likelihood of the best point known less ``loglik``; never negative but for rounding.
    gradient : float or None
        Largest scaled derivative of the deviance, dimensionless.
    dual : float or None
        Smallest whitened dual eigenvalue; below -0.001 there is a direction of descent.
    converged : bool or None
        As the optimizer states it.
    theta : tuple of float
        Relative covariance factor as lme4 orders it, in the terms of the formula.
    path : steps x len(theta)
        Where the optimizer went, thinned to 200 points, for pictures; empty when not recorded.
    path_deviance : tuple of float
        Deviance at these, as the engine computed it.
    """

    engine: str
    optimizer: str
    start: str
    default: bool = False
    loglik: Real | None = None
    stated: Real | None = None
    gap: Real | None = None
    gradient: Real | None = None
    dual: Real | None = None
    certificate: Certificate | Literal[""] = ""
    converged: bool | None = None
    evaluations: int | None = None
    seconds: float = 0.0
    messages: tuple[Message, ...] = ()
    error: str = ""
    theta: Vector = ()
    path: Matrix = ()
    path_deviance: Vector = ()


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine said, in plain words, and whether it matters here.

    ``because`` has the number; ``key`` names the kind of message (``max-grad``, ``boundary``,
    ``hessian``, ``rescale``, ``dropped-columns``, ``not-converged``, ``retrying``, ``unknown``...).
    ``matters`` is None where no number decides it.
    """

    engine: str
    setting: str
    key: str
    text: str
    meaning: str
    matters: bool | None
    because: str


class ColumnScale(msgspec.Struct, frozen=True, kw_only=True):
    """Location and spread of a fixed- or random-effects column on the rows used."""

    name: str
    mean: Real
    sd: Real


class Conditioning(msgspec.Struct, frozen=True, kw_only=True):
    """How well-posed the numbers are.

    Attributes
    ----------
    x_raw, x_scaled : float
        Condition number of X as it is, and with every column at unit length.
    information : float or None
        Condition number of X'V^-1 X at the best point, columns at unit length.
    hessian : tuple of float
        Eigenvalues of the deviance's Hessian in theta at the best point, in scale-free variables,
        smallest first.
    gradient : float or None
        Largest scaled derivative at the best point.
    columns : tuple of ColumnScale
    """

    x_raw: Real
    x_scaled: Real
    information: Real | None = None
    hessian: Vector = ()
    gradient: Real | None = None
    columns: tuple[ColumnScale, ...] = ()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked next about a result, and the answer that is true of it.

    Attributes
    ----------
    key : str
        ``bse-re``, ``predict`` or ``wald-intervals``.
    """

    key: str
    question: str
    answer: str


class FittedModel(msgspec.Struct, frozen=True, kw_only=True):
    """The model that a given fit is of, where it is another than the one asked about.

    Attributes
    ----------
    formula : str
        In lme4's syntax; empty where it has none.
    best_loglik : float or None
        The best log-likelihood known of that model.
    """

    engine: str
    formula: str = ""
    best_loglik: Real | None = None


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True, tag="diagnosis", tag_field="record"):
    """Everything that was found out about one case.

    Attributes
    ----------
    case : CaseRecord
        The standard run. Its two engines are those asked for; with one engine the other is the
        referee.
    engines : tuple of str
        Engines of the user: ``("statsmodels", "lme4")``, or one of them.
    absent : str
        Why an engine that was asked for is not there; empty otherwise.
    fitted : tuple of FittedModel
        Of engines whose fit was given and is of another model than ``case`` has.
    agreement : str
    answer : tuple of str
        Plain sentences, the answer first.
    causes : tuple of Cause
        The main one first.
    runs : tuple of OptimizerRun
        Empty with ``quick`` or when there is nothing to optimise.
    advice : tuple of str
        What to do, each from a remedy that was run and helped.
    """

    format: int = FORMAT
    program: str = ""
    created: str = ""
    command: str = ""
    versions: dict[str, str] = {}
    case: CaseRecord
    engines: tuple[str, ...]
    absent: str = ""
    fitted: tuple[FittedModel, ...] = ()
    alpha: float = 0.05
    agreement: Agreement
    answer: tuple[str, ...]
    advice: tuple[str, ...] = ()
    conclusions: tuple[Conclusion, ...] = ()
    causes: tuple[Cause, ...] = ()
    checks: tuple[Check, ...] = ()
    runs: tuple[OptimizerRun, ...] = ()
    translations: tuple[Translation, ...] = ()
    conditioning: Conditioning | None = None
    singular: tuple[Singular, ...] = ()
    profiles: tuple[Profile, ...] = ()
    fixed_intervals: tuple[FixedInterval, ...] = ()
    contours: tuple[Contour, ...] = ()
    effects: tuple[EffectIntervals, ...] = ()
    questions: tuple[Question, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a written diagnosis."""
    return schema_of(Diagnosis)
