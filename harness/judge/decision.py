"""Decide: the verdict on one engine's outcome.

The classes are tried in the order of ``VerdictClass``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

from harness.engines.engine import Failure
from harness.judge.causes.basis import coding
from harness.judge.causes.entries import cause_of_definition, load_known
from harness.judge.causes.open_variances import is_open
from harness.judge.causes.predicates import (
    ACCOMPANYING,
    FAILING,
    NO_MAXIMUM,
    NUMERICAL_DF,
    OTHER_MODEL,
    ROWS,
    STANDARD_ERRORS,
    STATEMENTS,
    WRONG,
    Predicate,
)
from harness.judge.causes.view import View
from harness.judge.evidence import Evidence, causes_of, found
from harness.judge.judgement import Judgement
from harness.judge.side_by_side import random_effects
from harness.judge.statements import Statement
from harness.judge.verdict import Finding, VerdictClass

OPTIMAL = ("interior optimum", "boundary optimum", "closed form")

UNKNOWN = "false-statement-unknown"
"""Finding of a number that is false for no known reason."""

GLS_DISTANCE = 1e-3
"""Standard errors that fixed effects may be from the GLS estimates at the fit's own variances."""


def held(view: View, table: Mapping[str, Predicate]) -> tuple[Evidence, ...]:
    """Return the evidence for the causes of a table that hold of one engine."""
    tried = (predicate(view) for predicate in table.values())
    return tuple(evidence for evidence in tried if evidence is not None)


def first(view: View, table: Mapping[str, Predicate]) -> tuple[Evidence, ...]:
    """Return the first cause that holds, one or none; the later ones are not tried."""
    for predicate in table.values():
        evidence = predicate(view)
        if evidence is not None:
            return (evidence,)
    return ()


def decide(view: View, statements: tuple[Statement, ...] = ()) -> Judgement:
    """Judge one engine's outcome; ``statements`` are its numbers, judged."""
    failed = _failed(view)
    if failed is not None:
        return failed
    return (
        _other_data(view)
        or _other_model(view, statements)
        or _wrong_optimum(view, statements)
        or _stated(view, statements)
    )


def _judgement(
    view: View,
    verdict: VerdictClass,
    key: str,
    evidence: Sequence[Evidence] = (),
    statements: tuple[Statement, ...] = (),
    *,
    numbers: Mapping[str, float] | None = None,
    texts: Mapping[str, str] | None = None,
) -> Judgement:
    require_known(evidence)
    return Judgement(
        engine=view.engine,
        setting=view.outcome.setting,
        verdict=verdict,
        finding=Finding(
            key=key, engines=(view.engine,), numbers=dict(numbers or {}), texts=dict(texts or {})
        ),
        evidence=tuple(evidence),
        audit=view.audit,
        statements=statements,
    )


def require_known(evidence: Sequence[Evidence]) -> None:
    """Insist that every cause that is named has its entry."""
    unknown = set(causes_of(tuple(evidence))) - set(load_known())
    assert not unknown, f"causes without an entry in known_differences.toml: {unknown}"


def _failed(view: View) -> Judgement | None:
    failure = view.outcome
    if not isinstance(failure, Failure):
        return None
    texts = {"message": failure.text, "reason": failure.reason}
    match failure.reason:
        case "environment":
            return _judgement(view, "ENVIRONMENT", "environment", texts=texts)
        case "unsupported":
            model, key = view.case.model, "not-expressible"
            if model.residual is not None:
                key = "no-residual-covariance"
            elif model.structured is not None:
                key = "no-random-structure"
            why = found(key, view.engine, message=failure.text)
            return _judgement(view, "UNSUPPORTED", "unsupported", (why,), texts=texts)
        case "left-out":
            why = found("left-out", view.engine, message=failure.text)
            return _judgement(view, "UNSUPPORTED", "left-out", (why,), texts=texts)
        case "data":
            return _judgement(view, "DATA_MISMATCH", "other-data-sent", texts=texts)
    evidence = held(view, FAILING)
    if len(evidence) > 1:
        evidence = tuple(e for e in evidence if e.cause != "engine-error")
    if evidence and evidence[0].cause != "engine-error":
        texts["cause"] = evidence[0].cause
    return _judgement(view, "FAILED", "failed", evidence, texts=texts)


def _other_data(view: View) -> Judgement | None:
    """Other rows, or other numbers, than were sent."""
    fit, rows = view.fit, len(view.case.design.y)
    assert fit is not None
    if fit.n_obs != rows:
        numbers = {"complete": float(rows), view.engine: float(fit.n_obs)}
        return _judgement(view, "DATA_MISMATCH", "other-rows", held(view, ROWS), numbers=numbers)
    if fit.data_checksum != view.case.table.checksum():
        return _judgement(view, "DATA_MISMATCH", "other-checksum")
    return None


def _other_model(view: View, statements: tuple[Statement, ...]) -> Judgement | None:
    fit = view.fit
    assert fit is not None
    named = _named_otherwise(view)
    if named and (coding(view) is None or (view.own is None and held(view, FAILING))):
        evidence = held(view, {"aliased-columns": FAILING["aliased-columns"]})
        return _judgement(view, "DIFFERENT_MODEL", "other-fixed-effects", evidence, statements)
    wanted = [(t.group, len(t.names)) for t in view.case.design.random]
    evidence = held(view, OTHER_MODEL)
    if random_effects(fit) != wanted or evidence:
        return _judgement(view, "DIFFERENT_MODEL", "other-random-effects", evidence, statements)
    if named and view.own is None and view.audit and view.audit.certificate in OPTIMAL:
        # In columns that are not known there is nothing else to judge.
        return _judgement(view, "RIGHT", "other-coding", _coded(view), statements)
    return None


