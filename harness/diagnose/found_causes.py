"""From a verdict and the checks to named causes, each with the remedies that were run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import msgspec

from harness.base.deadline import TimeUp, stopped_at
from harness.base.text import moved_p, number, p_value
from harness.data.rungs import Rung
from harness.diagnose import remodel
from harness.diagnose.cause_entries import cause_of
from harness.diagnose.cures import CURES, own_call, simpler_random
from harness.diagnose.diagnosis import Cause, Check, Conclusion, Remedy
from harness.diagnose.headline import SAME
from harness.diagnose.incomplete_rows import incomplete_rows
from harness.diagnose.nestings import NESTED_GAIN, in_words, nested_remedy, nestings
from harness.diagnose.other_columns import (
    COLUMNS,
    far_means,
    first_that_mends,
    writings,
    written,
)
from harness.diagnose.price import price_of
from harness.diagnose.remedies import remodelled
from harness.diagnose.rivalry import of_competition
from harness.diagnose.routes import mended_plainly, other_routes
from harness.diagnose.workshop import RIGHT, Workshop, expressible, state
from harness.engines.engine import Fit
from harness.judge.case_verdict import case_verdict
from harness.judge.causes.predicates import ACCOMPANYING, WRONG
from harness.judge.evidence import Evidence, causes_of
from harness.judge.pair_decision import LEAVING_OPEN
from harness.judge.records import CaseRecord
from harness.judge.sentence import sentence
from harness.judge.verdict import GRAVITY


def find_causes(
    shop: Workshop, checks: Sequence[Check], changed: Sequence[Conclusion]
) -> tuple[tuple[Cause, ...], tuple[Check, ...]]:
    """Name the causes and run their remedies.

    Returns
    -------
    causes : tuple of Cause
        The main one first.
    checks : tuple of Check
        Those given; what was tried for one without making a difference stands in its ``advice``.
    """
    found: list[Cause] = []
    kept: tuple[Check, ...] = tuple(checks)
    try:
        with stopped_at(shop.deadline):
            kept = _look(shop, checks, changed, found)
    except TimeUp:
        shop.stopped()
        known = {cause.key for cause in found}
        found += [cause for cause in _unremedied(shop) if cause.key not in known]
    # What is so of the data whatever the engines do is no reason for what was found; of incomplete
    # rows both programs got none.
    found.sort(key=lambda cause: (cause.key in NO_REASON, cause.key == "missing-values"))
    found = [msgspec.structs.replace(c, main=i == 0) for i, c in enumerate(found)]
    return tuple(found), kept


def _look(
    shop: Workshop, checks: Sequence[Check], changed: Sequence[Conclusion], found: list[Cause]
) -> tuple[Check, ...]:
    """Add causes to ``found`` as they are found, and return the checks."""
    found += _of_columns(shop, checks)
    for cause in _of_verdict(shop, columns_named=bool(found)):
        found.append(cause)  # one by one: what the limit stops keeps those before it
    found += _of_another_model(shop, found)
    known = {cause.key for cause in found}
    for conclusion in changed:
        for cause in _of_conclusion(shop, conclusion):
            if cause.key not in known:
                found.append(cause)
                known.add(cause.key)
    competing = of_competition(shop)
    if competing is not None:
        found.append(competing)
        known.add(competing.key)
    nested, checks = _of_crossing(shop, checks)
    found += [cause for cause in nested if cause.key not in known]
    known |= {cause.key for cause in nested}
    kept: list[Check] = []
    for check in checks:
        suspect, advice = _of_check(shop, check)
        if suspect is not None and suspect.key not in known:
            found.append(suspect)
            known.add(suspect.key)
        kept.append(msgspec.structs.replace(check, advice=advice) if advice else check)
    return tuple(kept)


NO_REASON = frozenset(
    {
        *ACCOMPANYING,
        "coded-factor",
        "competing-correlation",
        "constant-slope",
        "missing-values",
        "reused-labels",
    }
    - {"undetermined-variance"}
)
"""Causes that are worth knowing and explain no difference between two fits of one model: what the
data do not determine does."""

CHECKED = {"centre": ("far-from-zero", "uncentred-predictor"), "scale": ("scale", "badly-scaled")}
"""The check, and the cause, that each step of writing columns otherwise is about."""


def _of_columns(shop: Workshop, checks: Sequence[Check]) -> list[Cause]:
    """Name what is wrong with the columns, where writing them otherwise puts engines right.

    It comes before what the columns made the engines do.
    """
    if not _worth_writing(shop):
        return []
    tried = writings(shop)
    mending = first_that_mends(tried)
    if mending is None:
        return []
    out: list[Cause] = []
    for step in mending.steps:
        check_key, key = CHECKED[step]
        found = [check for check in checks if check.key == check_key]
        if found:
            evidence = " ".join(check.sentence for check in found)
            remedies = [] if out else tried
            out.append(cause_of(key, evidence, remedies, mending.mends))
    return out


def _worth_writing(shop: Workshop) -> bool:
    able = expressible(shop.record, shop.engines)
    wrong = {engine for engine in able if state(shop.record, engine) != RIGHT}
    causes = set(shop.verdict.causes)
    found = {e.cause for j in shop.record.judgements for e in j.evidence}
    if not wrong or not (causes | found) & {*WRONG, *COLUMNS}:
        return False
    return bool(wrong - mended_plainly(shop))


def _named_by_verdict(shop: Workshop) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each cause of the verdict, with its evidence in words and whom it is of."""
    verdict = shop.verdict
    evidence = verdict.evidence
    if verdict.verdict in ("FAILED", "UNSUPPORTED", "ENVIRONMENT"):
        known = {(e.cause, e.engine) for e in evidence}
        left = {"undetermined-variance"} if set(causes_of(evidence)) & LEAVING_OPEN else set()
        evidence += tuple(
            e
            for e in _of_the_others(shop)
            if (e.cause, e.engine) not in known and e.cause not in left
        )
    for key in causes_of(evidence):
        found = [e for e in evidence if e.cause == key]
        engines = [e for e in shop.engines if any(e in _named(one) for one in found)] or [
            e for e in verdict.blamed if e in shop.engines
        ]
        yield key, "; ".join(sentence(e) for e in found), engines


