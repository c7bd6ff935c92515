"""Remedies, each of them run: what is not run is not recommended, what does not help is said so."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from harness.base.errors import BadInput
from harness.base.text import listed, moved, moved_p, number, p_value
from harness.data.rungs import Rung
from harness.diagnose.data_units import in_units_of
from harness.diagnose.diagnosis import Price, Remedy, Snapshot
from harness.diagnose.price import in_words, price_of, shift_in_words
from harness.diagnose.remedy_code import Writing, python_code, r_code, stacked
from harness.diagnose.remodel import preparation
from harness.diagnose.user_engines import USER_ENGINES, written_otherwise
from harness.diagnose.workshop import (
    RIGHT,
    WRONG,
    Refit,
    Workshop,
    expressible,
    mended,
    spoilt,
    state,
)
from harness.engines.engine import Fit
from harness.judge.case_verdict import case_verdict, least_digits
from harness.judge.causes.predicates import NUMERICAL_DF
from harness.judge.records import CaseRecord
from harness.judge.verdict import GRAVITY
from harness.spelling.lme4_spelling import model_text
from harness.spelling.patsy_language import NotExpressible

Judge = Callable[[CaseRecord], tuple[bool, str]]


def remodelled(
    shop: Workshop,
    kind: str,
    title: str,
    make: Callable[[], Rung],
    *,
    judge: Judge,
    same_model: bool,
    r_first: str = "",
    python_first: str = "",
) -> Remedy | None:
    """Run the engines on a changed model or changed data; None when that cannot be written.

    ``judge`` says whether it helped and why, from the new record; it did not where no program of
    the user is right then, nor where the data speak against a smaller model. ``r_first`` and
    ``python_first`` are lines that change the data. There is code for a program only where it is
    right then.
    """
    try:
        writing = Writing(make(), kind, title, r_first, python_first)
        refit = shop.refit(writing)
    except BadInput:
        return None
    record = refit.record
    helped, why = judge(record)
    price = None if same_model else price_of(shop.bench, writing.rung)
    if price is not None:
        cost = in_words(price)
        if _speaks_against(shop, price):
            helped, cost = False, f"{cost}: the data speak against it"
        why = "; ".join(part for part in (cost, why) if part)
    return _remedy(shop, writing, refit, helped=helped, why=why, price=price)


def _speaks_against(shop: Workshop, price: Price) -> bool:
    return price.smaller and price.p_high is not None and price.p_high < shop.alpha


def rewritten(shop: Workshop, writing: Writing, gone: Sequence[str] = ()) -> Remedy | None:
    """Run the engines on the same model in other columns.

    It helps the engines that it mends, and all of them where the causes ``gone`` are gone.
    """
    try:
        refit = shop.refit(writing)
    except BadInput:
        return None
    helped, why = by_verdict(shop, *gone)(refit.record)
    why = "; ".join(part for part in (why, writing.meaning) if part)
    mends = mended(shop.record, refit.record, shop.engines)
    helped = (helped or bool(mends)) and not spoilt(shop.record, refit.record, shop.engines)
    return _remedy(shop, writing, refit, helped=helped, why=why, price=None)


def _remedy(
    shop: Workshop,
    writing: Writing,
    refit: Refit,
    *,
    helped: bool,
    why: str,
    price: Price | None,
) -> Remedy:
    record, case = refit.record, writing.rung.case
    right = [e for e in shop.engines if state(record, e) != WRONG]
    mends = mended(shop.record, record, shop.engines)
    able = expressible(record, shop.engines)
    helped = helped and bool(right)
    engine = _shown_engine(shop, right)
    outcome = record.fit(engine)
    assert outcome is not None
    audit = record.audit(engine) if case.design.random else None
    after = refit.bench.snapshot(outcome, audit, verdict=case_verdict(record).verdict)
    if writing.steps:
        after = in_units_of(shop.bench, refit.bench, outcome, after)
    if case.model.criterion == "OLS" and shop.bench.case.model.criterion == "REML":
        ml = "without random effects both print the log-likelihood of ML, not to be compared"
        after = msgspec.structs.replace(after, text=ml)
    before = shop.before(engine)
    called = writing.kind == "call"
    unchanged = price is None and (called or before.formula == after.formula)
    if writing.kind == "recode":
        # What is called by one name before and after is not one quantity.
        before, after = (msgspec.structs.replace(s, focus=None) for s in (before, after))
    # What a call that was given is below is the best point of its own model.
    gaps = _every_gap(shop, record) if unchanged and not called else ""
    outcome_text = gaps or why
    verdicts = f"verdict {before.verdict} → {after.verdict}"
    turned = before.verdict and after.verdict and before.verdict != after.verdict
    parts = [gaps, why, verdicts if turned else ""]
    parts += _wrong_then(shop, record)
    if price is None:
        parts.append(_focus(before, after, rewritten=bool(writing.steps)))
    elif writing.kind != "recode" and (shifted := shift_in_words(price, shop.bench.rung.focus)):
        # The rows below the sentence are an engine's, as it prints them.
        parts.append(f"at the best points {shifted}")
    sentence = "; ".join(part for part in parts if part) + _crossing(shop, before, after)
    return Remedy(
        kind=writing.kind,
        title=writing.title,
        engine="" if set(right) >= set(able) or len(right) != 1 else right[0],
        steps=writing.steps,
        mends=mends,
        price=price,
        outcome=outcome_text,
        r_code=r_code(writing, habits=shop.habits)
        if _to_show("lme4", shop, right) and case.model.residual is None
        else _own_r_call(shop, writing, record),
        python_code=_python(shop, writing)
        if _to_show("statsmodels", shop, right) and case.model.residual is None
        else _any_program(shop, writing, record),
        helped=helped,
        same_model=unchanged or (price is not None and price.same),
        before=before,
        after=after,
        sentence=sentence,
        seconds=record.seconds,
    )


def _python(shop: Workshop, writing: Writing) -> str:
    try:
        return python_code(writing, habits=shop.habits)
    except NotExpressible as reason:
        return f"# not expressible: {reason}"


def _every_gap(shop: Workshop, record: CaseRecord) -> str:
    """Say how far below the best log-likelihood each engine was and is; who had no fit before."""
    parts = []
    for engine in shop.engines:
        before, after = shop.record.audit(engine), record.audit(engine)
        if after is None or not math.isfinite(after.gap):
            continue
        then = number(max(0.5 * after.gap, 0.0))
        if before is None or not math.isfinite(before.gap):
            parts.append(f"{engine} has a fit then, {then} below")
        else:
            parts.append(f"{engine} {number(max(0.5 * before.gap, 0.0))} → {then}")
    return f"below the best log-likelihood: {listed(parts)}" if parts else ""


def change(
    before: Snapshot, after: Snapshot, *, helped: bool, rewritten: bool = False
) -> tuple[str, str]:
    """Say what a remedy changed for one engine: in a clause, and with the coefficient.

    ``rewritten``: in other columns, the numbers brought back to those of the data.
    """
    if after.loglik is None:
        text = f"no fit ({after.text})"
        return text, text
    if before.loglik is None:
        below = "" if after.gap is None else f", {number(max(after.gap, 0.0))} below the best"
        text = f"there is a fit now: log-likelihood {number(after.loglik)}{below}"
    else:
        text = (
            f"{number(max(before.gap or 0.0, 0.0))} → {number(max(after.gap or 0.0, 0.0))} below "
            "the best log-likelihood"
        )
    shown = _focus(before, after, rewritten=rewritten) if helped else ""
    return text, f"{text}; {shown}" if shown else text


def _focus(before: Snapshot, after: Snapshot, *, rewritten: bool) -> str:
    if before.focus is None or after.focus is None or before.focus.name != after.focus.name:
        return ""
    a, b = before.focus, after.focus
    alike = "like for like" + (" and in the data's own units" if rewritten else "")
    if a.p is None:
        return (
            f"{a.name} {number(a.estimate)}, SE and p not determined → {number(b.estimate)}, SE "
            f"{number(b.se)}, {p_value(b.p)} {alike}"
        )
    estimate, se = moved(a.name, a.estimate, b.estimate), moved("SE", a.se, b.se)
    return f"{estimate}, {se}, {moved_p(a.p, b.p)} {alike}"


def _crossing(shop: Workshop, before: Snapshot, after: Snapshot) -> str:
    """Warn when another model, or another reading of the data, changes the conclusion."""
    ends = [s.focus for s in (before, after) if s.focus is not None and s.focus.p is not None]
    if len(ends) < 2 or ends[0].name != ends[1].name:
        return ""
    sides = {row.p < shop.alpha for row in ends if row.p is not None}
    return f" (mind that this crosses {shop.alpha:g})" if len(sides) > 1 else ""


def _to_show(engine: str, shop: Workshop, right: Sequence[str]) -> bool:
    """Whether code is of use: an engine that was not run has not been found wrong.

    Whoever uses another program has no use for code of one that was not run.
    """
    return engine in right or (engine not in shop.engines and not written_otherwise(shop.record))


def _own_r_call(shop: Workshop, writing: Writing, record: CaseRecord) -> str:
    """Return the calls of other R programs that have such a model: the user's, else the first."""
    others = {e: call for e, call in record.spelling.items() if e not in USER_ENGINES}
    calls = [call for e, call in others.items() if e in shop.engines]
    if not calls and not written_otherwise(shop.record):
        calls = list(others.values())[:1]
    if not calls:
        return ""
    factors, _ = preparation(writing.rung)
    return stacked(writing.r_lines, factors, *calls)


