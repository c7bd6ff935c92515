"""A model as calls of glmmTMB, nlme, mmrm and PROC MIXED, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.model.expression_text import R_TO_RUN
from harness.model.formula import Call, Name
from harness.model.model import Model, RandomTerm
from harness.spelling.lme4_spelling import lme4_formula, quote_name, r_call
from harness.spelling.nlme_call import nlme_call
from harness.spelling.patsy_language import NotExpressible


def needs_other_programs(model: Model) -> bool:
    """Whether a model has a part that lme4 1.1 and MixedLM do not share."""
    formula = model.formula
    return bool(
        formula.weights or formula.offsets or model.residual or model.structured is not None
    )


def program_calls(model: Model) -> dict[str, str]:
    """Return the call of each program, or ``# not expressible: reason``."""
    writers: Mapping[str, Callable[[Model], str]] = {
        "lme4": r_call,
        "nlme": nlme_call,
        "glmmTMB": glmmtmb_call,
        "mmrm": mmrm_call,
        "PROC MIXED": proc_mixed,
    }
    out = {}
    for name, writer in writers.items():
        try:
            out[name] = writer(model)
        except NotExpressible as reason:
            out[name] = f"# not expressible: {reason}"
    return out


_MARGINAL = {"ar1": "ar1", "cs": "homcs", "us": "us", "toep": "homtoep", "car1": "ou"}
"""Residual covariances as random terms of glmmTMB that leave no residual."""


def glmmtmb_call(model: Model) -> str:
    """Write the model for glmmTMB.

    Weights are an offset of its dispersion, for its own multiply the log-likelihood; a residual
    covariance is a random term beside a dispersion of zero.

    Raises
    ------
    NotExpressible
        With the reason.
    """
    if model.criterion == "OLS":
        raise NotExpressible("there are no random effects and no residual covariance")
    formula = lme4_formula(_plain(model), language=R_TO_RUN)
    reml = "TRUE" if model.criterion == "REML" else "FALSE"
    dispersion = ""
    residual, weights = model.residual, model.formula.weights
    if weights is not None:
        dispersion = f"dispformula = ~ 1 + offset(-log({quote_name(weights.name)}))"
    if residual is not None and residual.structure:
        if residual.strata and residual.structure != "us":
            raise NotExpressible("it has no residual correlation beside variances by strata")
        if weights is not None:
            raise NotExpressible("it has no residual correlation beside weights")
        if residual.structure == "corr":
            raise NotExpressible("it has no unstructured correlation with one variance")
        group = ":".join(map(quote_name, residual.group))
        position = residual.position
        if position is None:
            raise NotExpressible("the order of rows is no column; it needs a factor of visits")
        at = quote_name(position.name)
        at = f"glmmTMB::numFactor({at})" if residual.structure == "car1" else f"factor({at})"
        formula += f" + {_MARGINAL[residual.structure]}(0 + {at} | {group})"
        dispersion = "dispformula = ~ 0"
    elif residual is not None:
        strata = " + ".join("*".join(map(quote_name, columns)) for columns in residual.strata)
        known = "" if weights is None else f" + offset(-log({quote_name(weights.name)}))"
        dispersion = f"dispformula = ~ {strata}{known}"
    more = f", {dispersion}" if dispersion else ""
    return f"glmmTMB::glmmTMB({formula}, data, REML = {reml}{more})"


_MMRM = {"us": "us", "ar1": "ar1", "cs": "cs", "toep": "toep", "car1": "sp_exp"}


def mmrm_call(model: Model) -> str:
    """Write the model for mmrm, whose models are marginal.

    Raises
    ------
    NotExpressible
        With the reason.
    """
    residual = model.residual
    if model.random:
        raise NotExpressible("it has no random effects, a covariance of the residuals only")
    if residual is None or not residual.structure:
        raise NotExpressible("it has models with a covariance within subjects only")
    if residual.structure not in _MMRM:
        raise NotExpressible(f"it has no {residual.structure}()")
    if residual.position is None:
        raise NotExpressible("the order of rows is no column; it needs a factor of visits")
    if len(residual.group) > 1:
        raise NotExpressible("a subject is one column; paste the columns together first")
    name, position = _MMRM[residual.structure], quote_name(residual.position.name)
    strata = list(residual.strata)
    if residual.structure != "us" and strata == [(residual.position.name,)]:
        name, strata = f"{name}h", []
    if strata or name == "sp_exph":
        raise NotExpressible("it has variances by visit, and none by another factor alone")
    fixed = lme4_formula(_without_bars(_plain(model)), language=R_TO_RUN)
    reml = "TRUE" if model.criterion == "REML" else "FALSE"
    term = f"{name}({position} | {quote_name(residual.group[0])})"
    weights = model.formula.weights
    more = "" if weights is None else f", weights = data${quote_name(weights.name)}"
    return f"mmrm::mmrm({fixed} + {term}, data, reml = {reml}{more})"


