"""From a verdict and the checks to named causes, each with the remedies that were run."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

import msgspec
from scipy import stats

from harness.base.text import number, p_value
from harness.data.rungs import Rung
from harness.diagnose import remodel
from harness.diagnose.bench import Bench
from harness.diagnose.cures import CURES, simpler_random
from harness.diagnose.diagnosis import Cause, Check, Conclusion, Remedy
from harness.diagnose.headline import SAME
from harness.diagnose.incomplete_rows import incomplete_rows
from harness.diagnose.other_columns import centre, centre_far, centring, far_means, rescale
from harness.diagnose.remedies import (
    Workshop,
    other_routes,
    remodelled,
)
from harness.diagnose.size import LARGE_ROWS
from harness.engines.engine import Fit
from harness.judge.case_verdict import case_verdict
from harness.judge.causes.entries import KnownDifference, load_known
from harness.judge.causes.predicates import ACCOMPANYING, WRONG
from harness.judge.evidence import Evidence, causes_of
from harness.judge.records import CaseRecord
from harness.judge.sentence import sentence
from harness.judge.verdict import GRAVITY


@cache
def load_causes() -> dict[str, KnownDifference]:
    """Return all causes by key: the known differences, and those of the data."""
    text = (files("harness.diagnose") / "causes.toml").read_text(encoding="utf-8")
    return load_known() | msgspec.convert(tomllib.loads(text), dict[str, KnownDifference])


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
    found = list(_of_verdict(shop))
    known = {cause.key for cause in found}
    for conclusion in changed:
        for cause in _of_conclusion(shop, conclusion):
            if cause.key not in known:
                found.append(cause)
                known.add(cause.key)
    kept: list[Check] = []
    for check in checks:
        suspect, advice = _of_check(shop, check)
        if suspect is not None and suspect.key not in known:
            found.append(suspect)
            known.add(suspect.key)
        kept.append(msgspec.structs.replace(check, advice=advice) if advice else check)
    # Incomplete rows are no reason for what was found: both programs got the same rows.
    found.sort(key=lambda cause: cause.key == "missing-values")
    found = [msgspec.structs.replace(c, main=i == 0) for i, c in enumerate(found)]
    return tuple(found), tuple(kept)


def _cause(
    key: str, evidence: str, remedies: Sequence[Remedy | None], engines: Sequence[str] = ()
) -> Cause:
    about = load_causes()[key]
    return Cause(
        key=key,
        title=about.title,
        definition=about.definition,
        engines=tuple(engines),
        evidence=evidence,
        upstream=about.upstream,
        remedies=tuple(r for r in remedies if r is not None),
    )


def _of_verdict(shop: Workshop) -> Iterator[Cause]:
    verdict = shop.verdict
    evidence = verdict.evidence
    if verdict.verdict in ("FAILED", "UNSUPPORTED", "ENVIRONMENT"):
        known = {(e.cause, e.engine) for e in evidence}
        evidence += tuple(e for e in _of_the_others(shop) if (e.cause, e.engine) not in known)
    routed: set[str] = set()
    done: list[Cause] = []
    for key in causes_of(evidence):
        found = [e for e in evidence if e.cause == key]
        engines = [e for e in shop.engines if any(e in _named(one) for one in found)] or [
            e for e in verdict.blamed if e in shop.engines
        ]
        remedies: list[Remedy | None] = []
        if key in WRONG:
            # Several causes of one engine's fit have one way out.
            for engine in engines:
                if engine not in routed:
                    routed.add(engine)
                    remedies += other_routes(shop, engine)
            remedies += simpler_random(shop) if key == "sm-zero-fe" else []
            if not any(r is not None and r.kind == "centre" for c in done for r in c.remedies):
                remedies += centre_far(shop, key)
        elif key in CURES:
            remedies += CURES[key](shop, engines)
        done.append(_cause(key, "; ".join(sentence(e) for e in found), remedies, engines))
        yield done[-1]


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
        sentence=f"{p_value(own.p)} -> "
        f"{p_value(fair.p).removeprefix('p = ')}; at the best point {p_value(right)}",
    )
    evidence = (
        f"{conclusion.name}: z test {p_value(own.p)}; t test on {number(fair.df)} df "
        f"{p_value(fair.p)}"
    )
    yield _cause("z-for-t", evidence, [remedy], ["statsmodels"])
    if abs(own.se - fair.se) > 0.01 * fair.se:
        yield _cause(
            "se-joint-hessian",
            f"{conclusion.name}: SE {number(own.se)} printed, {number(fair.se)} by (X'V^-1 X)^-1",
            [remedy],
            ["statsmodels"],
        )


def _of_check(shop: Workshop, check: Check) -> tuple[Cause | None, str]:
    """Try what a check suggests: a cause when it helps, otherwise what came of it."""
    verdict = shop.verdict
    match check.key:
        case "far-from-zero":
            return _tried("uncentred-predictor", check, centre(shop, *verdict.causes))
        case "scale":
            return _tried("badly-scaled", check, rescale(shop, *verdict.causes))
        case "coded-factor":
            return _coded(shop, check)
        case "slope-constant-within-groups" if check.level == "warning":
            return _tried("constant-slope", check, [_without_slope(shop, check)])
        case "crossing":
            return _tried("reused-labels", check, _nested_instead(shop, check))
        case "rows" if check.level == "note" and verdict.verdict != "DATA_MISMATCH":
            return _tried("missing-values", check, [incomplete_rows(shop)])
        case _:
            return None, ""


def _tried(key: str, check: Check, remedies: Sequence[Remedy | None]) -> tuple[Cause | None, str]:
    done = [r for r in remedies if r is not None]
    if any(r.helped for r in done):
        return _cause(key, check.sentence, done), ""
    return None, " ".join(f"Tried without need: {r.title} ({r.sentence})." for r in done)


def _coded(shop: Workshop, check: Check) -> tuple[Cause | None, str]:
    (column,) = check.columns
    before = _ml(shop.bench, shop.bench.rung)

    def judge(_: CaseRecord) -> tuple[bool, str]:
        rung = remodel.as_factor(shop.bench.rung, column)
        after = _ml(shop.bench, rung)
        more = rung.case.design.x.shape[1] - shop.bench.case.design.x.shape[1]
        if before is None or after is None or more < 1:
            return False, "the two cannot be compared"
        gain = after - before
        p = float(stats.chi2.sf(max(2.0 * gain, 0.0), more))
        text = (
            f"as a factor the ML log-likelihood is {number(gain)} higher for {more} more "
            f"coefficient{'s' if more > 1 else ''} ({p_value(p)})"
        )
        return p < shop.alpha, text

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
    means = {k: m for k, m in far_means(shop.bench.case).items() if k != column}
    if means and any(r is not None and r.after.verdict not in SAME for r in remedies):
        # Read otherwise the model may be as hard to fit as before: then both at once.
        first = centring(means)
        remedies.insert(
            0,
            remodelled(
                shop,
                "recode",
                f"{title} and {first.title}",
                lambda: remodel.centred(read(shop.bench.rung), means),
                judge=judge,
                same_model=False,
                r_first=first.r_code,
                python_first=first.python_code,
            ),
        )
    return _tried("coded-factor", check, remedies)


NESTED_GAIN = 2.0
"""A log-likelihood higher by this is a likelihood ratio of more than 7 at equal parameters."""


def _nested_instead(shop: Workshop, check: Check) -> list[Remedy | None]:
    """Fit crossed factors as nested, either way round, when that is the better model."""
    if len(shop.bench.case.design.y) > LARGE_ROWS:
        return []
    reml = shop.bench.case.model.criterion == "REML"
    options: list[tuple[float, str, str, Rung]] = []
    for outer, inner in (check.columns, check.columns[::-1]):
        rung = remodel.nested(shop.bench.rung, outer, inner)
        found = shop.bench.optima.of(rung, reml=reml)
        rows = len(rung.case.design.y)
        if found is not None and all(len(t.levels) < rows for t in rung.case.design.random):
            gain = -0.5 * found.deviance - shop.bench.loglik
            options.append((gain, outer, inner, rung))
    if not options:
        return []
    gain, outer, inner, rung = max(options, key=lambda option: option[0])

    def judge(_: CaseRecord) -> tuple[bool, str]:
        where = "higher" if gain > 0.0 else "lower"
        text = f"the log-likelihood is {number(abs(gain))} {where} with as many parameters"
        return gain > NESTED_GAIN, text

    return [
        remodelled(
            shop,
            "model",
            f"nest {inner} in {outer}: (1 | {outer}/{inner})",
            lambda: rung,
            judge=judge,
            same_model=False,
        )
    ]


def _ml(bench: Bench, rung: Rung) -> float | None:
    """Return the best ML log-likelihood, by which models of other fixed effects can be compared."""
    found = bench.optima.of(rung, reml=False) if bench.likelihood is not None else None
    return None if found is None else -0.5 * found.deviance


def _without_slope(shop: Workshop, check: Check) -> Remedy | None:
    slope, group = check.columns
    t = next(
        i
        for i, term in enumerate(shop.bench.case.design.random)
        if term.group == group and slope in term.names
    )

    def judge(record: CaseRecord) -> tuple[bool, str]:
        rung = remodel.without_effect(shop.bench.rung, t, {slope})
        found = shop.bench.optima.of(rung, reml=shop.bench.case.model.criterion == "REML")
        if found is None or shop.bench.best is None:
            after = case_verdict(record)
            return GRAVITY[after.verdict] <= 2, after.sentence
        lost = shop.bench.loglik + 0.5 * found.deviance
        q = len(shop.bench.case.design.random[t].names)
        p = float(stats.chi2.sf(max(2.0 * lost, 0.0), q))
        text = f"the log-likelihood falls by {number(max(lost, 0.0))} ({p_value(p)})"
        return p >= shop.alpha, text

    return remodelled(
        shop,
        "drop-term",
        f"take {slope} out of the random term for {group}",
        lambda: remodel.without_effect(shop.bench.rung, t, {slope}),
        judge=judge,
        same_model=False,
    )