def _any_program(shop: Workshop, writing: Writing, record: CaseRecord) -> str:
    """Return what any program needs of a remedy: its data, and the formula."""
    if not written_otherwise(shop.record) or _own_r_call(shop, writing, record):
        return ""
    _, factors = preparation(writing.rung)
    return stacked(writing.python_lines, factors, f"# {model_text(writing.rung.case.model)}")


def _wrong_then(shop: Workshop, record: CaseRecord) -> list[str]:
    """Say which programs of the user are not right with the changed model or data."""
    out = []
    for engine in shop.engines:
        fit, audit = record.fit(engine), record.audit(engine)
        if audit is None or not isinstance(fit, Fit) or state(record, engine) == RIGHT:
            continue
        short = state(record, engine) == WRONG and audit.gap > 1e-6
        out.append(
            f"{engine} is then {number(0.5 * audit.gap)} short in log-likelihood"
            if short and math.isfinite(audit.gap)
            else f"{engine} is not right then"
        )
    return out


def _shown_engine(shop: Workshop, right: Sequence[str]) -> str:
    """Return the engine whose numbers are shown: one that is right then.

    The one at fault before goes first, then the user's last.
    """
    order = [e for e in shop.verdict.blamed if e in shop.engines]
    order += [e for e in reversed(shop.engines) if e not in order]
    return next((engine for engine in order if engine in right), order[0])