_SAS_RANDOM = {
    "": "un",
    "diag": "un(1)",
    "homdiag": "vc",
    "cs": "csh",
    "homcs": "cs",
    "ar1": "ar(1)",
    "hetar1": "arh(1)",
}
_SAS_REPEATED = {"ar1": "ar(1)", "cs": "cs", "toep": "toep", "us": "un"}
_SAS_BY_VISIT = {"ar1": "arh(1)", "cs": "csh", "toep": "toeph"}


def proc_mixed(model: Model) -> str:
    """Write the model for SAS.

    Columns that the formula makes factors are in CLASS; which others are, the data say.

    Raises
    ------
    NotExpressible
        With the reason.
    """
    classes: dict[str, None] = {}
    outcome = model.formula.outcome
    if model.formula.offsets:
        raise NotExpressible("it has no offset; make a column of the outcome less the offset")
    if not isinstance(outcome, Name):
        raise NotExpressible("it computes no outcome; make a column of it first")
    effects = [_sas_effect(term, classes) for term in model.fixed.terms]
    options = "solution ddfm=satterthwaite"
    noint = "" if model.fixed.intercept else "noint "
    lines = [f"  model {outcome.name} = {' '.join(effects)} / {noint}{options};"]
    for term in model.random:
        lines.append(f"  {_sas_random(term, classes)}")
    if model.residual is not None:
        lines.append(f"  {_sas_repeated(model, classes)}")
    if model.formula.weights is not None:
        lines.append(f"  weight {model.formula.weights.name};")
    both = next((n for n in _numbers(model) if n in classes), None)
    if both is not None:
        raise NotExpressible(
            f"{both} is a number in one place and a class in another; make a copy of the column"
        )
    head = [f"proc mixed data=data method={'ml' if model.criterion == 'ML' else 'reml'};"]
    head += [f"  class {' '.join(classes)};"] if classes else []
    return "\n".join([*head, *lines, "run;"])


def _numbers(model: Model) -> list[str]:
    """Return the columns that fixed and random effects have as numbers."""
    effects = (model.fixed, *(term.effects for term in model.random))
    atoms = [atom for terms in effects for product in terms.terms for atom in product]
    levels = {name for term in model.random for name in _of_levels(term)}
    numbers = [a.name for a in atoms if isinstance(a, Name) and not a.as_factor]
    return [name for name in numbers if name not in levels]


def _of_levels(term: RandomTerm) -> list[str]:
    """Return the columns that are levels since a structure with one effect has them as a factor."""
    if term.structure in ("", "diag") or term.effects.intercept or len(term.effects.terms) > 1:
        return []
    names = [atom for atom in term.effects.terms[0] if isinstance(atom, Name)]
    return [name.name for name in names if not name.as_factor]


def _sas_effect(term: tuple[Name | Call, ...], classes: dict[str, None]) -> str:
    words = []
    for atom in term:
        if isinstance(atom, Call):
            raise NotExpressible(f"it has no {atom.function}(); make a column of it first")
        if atom.coding is not None:
            raise NotExpressible(f"it codes {atom.name} its own way, against the last level")
        if atom.as_factor:
            classes[atom.name] = None
        words.append(atom.name)
    return "*".join(words)


def _sas_random(term: RandomTerm, classes: dict[str, None]) -> str:
    classes |= dict.fromkeys(term.group)
    words = ["intercept"] if term.effects.intercept else []
    words += [_sas_effect(t, classes) for t in term.effects.terms]
    classes |= dict.fromkeys(_of_levels(term))
    return (
        f"random {' '.join(words)} / subject={'*'.join(term.group)} "
        f"type={_SAS_RANDOM[term.structure]};"
    )


def _sas_repeated(model: Model, classes: dict[str, None]) -> str:
    residual = model.residual
    assert residual is not None
    classes |= dict.fromkeys(residual.group)
    strata = list(residual.strata)
    if not residual.structure:
        if len(strata) > 1:
            raise NotExpressible("it has variances by one effect of GROUP=")
        classes |= dict.fromkeys(strata[0])
        return f"repeated / group={'*'.join(strata[0])};"
    subject = f"subject={'*'.join(residual.group)}"
    position = residual.position
    if residual.structure == "corr":
        raise NotExpressible("it has no unstructured correlation with one variance")
    if residual.structure == "car1":
        assert position is not None
        if strata:
            raise NotExpressible("its sp(pow) has one variance; GROUP= has a rho for each, too")
        return f"repeated / {subject} type=sp(pow)({position.name});"
    kind, visit = _SAS_REPEATED[residual.structure], ""
    if position is not None:
        classes[position.name] = None
        visit = f"{position.name} "
        if strata == [(position.name,)] and residual.structure in _SAS_BY_VISIT:
            kind, strata = _SAS_BY_VISIT[residual.structure], []
    if strata:
        raise NotExpressible("GROUP= beside TYPE= has correlations for each stratum, too")
    return f"repeated {visit}/ {subject} type={kind};"


def _plain(model: Model) -> Model:
    """Return the model less the parts that are arguments: weights, and the residual covariance."""
    return replace(model, formula=replace(model.formula, weights=None), residual=None)


def _without_bars(model: Model) -> Model:
    return replace(model, formula=replace(model.formula, bars=()))
