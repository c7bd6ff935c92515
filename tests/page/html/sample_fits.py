"""Fits, comparisons and scores of sample cases, made up."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
import numpy as np
from jinja2 import meta

from harness.engines.engine import Coefficient, Fit, Message, RandomTerm, Setting
from harness.judge import sentence as words
from harness.judge.causes.entries import load_known
from harness.judge.certified_score import CertifiedQuantity, CertifiedScore
from harness.judge.comparison import Difference
from harness.judge.evidence import Evidence, found
from harness.judge.lre import lre
from harness.judge.records import (
    DataSummary,
)
from harness.judge.statements import Statement
from harness.judge.verdict import Finding

ENGINE, REFERENCE = "statsmodels", "lme4"


def said(sentence: str) -> Finding:
    """Return a finding that is told in a sentence made up."""
    return Finding(key="not-done", texts={"message": sentence})


def evidence_of(causes: tuple[str, ...]) -> tuple[Evidence, ...]:
    """Return evidence for causes, with a value for everything that their templates have."""
    return tuple(found(cause, item="x", **values_of(cause)) for cause in causes)


def values_of(cause: str) -> dict[str, Any]:
    """Return a value for each name in the template of a cause; of one not on file a number."""
    known = load_known().get(cause)
    if known is None:
        return {"gap": 0.42}
    text = " ".join((known.says, *words._SHARED.values()))
    names = meta.find_undeclared_variables(words._environment({}).parse(text))
    used = r"(\w+) ?\| ?(?:together|length|join|first)|for \w+ in (\w+)|(\w+)\["
    lists = {name for found in re.findall(used, text) for name in found}
    return {
        name: ("1",) if name in lists else 0.42
        for name in names - {"engine", "quantity", "item", "probe"}
    } | {"probe": "gap in deviance 0.42, gradient 3.1e-02"}


def statements(engine: str, rows: list[Coefficient]) -> tuple[Statement, ...]:
    """Return what is printed under one name and two definitions: p values, and SE of variances."""
    definition = "normal" if engine == ENGINE else "t"
    p = tuple(
        Statement(
            quantity="p",
            item=row.name,
            value=1e-11 if engine == ENGINE else 3.26e-6,
            declared=definition,
            definition=definition,
            truth="true",
        )
        for row in rows
    )
    if engine == REFERENCE:
        return p
    column = Statement(
        quantity="variance_se",
        item="g: (Intercept)",
        value=0.3,
        declared="packed-hessian",
        definition="packed-hessian",
        truth="true",
    )
    return (*p, column)


def scores(apart: float) -> tuple[CertifiedScore, ...]:
    """Return digits of both engines: the first one's as far off as the engines are apart."""
    found = []
    quantities: tuple[tuple[CertifiedQuantity, str, str], ...] = (
        ("loglik", "", "-871.81410000000000014"),
        ("estimate", "x", "10.467285958595959596"),
        ("se", "x", "1.5457895700000000001"),
        ("df", "x", "17.000000000000000000"),
        ("variance", "g: (Intercept)", "4.1000000000000000003"),
        ("residual_variance", "", "0.86927760000000000002"),
    )
    for engine, shift in ((ENGINE, apart), (REFERENCE, 3e-9)):
        for setting in ("default", "tight"):
            for quantity, item, text in quantities:
                value = float(text) * (1 + (shift if setting == "default" else shift * 1e-4))
                found.append(
                    CertifiedScore(
                        engine=engine,
                        setting=setting,
                        quantity=quantity,
                        item=item,
                        certified=text,
                        value=value,
                        digits=lre(value, float(text)),
                    )
                )
    return tuple(found)


def fit(
    engine: str,
    setting: Setting,
    rows: list[Coefficient],
    data: DataSummary,
    fitted: np.ndarray,
    residuals: np.ndarray,
    effects: np.ndarray,
    shift: float,
) -> Fit:
    """Return a fit with one random intercept."""
    z = engine == ENGINE
    return Fit(
        engine=engine,
        setting=setting,
        fitter="MixedLM" if z else "lmerTest::lmer",
        n_obs=fitted.size,
        coefficients=tuple(
            msgspec.structs.replace(r, df=math.inf, p=1.3e-11) if z else r for r in rows
        ),
        native_names=tuple(r.name for r in rows),
        random=(
            RandomTerm(
                group="g",
                names=("(Intercept)",),
                covariance=((4.1 * (1 + shift),),),
                levels=data.group_levels,
                effects=tuple((float(v) * (1 + shift),) for v in effects[:, 0]),
            ),
        ),
        residual_variance=0.8692776 * (1 + shift),
        loglik=-871.8141 - shift,
        aic=None if z else 1751.6,
        bic=math.nan if z else 1764.4,
        fitted=tuple(fitted.tolist()),
        residuals=tuple(residuals.tolist()),
        converged=True,
        singular=None if z else False,
        settings=("bfgs, lbfgs, cg",) if z else ("nloptwrap", "xtol_abs 1e-6"),
        messages=(Message("warning", "The MLE may be on the boundary.", "ConvergenceWarning"),)
        if z and setting == "default"
        else (),
        data_checksum=data.checksum,
        seconds=0.08,
    )


def compare(setting: Setting, rows: dict[str, list[Coefficient]], apart: float) -> list[Difference]:
    """Return differences of every quantity of the coefficients and of the scalars."""
    found = [one(setting, "loglik", "", -871.8141 - apart, -871.8141, 1e-4, "absolute")]
    for own, beside in zip(rows[ENGINE], rows[REFERENCE], strict=True):
        for quantity, tolerance in (("estimate", 1e-3), ("se", 1e-3), ("df", 1e-2), ("p", 1e-2)):
            a, b = getattr(own, quantity), getattr(beside, quantity)
            referee = quantity in ("df", "p")
            found.append(
                one(setting, quantity, own.name, a, b, tolerance, "relative", referee=referee)
            )
    found.append(
        one(setting, "variance", "g: (Intercept)", 4.1 * (1 + apart), 4.1, 5e-3, "relative")
    )
    found.append(
        one(setting, "residual_variance", "", 0.8692776 * (1 + apart), 0.8692776, 5e-3, "relative")
    )
    return found


def one(
    setting: Setting,
    quantity: str,
    item: str,
    value: float,
    reference: float,
    tolerance: float,
    unit: Any,
    *,
    referee: bool = False,
) -> Difference:
    """Return one difference with its digits worked out."""
    apart = abs(value - reference)
    difference = apart / (1 if unit == "absolute" else abs(reference))
    relative = apart / abs(reference) if reference else math.nan
    digits = math.inf if apart == 0 else (-math.log10(relative) if relative > 0 else math.nan)
    return Difference(
        quantity=quantity,
        item=item,
        value=value,
        reference=reference,
        referee=referee,
        difference=difference,
        unit=unit,
        digits=digits,
        tolerance=tolerance if setting == "default" else tolerance * 1e-3,
        within=difference <= tolerance,
    )
