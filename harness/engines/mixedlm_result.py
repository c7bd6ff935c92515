"""A fitted ``MixedLM`` of statsmodels read: the model that it is, and what it states.

The one place that knows how statsmodels lays out a result: for the engine, for tests of a user's
result and for its diagnosis alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgspec
import numpy as np

from harness.engines.engine import Coefficient, Fit, Message, OwnModel, RandomTerm, Setting
from harness.engines.mixedlm_fit import Array, MixedFit
from harness.model.case import Case
from harness.model.column_match import match_columns
from harness.model.design import Design, RandomDesign
from harness.model.term_match import TermMatch, match_terms

DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "loglik": "full",
        "se": "joint-hessian",
        "df": "none",
        "statistic": "estimate/se",
        "p": "normal",
        "variance": "scaled",
        "variance_se": "packed-hessian",
        "residual_variance": "m",
    }
)
"""What MixedLM means by what it states; its AIC and BIC depend on the criterion."""


@dataclass(frozen=True, eq=False)
class Layout:
    """A result laid beside a case: what of it is what of the case.

    Attributes
    ----------
    rows : bool
        Whether the two have the same rows. Where they have not, effects are taken by their place.
    columns : tuple of (str, int)
        Name and the result's column of each fixed effect: those of the case under its names and in
        its order, then the others.
    terms : tuple of (RandomDesign, TermMatch)
        How each term is shown, and what it is of the result: those of the case, then the others.
    same : bool
        Whether the result is of the case's model in the case's coding.
    """

    rows: bool
    columns: tuple[tuple[str, int], ...]
    terms: tuple[tuple[RandomDesign, TermMatch], ...]
    same: bool


def laid_beside(native: MixedFit, design: Design) -> Layout:
    """Lay a result beside the design of a case.

    A term of the case is the result's when rows and effects are the same, or when the result's
    levels are finer, as those of a factor read as nested are. A term whose effects the result has
    correlated with those of another is shown without that correlation where ``free=`` asked for
    that; the rest keep what they are.
    """
    own = native.design
    if len(design.y) != len(own.y) or not np.array_equal(design.y, own.y):
        return _by_place(native, design)
    match = match_columns(design.x, own.x)
    columns = [(n, i) for n, i in zip(design.x_names, match.engine, strict=True) if i >= 0]
    # Another column under a name of the case is another effect.
    taken = set(design.x_names)
    columns += [
        (f"{name} (own coding)" if name in taken else name, i)
        for i, name in ((i, native.names[i]) for i in match.extra)
    ]
    parts = not native.as_its_call_says
    hits = match_terms(design.random, own.random, parts=parts, finer=True)
    terms = [(t, hit) for t, hit in zip(design.random, hits, strict=True) if hit is not None]
    same = match.complete and len(terms) == len(hits) == len(own.random)
    same = same and all(hit.levels is not None for _, hit in terms)
    if not parts:
        used = {hit.term for _, hit in terms}
        terms += [_itself(own, i) for i in range(len(own.random)) if i not in used]
    return Layout(rows=True, columns=tuple(columns), terms=tuple(terms), same=same)


def _by_place(native: MixedFit, design: Design) -> Layout:
    own = native.design
    names = design.x_names if len(design.x_names) == len(native.names) else native.names
    terms = [_itself(own, i) for i in range(len(own.random))]
    if [len(t.names) for t in design.random] == [len(t.names) for t in own.random]:
        terms = [
            (replace(shown, levels=()), replace(hit, levels=None))
            for shown, (_, hit) in zip(design.random, terms, strict=True)
        ]
    columns = tuple((name, i) for i, name in enumerate(names))
    return Layout(rows=False, columns=columns, terms=tuple(terms), same=False)


def _itself(own: Design, i: int) -> tuple[RandomDesign, TermMatch]:
    term = own.random[i]
    effects = tuple(range(len(term.names)))
    return term, TermMatch(i, effects, np.arange(len(term.levels)))


def read_mixed(
    native: MixedFit,
    case: Case,
    setting: Setting,
    messages: list[Message],
    *,
    settings: tuple[str, ...] = (),
    seconds: float = 0.0,
) -> Fit:
    """Read a result as a fit of a case; its own words go to ``messages``.

    What it is a fit of is not judged here: see :func:`own_model`. A random intercept is read as
    compound symmetry of the residuals where the case has that.
    """
    if case.by_random_intercept is not case:
        return _symmetric(native, case, setting, messages, settings, seconds)
    layout, result = laid_beside(native, case.design), native.result
    if layout.rows and [name for name, _ in layout.columns] != list(case.design.x_names):
        messages.append(
            Message("note", "the fixed-effects columns differ from the case's design", "coding")
        )
    se, statistics, p = (np.asarray(getattr(result, n)) for n in ("bse_fe", "tvalues", "pvalues"))
    modes: list[Array] | None = None
    fitted, residuals = (), ()
    try:
        modes = native.effects()
    except (ValueError, np.linalg.LinAlgError) as error:
        messages.append(Message("error", f"random_effects: {error}", type(error).__name__))
    else:
        try:
            if layout.rows:
                fitted = tuple(np.asarray(result.fittedvalues).tolist())
                residuals = tuple(np.asarray(result.resid).tolist())
        except ValueError as error:  # sparse matrices of variance components
            messages.append(Message("error", f"fittedvalues: {error}", type(error).__name__))
    errors = native.variance_errors()
    alone = native.as_its_call_says
    random = tuple(_term(native, shown, hit, modes) for shown, hit in layout.terms)
    criteria = "nan-under-reml" if native.criterion == "REML" else "2k-variances-counted"
    return Fit(
        engine="statsmodels",
        setting=setting,
        fitter="MixedLM",
        n_obs=int(result.nobs),
        coefficients=tuple(
            Coefficient(
                name,
                float(native.beta[i]),
                float(se[i]),
                math.inf,
                float(statistics[i]),
                float(p[i]),
            )
            for name, i in layout.columns
        ),
        native_names=tuple(native.names[i] for _, i in layout.columns),
        random=random,
        residual_variance=float(result.scale),
        loglik=float(result.llf),
        aic=float(result.aic),
        bic=float(result.bic),
        df_residual=float(result.df_resid),
        fitted=fitted,
        residuals=residuals,
        converged=bool(result.converged),
        variance_se=tuple(
            (f"{shown.group}: {name}", float(errors[hit.term][j]))
            for shown, hit in layout.terms
            for name, j in zip(shown.names, hit.effects, strict=True)
        ),
        # ``params`` holds variances divided by ``scale``; ``cov_re`` and ``vcomp`` do not.
        variance_params=tuple(
            (f"{term.group}: {name}", term.covariance[i][i] / float(result.scale))
            for term in random
            for i, name in enumerate(term.names)
        )
        if result.scale > 0.0
        else (),
        probes={}
        if alone
        else {"free-ignored": f"a covariance held at 0 by free= came out as {native.held:.3g}"},
        definitions={**DEFINITIONS, "aic": criteria, "bic": criteria},
        settings=settings,
        data_checksum=case.table.checksum() if layout.rows else "other rows",
        seconds=seconds,
    )


def _symmetric(
    native: MixedFit,
    case: Case,
    setting: Setting,
    messages: list[Message],
    settings: tuple[str, ...],
    seconds: float,
) -> Fit:
    """Read a random intercept as compound symmetry of the residuals, which the case has.

    Their variance is tau2 + s2, their correlation tau2 / (tau2 + s2). Random effects are none of
    the model: fitted values are those of the fixed effects, and no word is lost on what MixedLM
    refuses to predict.
    """
    said: list[Message] = []
    equal = case.by_random_intercept
    fit = read_mixed(native, equal, setting, said, settings=settings, seconds=seconds)
    asked = [(term.group, term.names) for term in equal.design.random]
    if [(term.group, term.names) for term in fit.random] != asked:
        messages += said
        return fit  # a result that is of yet another model
    messages += [message for message in said if message.kind != "error"]
    ((tau2,),) = fit.random[0].covariance
    total = tau2 + fit.residual_variance
    residual = case.design.residual
    assert residual is not None
    fixed = np.asarray(native.result.model.exog, dtype=np.float64) @ native.beta
    of_terms = ("variance", "variance_se")
    return msgspec.structs.replace(
        fit,
        random=(),
        residual_variance=total,
        residual=tuple((name, tau2 / total if total else math.nan) for name in residual.names),
        fitted=tuple(fixed.tolist()),
        residuals=tuple((native.design.y - fixed).tolist()),
        variance_se=(),
        variance_params=(),
        definitions={k: v for k, v in fit.definitions.items() if k not in of_terms},
        settings=(*fit.settings, "a random intercept, read as compound symmetry"),
    )


def as_intercept(fit: Fit, case: Case) -> Fit:
    """Return a fit of compound symmetry as the random intercept that it was read from."""
    ((_, rho),), total = fit.residual, fit.residual_variance
    (term,) = case.by_random_intercept.design.random
    intercept = RandomTerm(term.group, term.names, ((rho * total,),), term.levels)
    return msgspec.structs.replace(
        fit, random=(intercept,), residual=(), residual_variance=(1.0 - rho) * total
    )


def _term(
    native: MixedFit, shown: RandomDesign, hit: TermMatch, modes: list[Array] | None
) -> RandomTerm:
    columns = list(hit.effects)
    effects = None
    if modes is not None and hit.levels is not None:
        effects = tuple(map(tuple, hit.modes(modes[hit.term]).tolist()))
    psi = native.covariances[hit.term][np.ix_(columns, columns)]
    return RandomTerm(
        group=shown.group,
        names=shown.names,
        covariance=tuple(map(tuple, psi.tolist())),
        levels=shown.levels,
        effects=effects,
    )


def own_model(native: MixedFit, case: Case) -> OwnModel | None:
    """Return the model that a result is of, None where that is the case's.

    Its columns and terms are in the order in which :func:`read_mixed` gives them.
    """
    layout, own = laid_beside(native, case.design), native.design
    if layout.same:
        return None
    terms = layout.terms
    if not native.as_its_call_says:
        terms = tuple(_itself(own, i) for i in range(len(own.random)))
    random = []
    for shown, hit in terms:
        term = own.random[hit.term]
        z = np.ascontiguousarray(term.z[:, list(hit.effects)])
        random.append(RandomDesign(shown.group, shown.names, z, term.codes, term.levels))
    order = [i for _, i in layout.columns]
    names = tuple(name for name, _ in layout.columns)
    x = np.ascontiguousarray(own.x[:, order])
    return OwnModel(
        Design(own.y, x, names, tuple(random), own.rows),
        tuple(_term(native, term, hit, None) for term, (_, hit) in zip(random, terms, strict=True)),
    )