def _named_otherwise(view: View) -> bool:
    """Whether the coefficients of a fit have other names than the case's."""
    names = [c.name for c in view.fit.coefficients] if view.fit else []
    return names != list(view.case.design.x_names)


def _wrong_optimum(view: View, statements: tuple[Statement, ...]) -> Judgement | None:
    audit = view.audit
    if audit is None and view.not_examined:
        why = found("not-judged", view.engine, message=view.not_examined)
        texts = {"message": view.not_examined}
        return _judgement(view, "UNSUPPORTED", "not-judged", (why,), texts=texts)
    if audit is None:
        evidence = held(view, NO_MAXIMUM)
        if evidence:
            return _judgement(view, "UNDETERMINED", "no-maximum", evidence)
        return _judgement(view, "UNEXPLAINED", "not-examined")
    if audit.certificate in OPTIMAL and audit.gls_distance <= GLS_DISTANCE:
        return None
    numbers = {view.engine: audit.gap / 2.0, "distance": audit.gls_distance}
    evidence = held(view, WRONG)
    if evidence:
        evidence = _once((*evidence, *_coded(view)))
        evidence += held(view, ACCOMPANYING)
        return _judgement(
            view, "WRONG_OPTIMUM", "wrong-optimum", evidence, statements, numbers=numbers
        )
    outside = audit.certificate == "outside the parameter space"
    key = "no-covariance" if outside else "not-gls"
    return _judgement(view, "UNEXPLAINED", key, (), statements, numbers=numbers)


def _coded(view: View) -> tuple[Evidence, ...]:
    """Return the evidence of another basis of the fixed effects, one or none."""
    same = coding(view) if _named_otherwise(view) else None
    return () if same is None else (same,)


def _stated(view: View, statements: tuple[Statement, ...]) -> Judgement:
    """At the optimum: are the numbers true."""
    evidence = _coded(view)
    accompanying = held(view, ACCOMPANYING)
    open_ = "undetermined-variance" in causes_of(accompanying)
    if open_:
        statements = _left_open(statements, lambda s: is_open(view, s.quantity, s.item))
    false = [s for s in statements if s.truth == "false"]
    # Each false number needs its own cause.
    explained: set[str] = set()
    if any(s.quantity == "df" for s in false):
        why = first(view, NUMERICAL_DF)
        evidence += why
        explained |= {"df"} if why else set()
        if "singular-df" in causes_of(why):
            statements = _left_open(statements, lambda s: s.quantity == "df" and s.truth == "false")
            false = [s for s in statements if s.truth == "false"]
    if any(s.quantity == "loglik" for s in false):
        why = held(view, STATEMENTS)
        evidence += why
        explained |= {"loglik"} if why else set()
    if any(s.quantity == "se" for s in false):
        why = first(view, STANDARD_ERRORS)
        evidence += why
        explained |= {"se"} if why else set()
    evidence += tuple(
        e
        for s in statements
        if s.truth == "other definition" and (e := definition_evidence(view, s)) is not None
    )
    evidence = _once(evidence)
    if false:
        unknown = [s for s in false if s.quantity not in explained]
        worst = max(unknown or false, key=_off)
        numbers = {"value": worst.value, "truth": math.nan if worst.right is None else worst.right}
        texts = {"quantity": worst.quantity, "item": worst.item}
        return _judgement(
            view,
            "FALSE_STATEMENT",
            UNKNOWN if unknown else "false-statement",
            evidence + accompanying,
            statements,
            numbers=numbers,
            texts=texts,
        )
    if open_:
        return _judgement(view, "UNDETERMINED", "undetermined", evidence + accompanying, statements)
    audit = view.audit
    assert audit is not None
    singular = audit.certificate == "boundary optimum"
    key = {"closed form": "right-closed-form"}.get(
        audit.certificate, "right-singular" if singular else "right"
    )
    return _judgement(view, "RIGHT", key, evidence + accompanying, statements)


def _once(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Each cause of an engine once: its first evidence."""
    return tuple({e.cause: e for e in reversed(evidence)}.values())[::-1]


def _left_open(
    statements: tuple[Statement, ...], which: Callable[[Statement], bool]
) -> tuple[Statement, ...]:
    """Say of some statements that the data do not determine them."""
    return tuple(
        msgspec.structs.replace(s, truth="not determined") if which(s) else s for s in statements
    )


def _off(statement: Statement) -> float:
    if statement.right is None or not statement.right:
        return math.inf
    off = abs(statement.value / statement.right - 1.0)
    return math.inf if math.isnan(off) else off


def definition_evidence(view: View, statement: Statement) -> Evidence | None:
    """Return that an engine prints a number under a definition that has a name of its own.

    Beside the number stands the one by the commonest definition, at the same point.
    """
    cause = cause_of_definition(statement.quantity, statement.definition)
    if cause is None or view.audit is None:
        return None
    row = next((c for c in view.audit.coefficients if c.name == statement.item), None)
    fair = None if row is None else getattr(row, statement.quantity, None)
    df = None if row is None else row.df
    return found(
        cause,
        view.engine,
        quantity=statement.quantity,
        item=statement.item,
        value=statement.value,
        fair=math.nan if fair is None else fair,
        df=math.nan if df is None else df,
        off=statement.value - view.audit.loglik if statement.quantity == "loglik" else math.nan,
        definition=statement.definition,
    )