def _unremedied(shop: Workshop) -> list[Cause]:
    """Name the causes of the verdict, for which there was no time to try anything."""
    return [cause_of(key, words, [], engines) for key, words, engines in _named_by_verdict(shop)]


def _of_verdict(shop: Workshop, *, columns_named: bool) -> Iterator[Cause]:
    routed = {e for r in shop.writings if r.helped for e in r.mends}
    columns = [] if columns_named else list(shop.writings)
    for key, words, engines in _named_by_verdict(shop):
        remedies: list[Remedy | None] = []
        if key in {*WRONG, *COLUMNS}:
            remedies += columns
            columns = []
        if key in WRONG and key not in CURES:
            # Several causes of one engine's fit have one way out.
            for engine in engines:
                if engine not in routed:
                    routed.add(engine)
                    remedies += other_routes(shop, engine)
            remedies += simpler_random(shop) if key == "sm-zero-fe" else []
        elif key in CURES:
            remedies += CURES[key](shop, engines)
        yield cause_of(key, words, remedies, engines)


def _of_another_model(shop: Workshop, found: Sequence[Cause]) -> Iterator[Cause]:
    """Say which model a given fit is of, where no cause has said why it is another."""
    for engine, own in shop.bench.elsewhere.items():
        judgement = shop.record.judgement(engine)
        named = any(engine in c.engines and c.key not in ACCOMPANYING for c in found)
        if named or judgement is None or judgement.verdict != "DIFFERENT_MODEL":
            continue
        asked = shop.bench.case.model.formula.text
        said = f"the result is a fit of {own.formula}" if own.formula else "the result is not"
        evidence = f"{said}; the formula says {asked}" if own.formula else f"{said} of {asked}"
        yield cause_of("other-model", evidence, own_call(shop, "other-model"), [engine])


def _named(evidence: Evidence) -> tuple[str, ...]:
    """Return the engines that evidence speaks of."""
    if evidence.engine:
        return (evidence.engine,)
    return tuple(evidence.texts[k] for k in ("one", "two") if k in evidence.texts)


def _of_the_others(shop: Workshop) -> tuple[Evidence, ...]:
    """Return what is wrong with the fits there are, where another engine has none."""
    found = (e for judgement in shop.record.judgements for e in judgement.evidence)
    said = {(one.cause, one.engine): one for one in found if one.cause in WRONG | ACCOMPANYING}
    return tuple(said.values())


def _of_conclusion(shop: Workshop, conclusion: Conclusion) -> Iterator[Cause]:
    """Definitions that move a p value across alpha, with the like-for-like value as remedy."""
    if conclusion.because != "definition":
        return
    fit, audit = shop.record.fit("statsmodels"), shop.record.audit("statsmodels")
    if not isinstance(fit, Fit) or audit is None:
        return
    own = fit.coefficient(conclusion.name)
    fair = next(c for c in audit.coefficients if c.name == conclusion.name)
    assert own.se is not None
    assert fair.se is not None
    before = msgspec.structs.replace(
        shop.before("statsmodels"),
        text=f"{conclusion.name}: SE {number(own.se)}, z test, {p_value(own.p)}",
    )
    right = conclusion.right
    helped = (
        right is not None and fair.p is not None and (fair.p < shop.alpha) == (right < shop.alpha)
    )
    remedy = Remedy(
        kind="inference",
        title="t tests with Satterthwaite's degrees of freedom for the statsmodels result",
        engine="statsmodels",
        python_code="from harness import satterthwaite\nsatterthwaite(result)",
        helped=helped,
        before=before,
        after=msgspec.structs.replace(
            before,
            text=f"{conclusion.name}: SE {number(fair.se)}, t test on {number(fair.df)} df, "
            f"{p_value(fair.p)}",
        ),
        sentence=f"{moved_p(own.p, fair.p)}; at the best point {p_value(right)}",
    )
    evidence = (
        f"{conclusion.name}: z test {p_value(own.p)}; t test on {number(fair.df)} df "
        f"{p_value(fair.p)}"
    )
    yield cause_of("z-for-t", evidence, [remedy], ["statsmodels"])
    if abs(own.se - fair.se) > 0.01 * fair.se:
        yield cause_of(
            "se-joint-hessian",
            f"{conclusion.name}: SE {number(own.se)} printed, {number(fair.se)} by (X'V^-1 X)^-1",
            [remedy],
            ["statsmodels"],
        )