def by_verdict(shop: Workshop, *gone: str) -> Judge:
    """Judge by the verdict: nearer to agreement, and none of the causes ``gone`` left."""
    before = shop.verdict

    def judge(record: CaseRecord) -> tuple[bool, str]:
        after = case_verdict(record)
        left = [cause for cause in gone if cause in after.causes]
        nearer = GRAVITY[after.verdict] < GRAVITY[before.verdict]
        cured = bool(gone) and not left and any(c in before.causes for c in gone)
        fine = GRAVITY[after.verdict] <= min(GRAVITY[before.verdict], 2)
        if left:
            return False, f"{', '.join(left)} is still there"
        digits = least_digits(record)
        agree = math.isfinite(digits) and after.verdict in ("AGREE", "TOLERANCE")
        text = f"{digits:.1f} digits agree" if agree else ""
        text = "; ".join(part for part in (text, df_change(shop, record)) if part)
        return nearer or (cured and fine), text

    return judge


def df_change(shop: Workshop, record: CaseRecord) -> str:
    """Say what lmerTest's df were and are, where the verdict was on them."""
    if not any(cause in NUMERICAL_DF for cause in shop.verdict.causes):
        return ""
    before, fair = shop.record.fit("lme4"), shop.record.audit("lme4")
    after = record.fit("lme4")
    if not isinstance(before, Fit) or fair is None or not isinstance(after, Fit):
        return ""
    off = {
        own.name: abs(own.df / right.df - 1.0)
        for own, right in zip(before.coefficients, fair.coefficients, strict=False)
        if own.df is not None and right.df
    }
    name = max(off, key=lambda key: off[key], default="")
    then = next((c.df for c in after.coefficients if c.name == name), None)
    if then is None:
        return ""
    return f"lmerTest's df of {name} {before.coefficient(name).df:.3g} → {then:.3g}"
