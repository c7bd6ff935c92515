"""Decide the verdict on two outcomes, in the order of ``VerdictClass``."""

from __future__ import annotations

import math

from harness.engines.engine import Fit
from harness.judge.causes.entries import load_known
from harness.judge.causes.other_model import same_space
from harness.judge.causes.predicates import (
    ACCOMPANYING,
    EXPLAINING,
    FAILING,
    NUMERICAL_DF,
    OTHER_MODEL,
    ROWS,
    STATEMENTS,
    WRONG,
    Predicate,
)
from harness.judge.causes.same_point import df_off
from harness.judge.causes.view import Seen, misstated
from harness.judge.comparison import Comparison
from harness.judge.side_by_side import random_effects
from harness.judge.verdict import Verdict, VerdictClass


def decide(seen: Seen) -> Verdict:
    """Classify two outcomes of one case in one setting."""
    return _failed(seen) or _different(seen) or _wrong_optimum(seen) or _same_optimum(seen)


def held(seen: Seen, table: dict[str, Predicate]) -> dict[str, str]:
    """Return the causes of a table that hold, with their evidence."""
    found = {cause: predicate(seen) for cause, predicate in table.items()}
    return {cause: evidence for cause, evidence in found.items() if evidence is not None}


def _verdict(
    seen: Seen,
    kind: VerdictClass,
    sentence: str,
    causes: dict[str, str],
    engines: tuple[str, ...] = (),
) -> Verdict:
    known = load_known()
    unknown = [cause for cause in causes if cause not in known]
    assert not unknown, f"causes without an entry in known_differences.toml: {unknown}"
    return Verdict(
        setting=seen.left.setting,
        verdict=kind,
        engines=engines,
        causes=tuple(causes),
        sentence=sentence,
        evidence=tuple(causes.values()),
    )


_BY_REASON: dict[str, VerdictClass] = {
    "environment": "ENVIRONMENT",
    "unsupported": "UNSUPPORTED",
    "data": "DATA_MISMATCH",
}


def _failed(seen: Seen) -> Verdict | None:
    failures = seen.failures()
    if not failures:
        return None
    order: tuple[VerdictClass, ...] = ("ENVIRONMENT", "UNSUPPORTED", "FAILED", "DATA_MISMATCH")
    classes: list[VerdictClass] = [_BY_REASON.get(f.reason, "FAILED") for f in failures]
    kind = min(classes, key=order.index)
    engines = tuple(f.engine for f, c in zip(failures, classes, strict=True) if c == kind)
    who = " and ".join(engines)
    first = next(f for f, c in zip(failures, classes, strict=True) if c == kind)
    if kind == "ENVIRONMENT":
        return _verdict(seen, kind, f"{who} could not run: {first.text}", {}, engines)
    if kind == "UNSUPPORTED":
        text = f"{who} cannot express this model: {first.text}."
        return _verdict(seen, kind, text, {"not-expressible": first.text}, engines)
    if kind == "DATA_MISMATCH":
        return _verdict(seen, kind, f"{who} did not get the same data: {first.text}.", {}, engines)
    causes = held(seen, FAILING)
    if len(causes) > 1:
        causes.pop("engine-error", None)
    what = {
        "refused": "refused the data",
        "timeout": "ran out of time",
        "crash": "crashed",
        "memory": "ran out of memory",
    }.get(first.reason, "raised an error")
    why = load_known()[next(iter(causes))].title if causes else ""
    because = f" ({why[0].lower()}{why[1:]})" if why and "engine-error" not in causes else ""
    return _verdict(seen, kind, f"{who} {what}{because}: {first.text}", causes, engines)


def _different(seen: Seen) -> Verdict | None:
    """Other rows, or another design, before any number is compared."""
    left, right = seen.left, seen.right
    assert isinstance(left, Fit)
    assert isinstance(right, Fit)
    rows, sent = len(seen.case.design.y), seen.case.table.checksum()
    both = (left, right)
    astray = tuple(f.engine for f in both if f.n_obs != rows)
    if astray:
        used = ", ".join(f"{f.engine} {f.n_obs}" for f in both)
        text = f"Complete rows: {rows}; rows used: {used}."
        return _verdict(seen, "DATA_MISMATCH", text, held(seen, ROWS), astray)
    astray = tuple(f.engine for f in both if f.data_checksum != sent)
    if astray:
        text = f"{' and '.join(astray)} did not get the same data: another checksum."
        return _verdict(seen, "DATA_MISMATCH", text, {}, astray)
    names = seen.case.design.x_names
    own = {f.engine: [c.name for c in f.coefficients] for f in (left, right)}
    odd = tuple(engine for engine, have in own.items() if have != list(names))
    if odd:
        if len(own[left.engine]) == len(own[right.engine]) and not held(seen, FAILING):
            same = same_space(seen)
            if same is not None:
                text = "The engines code the fixed effects in different bases of one space."
                columns = "; ".join(f"{e} {', '.join(h)}" for e, h in own.items())
                evidence = {"reml-coding": f"columns: {columns}; {same}"}
                return _verdict(seen, "CODING", text, evidence, odd)
        causes = held(seen, {"aliased-columns": FAILING["aliased-columns"]})
        text = (
            f"The engines fitted different fixed effects; {' and '.join(odd)} changed the design."
        )
        return _verdict(seen, "DIFFERENT_MODEL", text, causes, odd)
    wanted = [(t.group, len(t.names)) for t in seen.case.design.random]
    causes = held(seen, OTHER_MODEL)
    astray = tuple(
        f.engine
        for f in both
        if random_effects(f) != wanted or any(e.startswith(f.engine) for e in causes.values())
    )
    if astray:
        text = f"{' and '.join(astray)} fitted other random effects than the formula asks for."
        return _verdict(seen, "DIFFERENT_MODEL", text, causes, astray)
    return None


