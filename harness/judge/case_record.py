"""From a case that was judged to its record."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

import msgspec
import numpy as np

from harness.data.certified_values import load_certified
from harness.data.printed_numbers import PrintedNumber, rounds_to
from harness.data.rungs import Rung
from harness.engines.engine import Coefficient, Failure, Fit, Outcome, Setting
from harness.judge.certified_score import CertifiedScore, score
from harness.judge.examination import Examination
from harness.judge.judge import Judged
from harness.judge.records import CaseRecord, Column, DataSummary, Printed
from harness.judge.rule_tests import rule_tests
from harness.model.case import Case
from harness.model.design import Design
from harness.model.formula import names_in
from harness.model.model import column_of
from harness.model.table import FactorColumn, NumericColumn, Table
from harness.spelling.lme4_spelling import model_text, r_call
from harness.spelling.mixedlm_spelling import python_call
from harness.spelling.model_description import in_words
from harness.spelling.program_calls import program_calls

EMBED_ROWS = 2000
"""Rows, or levels of a term, up to which data, fits and random effects are embedded."""


def case_record(judged: Judged, rung: Rung) -> CaseRecord:
    """Return the record of a case that was judged."""
    started = time.perf_counter()
    case, examination = rung.case, judged.examination
    by_key = {(o.engine, o.setting): o for o in judged.outcomes}
    notes = rung.notes + (
        (f"The referee did not evaluate it: {examination.reason}.",) if examination.reason else ()
    )
    notes += _maxima(examination)
    return CaseRecord(
        id=case.id,
        title=rung.title,
        group=rung.group,
        formula=model_text(case.model),
        criterion=case.model.criterion,
        words=in_words(case.model),
        spelling=_spelling(case),
        focus=rung.focus,
        data=_data_summary(rung, case.design),
        reference=judged.reference,
        fits=tuple(_embedded(o) for o in judged.outcomes),
        judgements=judged.judgements,
        comparisons=judged.comparisons,
        printed=tuple(_printed(rung.printed, by_key)),
        certified=_certified(rung, judged),
        best_loglik=_best_loglik(rung, examination),
        notes=notes,
        rules=tuple(rule_tests(examination, rung)) if rung.printed and case.design.random else (),
        seconds=judged.seconds + time.perf_counter() - started,
        audit_seconds=judged.audit_seconds,
    )


def _spelling(case: Case) -> dict[str, str]:
    """How programs are asked for the model, by engine: those that have such a model."""
    if case.model.residual is None and case.model.structured is None:
        return {"statsmodels": python_call(case.model, case.table), "lme4": r_call(case.model)}
    calls = program_calls(case.model)
    known = {"nlme": calls["nlme"], "glmmtmb": calls["glmmTMB"]}
    known["statsmodels"] = python_call(case.model, case.table)
    if case.model.residual is None:
        known["lme4"] = calls["lme4"]
    return {name: call for name, call in known.items() if not call.startswith("# not")}


def _certified(rung: Rung, judged: Judged) -> tuple[CertifiedScore, ...]:
    values = load_certified(rung.case.id, rung.case.design)
    if values is None:
        return ()
    return score(
        values,
        [
            (one.fit, one.audit)
            for one in judged.examination.fits
            if len(one.audit.coefficients) == len(one.fit.coefficients)
        ],
    )


def _best_loglik(rung: Rung, examination: Examination) -> float | None:
    if rung.case.model.criterion == "OLS":
        return max((a.loglik for a in examination.audits), default=None)
    return None if examination.best is None else -0.5 * examination.best.deviance


def _embedded(outcome: Outcome) -> Outcome:
    """Leave out what is too long to draw; the record keeps every number that is compared."""
    if isinstance(outcome, Failure):
        return outcome
    random = tuple(
        t if len(t.levels) <= EMBED_ROWS else msgspec.structs.replace(t, levels=(), effects=None)
        for t in outcome.random
    )
    if outcome.n_obs <= EMBED_ROWS:
        return msgspec.structs.replace(outcome, random=random)
    return msgspec.structs.replace(outcome, random=random, fitted=(), residuals=())


def _maxima(examination: Examination) -> tuple[str, ...]:
    """Say that the likelihood has more than one maximum, where the search met another."""
    best = examination.best
    if best is None or not best.others:
        return ()
    others = ", ".join(f"{-0.5 * point.deviance():.4f}" for point in best.others)
    return (
        f"The log-likelihood has {1 + len(best.others)} maxima that the referee knows: "
        f"{-0.5 * best.deviance:.4f} and {others}. An optimizer that stops at a lower one cannot "
        "tell.",
    )


def _data_summary(rung: Rung, design: Design) -> DataSummary:
    table = rung.case.table
    columns = tuple(
        Column(
            name=c.name,
            kind="factor" if isinstance(c, FactorColumn) else "numeric",
            levels=c.levels[:EMBED_ROWS] if isinstance(c, FactorColumn) else (),
            missing=int(c.missing.sum()),
        )
        for c in table.columns
    )
    x_name, y_name, group_name = _drawn(rung, table)
    used = table.rows(table.complete)
    small = len(design.y) <= EMBED_ROWS
    group = used[group_name] if small and group_name else None
    x = used[x_name] if small and x_name else None
    return DataSummary(
        name=rung.data.name,
        origin=rung.data.origin,
        checksum=table.checksum(),
        rows=table.n_rows,
        rows_used=len(design.y),
        columns=columns,
        groups={t.group: len(t.levels) for t in design.random},
        x_name=x_name,
        y_name=y_name,
        group_name=group_name,
        group_levels=group.levels if isinstance(group, FactorColumn) else (),
        x=tuple(x.values.tolist()) if isinstance(x, NumericColumn) else (),
        y=tuple(design.y.tolist()) if small else (),
        group=tuple(group.codes.tolist()) if isinstance(group, FactorColumn) else (),
    )


def _drawn(rung: Rung, table: Table) -> tuple[str, str, str]:
    """Which columns a picture of the data has: first numeric predictor, outcome, first factor."""
    model = rung.case.model
    outcome = " ".join(n.name for n in names_in(model.formula.outcome))
    fixed = [column_of(table, n) for n in names_in(model.formula.fixed)]
    numeric = [c.name for c in fixed if isinstance(c, NumericColumn)]
    factors = [c.name for c in table.columns if isinstance(c, FactorColumn)]
    if model.random:
        top = model.random[0].group[0]
        factors = [n for n in (f"factor({top})", top) if n in table.names]
    return (numeric[0] if numeric else ""), outcome, (factors[0] if factors else "")


def _printed(
    numbers: Iterable[PrintedNumber], by_key: dict[tuple[str, Setting], Outcome]
) -> Iterable[Printed]:
    for number in numbers:
        fit = by_key.get((number.engine, "default"))
        if not isinstance(fit, Fit):
            continue
        value = printed_value(fit, number.quantity, number.item)
        if value is None:
            continue
        yield Printed(
            source=number.source,
            quantity=number.quantity,
            item=number.item,
            printed=number.text,
            engine=number.engine,
            value=value,
            matches=rounds_to(value, number.text),
        )


def printed_value(fit: Fit, quantity: str, item: str) -> float | None:
    """Return the number of a fit that a publication prints under ``quantity`` and ``item``."""
    readers: dict[str, Callable[[], float | None]] = {
        "table.RMSE": lambda: _rmse(fit),
        "mse": lambda: _squared(_rmse(fit)),
        "scale": lambda: fit.residual_variance,
        "loglik": lambda: fit.loglik,
        "reml_criterion": lambda: None if fit.loglik is None else -2.0 * fit.loglik,
        "variance": lambda: _variance(fit, item),
        "variance_se": lambda: _variance_error(fit, item),
        "random_effect": lambda: _random_effect(fit, item),
        "residual": lambda: dict(fit.residual).get(item),
    }
    if quantity in readers:
        return readers[quantity]()
    column = {"table.Coef": "estimate", "table.Stat": "statistic", "table.Pval": "p"}.get(
        quantity, quantity
    )
    try:
        row: Coefficient = fit.coefficient(item)
    except KeyError:
        return None
    value = getattr(row, column, None)
    return None if value is None else float(value)


def _squared(value: float | None) -> float | None:
    return None if value is None else value**2


def _rmse(fit: Fit) -> float | None:
    """Return sqrt(RSS / (n - p)), the tutorial's definition, for mixed models too."""
    if not fit.residuals:
        return None
    squares = float((np.array(fit.residuals) ** 2).sum())
    return math.sqrt(squares / (fit.n_obs - len(fit.coefficients)))


