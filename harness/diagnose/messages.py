"""What the engines said, in plain words, and whether it matters for this fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.base.text import count, number
from harness.diagnose.bench import Bench
from harness.diagnose.data_checks import SCALES, numeric_predictors
from harness.diagnose.diagnosis import Translation
from harness.engines.engine import Failure, Fit, Message
from harness.engines.mixedlm_result import as_intercept
from harness.judge.audit import Audit
from harness.judge.causes.view import LMER, MIXEDLM
from harness.judge.records import CaseRecord

OPTIMAL = ("interior optimum", "boundary optimum", "closed form")


@dataclass(frozen=True)
class _Seen:
    fit: Fit
    audit: Audit
    bench: Bench
    text: str


Judgement = tuple[bool | None, str]


@dataclass(frozen=True)
class _Rule:
    """What a message means that matches ``pattern``; of fits by ``fitters`` alone, where given."""

    key: str
    pattern: str
    meaning: str
    judge: Callable[[_Seen], Judgement]
    fitters: tuple[str, ...] = ()


def _by_gap(seen: _Seen) -> Judgement:
    audit = seen.audit
    gap = number(max(0.5 * audit.gap, 0.0))
    gradient = number(audit.gradient)
    if audit.certificate in OPTIMAL:
        return False, (
            f"the fit is {gap} in log-likelihood from the best point known, largest scaled "
            f"derivative {gradient}: it is the optimum"
        )
    return True, (
        f"the fit is {gap} in log-likelihood below the best point known, largest scaled "
        f"derivative {gradient}: {audit.certificate}"
    )


def _absolute(seen: _Seen) -> Judgement:
    """Judge a warning that an absolute limit gives: away from any boundary it says nothing."""
    audit, best = seen.audit, seen.bench.best
    # Without a term it speaks of an intercept read as compound symmetry, which has no rank here.
    full = bool(seen.fit.random) and all(
        r == len(t.names) for r, t in zip(audit.ranks, seen.fit.random, strict=True)
    )
    if best is None or best.optimality.singular or not full or audit.certificate in OPTIMAL:
        return _boundary(seen)
    return False, (
        f"the smallest variance of the fit is {number(_smallest(seen))} of the residual "
        "variance, and neither the fit nor the optimum is on the boundary; the fit is "
        f"{number(0.5 * audit.gap)} in log-likelihood below the best point known for other reasons"
    )


def _boundary(seen: _Seen) -> Judgement:
    audit, best = seen.audit, seen.bench.best
    if audit.certificate == "false boundary":
        return True, (
            f"the boundary is false: the dual eigenvalue is {number(audit.dual)}, and the "
            f"log-likelihood rises by {number(0.5 * audit.gap)} when the variance grows"
        )
    if audit.certificate not in OPTIMAL:
        return True, _by_gap(seen)[1]
    assert best is not None
    if best.optimality.singular:
        ranks = ", ".join(
            f"rank {r} of {len(t.names)} for {t.group}"
            for r, t in zip(audit.ranks, seen.fit.random, strict=True)
        )
        return True, f"the optimum itself is singular ({ranks})"
    return False, (
        "the optimum has full rank; the smallest variance is "
        f"{number(_smallest(seen))} of the residual variance"
    )


def _smallest(seen: _Seen) -> float:
    """Return the smallest variance of random effects in units of the residual variance."""
    case, fit = seen.bench.case, seen.fit
    if not fit.random:
        fit = as_intercept(fit, case)
    variances = [t.covariance[i][i] for t in fit.random for i in range(len(t.names))]
    return min(variances) / fit.residual_variance


def _hessian(seen: _Seen) -> Judgement:
    matters, because = _by_gap(seen)
    best = seen.bench.best
    if best is not None and best.free:
        return True, (
            f"{because}; but the deviance is flat there in {count(len(best.free), 'direction')}: "
            "the data do not determine the variances"
        )
    if not matters and best is not None and best.optimality.singular:
        return False, (
            f"{because}, on the boundary, where a Hessian in Cholesky or covariance elements need "
            "not be positive definite; the standard errors of the variances are not to be used"
        )
    return matters, because


def _scale(seen: _Seen) -> Judgement:
    spread = {k: float(v.std()) for k, v in numeric_predictors(seen.bench.case).items()}
    spread = {k: s for k, s in spread.items() if s > 0.0}
    far = {
        k: abs(float(v.mean())) / spread[k]
        for k, v in numeric_predictors(seen.bench.case).items()
        if k in spread
    }
    spread["the outcome"] = float(seen.bench.case.design.y.std())
    ratio = max(spread.values()) / min(spread.values())
    matters, because = _by_gap(seen)
    extra = (
        f"; standard deviations of the columns are up to {number(ratio)} apart"
        if (ratio >= SCALES)
        else ""
    )
    if far:
        worst = max(far, key=far.__getitem__)
        extra += f"; {worst} has its mean {number(far[worst])} standard deviations from zero"
    return matters, because + extra


def _dropped(seen: _Seen) -> Judgement:
    return True, (
        f"{len(seen.bench.case.design.x_names)} columns were asked for and "
        f"{len(seen.fit.coefficients)} are in the fit"
    )


def _df(seen: _Seen) -> Judgement:
    if seen.bench.best is not None and seen.bench.best.free:
        return _hessian(seen)
    off = [
        (c.name, c.df, f.df)
        for c, f in zip(seen.fit.coefficients, seen.audit.coefficients, strict=False)
        if c.df is not None and f.df is not None and f.df > 0.0 and abs(c.df - f.df) > 0.01 * f.df
    ]
    if not off:
        rows = [c.df for c in seen.audit.coefficients if c.df is not None]
        return False, (
            f"its df are those of an exact derivative to 1 % ({len(rows)} coefficients compared)"
        )
    name, own, exact = off[0]
    return True, f"df of {name} are {number(own)}; by exact derivatives {number(exact)}"


_RULES = (
    _Rule(
        "max-grad",
        r"failed to converge with max\|grad\|",
        "lme4 checked the gradient at its answer by finite differences, and it is above a fixed "
        "limit (0.002).",
        _by_gap,
        LMER,
    ),
    _Rule(
        "boundary",
        r"boundary \(singular\) fit|isSingular",
        "A variance is estimated as zero or a correlation as +-1.",
        _boundary,
    ),
    _Rule(
        "no-gradient",
        r"unable to evaluate scaled gradient",
        "lme4 could not scale the gradient, because its numerical Hessian has no Cholesky root.",
        _hessian,
        LMER,
    ),
    _Rule(
        "hessian",
        r"degenerate +Hessian|negative eigenvalue|Hessian is numerically singular"
        r"|Hessian matrix at the estimated parameter values is not positive definite",
        "The curvature at the answer, as the program computed it, is not that of a clear maximum.",
        _hessian,
    ),
    _Rule(
        "rescale",
        r"nearly unidentifiable|Rescale variables|predictor variables are on very different scales",
        "The variables are on very different scales, or far from zero.",
        _scale,
    ),
    _Rule(
        "dropped-columns",
        r"rank deficient|dropping \d+ column",
        "lme4 left out columns that are combinations of others.",
        _dropped,
        LMER,
    ),
    _Rule(
        "df",
        r"unable to compute.*(df|degrees of freedom)|Model may not have converged with \d+ "
        r"eigenvalue",
        "lmerTest's numerical derivatives for the degrees of freedom are doubtful.",
        _df,
        LMER,
    ),
    _Rule(
        "boundary",
        r"may be on the boundary of the parameter space",
        "A variance is below an absolute 0.01, whatever the units of the outcome.",
        _absolute,
        MIXEDLM,
    ),
    _Rule(
        "boundary",
        r"Random effects covariance is singular",
        "The covariance matrix of the random effects cannot be inverted.",
        _boundary,
    ),
    _Rule(
        "retrying",
        r"Retrying MixedLM optimization with",
        "One optimizer stopped without success, and the next went on from there.",
        _by_gap,
    ),
    _Rule(
        "not-converged",
        r"optimization failed|Maximum Likelihood optimization failed to converge"
        r"|Gradient optimization failed|failed to converge|convergence code",
        "The optimizer stopped by a rule other than its tolerance.",
        _by_gap,
    ),
    _Rule(
        "sqrt",
        r"invalid value encountered in sqrt|divide by zero|overflow encountered",
        "Standard errors of variances were asked of a matrix that does not give them.",
        _hessian,
    ),
    _Rule(
        "random-effects",
        r"^random_effects:",
        "MixedLM did not predict the random effects: it inverts their covariance matrix.",
        _boundary,
        MIXEDLM,
    ),
)


def translate(record: CaseRecord, bench: Bench, engines: tuple[str, ...]) -> Iterator[Translation]:
    """Translate what the engines said in the default setting, each kind of message once."""
    for engine in engines:
        outcome = record.fit(engine)
        if outcome is None or isinstance(outcome, Failure):
            continue
        audit = record.audit(engine)
        seen: set[str] = set()
        for message in outcome.messages:
            if message.kind == "note":
                continue
            found = _translated(message, outcome, audit, bench)
            if found.key != "unknown" and found.key in seen:
                continue
            seen.add(found.key)
            yield found


def _translated(message: Message, fit: Fit, audit: Audit | None, bench: Bench) -> Translation:
    text = " ".join(message.text.split())
    common = {"engine": fit.engine, "setting": fit.setting, "text": text}
    for rule in _RULES:
        if fit.fitter in (rule.fitters or (fit.fitter,)) and re.search(rule.pattern, text):
            matters, because = (
                (None, f"the referee did not evaluate it: {bench.reason}")
                if audit is None or bench.best is None
                else rule.judge(_Seen(fit, audit, bench, text))
            )
            return Translation(
                **common, key=rule.key, meaning=rule.meaning, matters=matters, because=because
            )
    if audit is None or bench.best is None:
        return Translation(**common, key="unknown", meaning="", matters=None, because="")
    matters, because = _by_gap(_Seen(fit, audit, bench, text))
    return Translation(**common, key="unknown", meaning="", matters=matters, because=because)