def _wrong_optimum(seen: Seen) -> Verdict | None:
    wrong = [
        (fit, audit)
        for fit, audit in seen.pairs()
        if audit.certificate in ("false boundary", "stopped short", "outside the parameter space")
        or not audit.gls_distance <= 1e-3
    ]
    if not wrong:
        return None
    engines = tuple(fit.engine for fit, _ in wrong)
    causes = held(seen, WRONG)
    if not causes:
        fit, audit = wrong[0]
        what = (
            "variances are no valid covariance matrix"
            if audit.certificate == "outside the parameter space"
            else f"fixed effects are {audit.gls_distance:.2g} SE from the GLS estimates at its own "
            "variances"
        )
        text = f"{fit.engine}: its {what}, for no known reason."
        return _verdict(seen, "UNEXPLAINED", text, {}, engines)
    causes |= held(seen, ACCOMPANYING)
    others = [f.engine for f, _ in seen.pairs() if f.engine not in engines]
    gaps = ", ".join(f"{f.engine} by {a.gap / 2.0:.2g} in log-likelihood" for f, a in wrong)
    right = f"{others[0]} is right" if others else "Neither engine is at the optimum"
    return _verdict(seen, "WRONG_OPTIMUM", f"{right}; short of it: {gaps}.", causes, engines)


def _same_optimum(seen: Seen) -> Verdict:
    outside = seen.outside()
    accompanying = held(seen, ACCOMPANYING)
    if not seen.comparisons:
        text = "Nothing could be compared."
        return _verdict(seen, "UNEXPLAINED", text, accompanying)
    astray = [(f, a) for f, a in seen.pairs() if misstated(a)]
    if astray:
        said = " and ".join(f"that of {f.engine} by {a.loglik_error:.2g}" for f, a in astray)
        text = f"Same optimum, yet the log-likelihood is not that of the fit's estimates: {said}."
        engines = tuple(f.engine for f, _ in astray)
        known = held(seen, STATEMENTS)
        return _verdict(
            seen, "DEFINITION" if known else "UNEXPLAINED", text, known | accompanying, engines
        )
    if not outside:
        where = "on the boundary: a singular fit" if "true-boundary" in accompanying else ""
        text = f"Both engines are right, at the same optimum{' ' + where if where else ''}."
        if seen.case.model.criterion == "OLS":
            text = "Both engines are right; least squares has a closed form."
        return _verdict(seen, "AGREE", text, accompanying)
    worst = _worst(outside)
    beyond = (
        f"{worst.quantity}{f' of {worst.item}' if worst.item else ''} differs by "
        f"{worst.difference:.2g} ({worst.unit})"
    )
    # Each difference needs its own cause: df that are wrong explain df and p, and nothing else.
    assert isinstance(seen.right, Fit)
    assert seen.right_audit is not None
    off = df_off(seen.right, seen.right_audit)
    numerical = [c for c in outside if c.quantity in ("df", "p") and c.item in off]
    others = [c for c in outside if c not in numerical]
    why_df = _first(seen, NUMERICAL_DF) if numerical else {}
    why_others = held(seen, EXPLAINING) if others else {}
    if (numerical and not why_df) or (others and not why_others):
        return _verdict(seen, "UNEXPLAINED", f"Same optimum, yet {beyond}.", accompanying)
    causes = why_df | why_others | accompanying
    if why_df and "singular-df" not in why_df:
        text = f"Same optimum; {beyond}. The referee's df hold."
        return _verdict(seen, "DEFINITION", text, causes, (seen.right.engine,))
    if why_df:
        text = f"Same optimum; {beyond}. Neither df is reliable."
        return _verdict(seen, "TOLERANCE", text, causes)
    again = ", and agrees when run tight" if seen.tight else ""
    text = f"Same optimum, to the tolerance of its deviance; {beyond}{again}."
    return _verdict(seen, "TOLERANCE", text, causes)


def _first(seen: Seen, table: dict[str, Predicate]) -> dict[str, str]:
    """Return the first cause that holds; the later ones are not tried."""
    for cause, predicate in table.items():
        evidence = predicate(seen)
        if evidence is not None:
            return {cause: evidence}
    return {}


def _worst(comparisons: list[Comparison]) -> Comparison:
    def excess(c: Comparison) -> float:
        return math.inf if math.isnan(c.difference) else c.difference / c.tolerance

    return max(comparisons, key=excess)