def _variance(fit: Fit, item: str) -> float | None:
    """``"Group Var"``, ``"edu Var"``, ``"Group x edu Cov"``, or lme4's ``"Pig (Intercept)"``."""
    if item == "Residual":
        return fit.residual_variance
    words = item.removesuffix(" Var").removesuffix(" Cov")
    for term in fit.random:
        names = {f"{term.group} {name}": i for i, name in enumerate(term.names)}
        names |= {name: i for i, name in enumerate(term.names)}
        if "Intercept" in term.names:
            at = term.names.index("Intercept")
            names |= {"Group": at, f"{term.group} (Intercept)": at}
        if words in names:
            return float(term.covariance[names[words]][names[words]])
        first, cross, second = words.partition(" x ")
        if cross and first in names and second in names:
            return float(term.covariance[names[first]][names[second]])
    return None


def _variance_error(fit: Fit, item: str) -> float | None:
    """Return the printed standard error of a variance; ``"Group Var"`` is the intercept's."""
    name = item.removesuffix(" Var")
    wanted = "Intercept" if name == "Group" else name
    return next((v for label, v in fit.variance_se if label.endswith(f": {wanted}")), None)


def _random_effect(fit: Fit, level: str) -> float | None:
    for term in fit.random:
        if term.effects is not None and level in term.levels:
            return float(term.effects[term.levels.index(level)][0])
    return None
