"""What a disagreement changes: coefficients whose p value crosses alpha."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.base.text import listed, number, p_value
from harness.diagnose.bench import Bench
from harness.diagnose.diagnosis import Conclusion
from harness.diagnose.messages import OPTIMAL
from harness.engines.engine import Fit
from harness.judge.records import CaseRecord
from harness.referee.satterthwaite import contrast_tests


def conclusions(
    record: CaseRecord, bench: Bench, engines: tuple[str, ...], alpha: float
) -> tuple[Conclusion, ...]:
    """Compare the p values of every fixed effect: as printed, like for like, and at the optimum.

    An engine whose fit is in another coding than the case's has rows of its own.
    """
    right: dict[str, tuple[float, float]] = {}
    names = bench.case.design.x_names
    open_: set[str] = set()
    if bench.best is not None:
        tests = contrast_tests(bench.best.point, np.eye(bench.case.design.x.shape[1]))
        open_ = {names[j] for j in bench.best.moved}  # as good a point has another p
        right = {
            name: (test.p, test.df)
            for name, test in zip(names, tests, strict=True)
            if name not in open_
        }
    apart = tuple(e for e in engines if e in bench.elsewhere and not _coded_as(names, record, e))
    alike = tuple(e for e in engines if e not in apart)
    rows = [
        _conclusion(name, record, alike, right.get(name), alpha, determined=name not in open_)
        for name in names
    ]
    for engine in apart:
        fit, audit = record.fit(engine), record.audit(engine)
        if not isinstance(fit, Fit) or audit is None:
            continue
        at_best = audit.certificate in OPTIMAL
        for c in audit.coefficients:
            fair = (c.p, c.df) if at_best and c.p is not None and c.df is not None else None
            rows.append(_conclusion(c.name, record, (engine,), fair, alpha))
    return tuple(row for row in rows if row.printed or not apart)


def _coded_as(names: Sequence[str], record: CaseRecord, engine: str) -> bool:
    fit = record.fit(engine)
    return not isinstance(fit, Fit) or [c.name for c in fit.coefficients] == list(names)


def _conclusion(
    name: str,
    record: CaseRecord,
    engines: tuple[str, ...],
    right: tuple[float, float] | None,
    alpha: float,
    *,
    determined: bool = True,
) -> Conclusion:
    printed, fair, tests = {}, {}, {}
    for engine in engines:
        fit, audit = record.fit(engine), record.audit(engine)
        if not isinstance(fit, Fit):
            continue
        row = next((c for c in fit.coefficients if c.name == name), None)
        if row is not None and row.p is not None:
            printed[engine] = row.p
            tests[engine] = row.df
        if audit is not None:
            own = next((c for c in audit.coefficients if c.name == name), None)
            if own is not None and own.p is not None and not math.isnan(own.p):
                fair[engine] = own.p
    values = [*printed.values(), *([right[0]] if right else [])]
    sides = {p < alpha for p in values if not math.isnan(p)}
    common = {
        "name": name,
        "printed": tuple(printed.items()),
        "right": right[0] if right else None,
        "like_for_like": tuple(fair.items()),
    }
    said = listed([f"{p_value(p)} in {engine}" for engine, p in printed.items()])
    whole = f"{name}: {said}"
    if not determined:
        return Conclusion(
            **common,  # type: ignore[arg-type]
            changed=len(sides) > 1,
            because="undetermined",
            sentence=f"{whole}. The data do not determine it.",
        )
    if len(sides) < 2:
        return Conclusion(**common)  # type: ignore[arg-type]
    because = _because(printed, tests, fair, right, alpha)
    if right is not None:
        whole += f"; at the best point {p_value(right[0])} with {number(right[1])} df"
    reason = {
        "optimum": "the fits are at different points",
        "definition": f"{_engine_of(tests)} tests with the normal distribution, not with t",
        "df": "lmerTest's numerical df are off",
        "": "",
    }[because]
    sentence = f"{whole}. It crosses {alpha:g}" + (f" because {reason}." if reason else ".")
    return Conclusion(**common, changed=True, because=because, sentence=sentence)  # type: ignore[arg-type]


def _engine_of(df: dict[str, float | None]) -> str:
    return next((e for e, v in df.items() if v is not None and math.isinf(v)), "one program")


def _because(
    printed: dict[str, float],
    df: dict[str, float | None],
    fair: dict[str, float],
    right: tuple[float, float] | None,
    alpha: float,
) -> str:
    if right is not None and any((p < alpha) != (right[0] < alpha) for p in fair.values()):
        return "optimum"
    for engine, p in printed.items():
        if engine in fair and (p < alpha) != (fair[engine] < alpha):
            return "definition" if df[engine] == math.inf else "df"
    return ""