def _of_check(shop: Workshop, check: Check) -> tuple[Cause | None, str]:
    """Try what a check suggests: a cause when it helps, otherwise what came of it."""
    verdict = shop.verdict
    match check.key:
        case "far-from-zero" | "scale":
            return None, _of_a_step(shop, "centre" if check.key == "far-from-zero" else "scale")
        case "coded-factor":
            return _coded(shop, check)
        case "slope-constant-within-groups" if check.level == "warning":
            return _tried("constant-slope", check, [_without_slope(shop, check)])
        case "rows" if check.level == "note" and verdict.verdict != "DATA_MISMATCH":
            return _tried("missing-values", check, [incomplete_rows(shop)])
        case _:
            return None, ""


def _of_a_step(shop: Workshop, step: str) -> str:
    """Say what writing the columns otherwise came to, where it is not named as a cause."""
    tried = [r for r in shop.writings if step in r.steps]
    if not tried or any(r.helped for r in tried):
        return ""
    return " ".join(f"Tried, and no help: {r.title} ({r.outcome})." for r in tried)


def _tried(key: str, check: Check, remedies: Sequence[Remedy | None]) -> tuple[Cause | None, str]:
    done = [r for r in remedies if r is not None]
    if any(r.helped for r in done):
        return cause_of(key, check.sentence, done), ""
    if key == "coded-factor":
        return None, " ".join(
            f"It was tried: {r.title}, another model with other coefficients"
            f"{f' ({r.sentence})' if r.sentence else ''}."
            for r in done
        )
    return None, " ".join(f"Tried without need: {r.title} ({r.sentence})." for r in done)


def _of_crossing(shop: Workshop, checks: Sequence[Check]) -> tuple[list[Cause], Sequence[Check]]:
    """Try crossed factors as nested: a cause when one way is the better model, else advice."""
    tried = nestings(shop, checks)
    if not tried:
        return [], checks
    best, words = tried[0], in_words(tried)
    pair = {best.outer, best.inner}
    of_best = next(c for c in checks if c.key == "crossing" and set(c.columns) == pair)
    if best.gain > NESTED_GAIN:
        cause, _ = _tried(
            "reused-labels",
            msgspec.structs.replace(of_best, sentence=f"{of_best.sentence} Tried: {words}."),
            [nested_remedy(shop, best)],
        )
        if cause is not None:
            return [cause], checks
    noted = msgspec.structs.replace(of_best, advice=f"Tried without need: {words}.")
    return [], [noted if check is of_best else check for check in checks]


def _coded(shop: Workshop, check: Check) -> tuple[Cause | None, str]:
    (column,) = check.columns
    price = price_of(shop.bench, remodel.as_factor(shop.bench.rung, column))

    def judge(_: CaseRecord) -> tuple[bool, str]:
        if price is None or price.p_high is None or price.parameters < 1:
            return False, ""
        return price.p_high < shop.alpha, ""

    title = f"read {column} as a factor (--factor {shlex.quote(column)})"

    def read(rung: Rung) -> Rung:
        return remodel.as_factor(rung, column)

    remedies = [
        remodelled(
            shop,
            "recode",
            title,
            lambda: read(shop.bench.rung),
            judge=judge,
            same_model=False,
        )
    ]
    means = {k: m for k, m in far_means(shop.bench.rung).items() if k != column}
    if means and any(r is not None and r.after.verdict not in SAME for r in remedies):
        # Read otherwise the model may be as hard to fit as before: then both at once.
        first = written(read(shop.bench.rung), means, {})
        remedies.insert(
            0,
            remodelled(
                shop,
                "recode",
                f"{title} and {first.title}",
                lambda: first.rung,
                judge=judge,
                same_model=False,
                r_first=first.r_lines,
                python_first=first.python_lines,
            ),
        )
    return _tried("coded-factor", check, remedies)


def _without_slope(shop: Workshop, check: Check) -> Remedy | None:
    slope, group = check.columns
    t = next(
        i
        for i, term in enumerate(shop.bench.case.design.random)
        if term.group == group and slope in term.names
    )

    def judge(record: CaseRecord) -> tuple[bool, str]:
        # What it costs is tested of every smaller model.
        return shop.bench.best is not None or GRAVITY[case_verdict(record).verdict] <= 2, ""

    return remodelled(
        shop,
        "drop-term",
        f"take {slope} out of the random term for {group}",
        lambda: remodel.without_effect(shop.bench.rung, t, {slope}),
        judge=judge,
        same_model=False,
    )
