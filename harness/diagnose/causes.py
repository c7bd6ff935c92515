"""From a verdict and the checks to named causes, each with the remedies that were run."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from importlib.resources import files

import msgspec
from scipy import stats

from harness.campaign.records import CaseRecord
from harness.cases.ladder import Rung
from harness.diagnose import remodel
from harness.diagnose.bench import Bench
from harness.diagnose.data_checks import numeric_predictors
from harness.diagnose.diagnosis import Cause, Check, Conclusion, Remedy
from harness.diagnose.remedies import (
    SEVERITY,
    Workshop,
    by_verdict,
    incomplete_rows,
    other_routes,
    remodelled,
    tightened,
)
from harness.diagnose.singular import best_of, order_of_preference, reductions
from harness.diagnose.words import listed, number, p_value
from harness.engines.base import Fit
from harness.referee.crossproducts import aliased_columns
from harness.verdicts.causes import ACCOMPANYING, WRONG
from harness.verdicts.known import KnownDifference, load_known
from harness.verdicts.seen import Seen


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
    verdict = shop.record.verdicts[0]
    held = dict(zip(verdict.causes, verdict.evidence, strict=True))
    if verdict.verdict in ("FAILED", "UNSUPPORTED", "ENVIRONMENT"):
        held |= _of_the_other(shop)
    routed: set[str] = set()
    for key, evidence in held.items():
        engines = [e for e in shop.engines if e in evidence] or [
            e for e in verdict.engines if e in shop.engines
        ]
        remedies: list[Remedy | None] = []
        if key in WRONG:
            # Several causes of one engine's fit have one way out.
            for engine in engines:
                if engine not in routed:
                    routed.add(engine)
                    remedies += other_routes(shop, engine)
            remedies += _singular_of(shop) if key == "sm-zero-fe" else []
        elif key in _REMEDIES:
            remedies += _REMEDIES[key](shop)
        yield _cause(key, evidence, remedies, engines)


def _of_the_other(shop: Workshop) -> dict[str, str]:
    """Look at the fit there is, where the other engine has none."""
    left, right = (shop.record.fit(engine.name) for engine in shop.pair)
    audits = [shop.record.audit(engine.name) for engine in shop.pair]
    if left is None or right is None:
        return {}
    seen = Seen(shop.bench.case, left, right, audits[0], audits[1], ())
    found = {key: predicate(seen) for key, predicate in (WRONG | ACCOMPANYING).items()}
    return {key: evidence for key, evidence in found.items() if evidence is not None}


def _singular_of(shop: Workshop) -> list[Remedy | None]:
    """Fit the reduced models in both engines, where the best point is singular."""
    best = shop.bench.best
    if best is None:
        return []
    out: list[Remedy | None] = []
    for t, (term, rank) in enumerate(
        zip(shop.bench.case.design.random, best.optimality.ranks, strict=True)
    ):
        if rank == len(term.names):
            continue
        every = sorted(reductions(shop.bench, t), key=order_of_preference)
        for reduction in every[:3]:

            def judge(
                record: CaseRecord,
                lost: float = reduction.lost,
                p: float = reduction.p,
                again: bool = reduction.singular,
            ) -> tuple[bool, str]:
                cost = f"the log-likelihood falls by {number(max(lost, 0.0))} ({p_value(p)})"
                if again:
                    return False, f"{cost}, and the reduced model is singular again"
                if p < shop.alpha:
                    return False, f"{cost}: the data speak against it"
                good = SEVERITY[record.verdicts[0].verdict] <= 2
                return good, cost

            remedy = remodelled(
                shop,
                reduction.kind,
                reduction.title,
                lambda rung=reduction.rung: rung,  # type: ignore[misc]
                judge=judge,
                same_model=False,
            )
            out.append(remedy)
            if remedy is not None and remedy.helped:
                break
    return out


def _tight_agrees(shop: Workshop) -> list[Remedy | None]:
    tight = next((v for v in shop.record.verdicts if v.setting == "tight"), None)

    def judge(_: Fit) -> tuple[bool, str]:
        assert tight is not None
        return (
            tight.verdict in ("AGREE", "TOLERANCE"),
            f"with tight tolerances in both engines the verdict is {tight.verdict}",
        )

    return [*tightened(shop, judge)] if tight is not None else []


def _tight_flags(shop: Workshop) -> list[Remedy | None]:
    def judge(fit: Fit) -> tuple[bool, str]:
        return fit.singular is True, (
            f"run tight it is reported as {'singular' if fit.singular else 'not singular'}"
        )

    return [*tightened(shop, judge)]


def _rescale(shop: Workshop, *gone: str) -> list[Remedy | None]:
    """Divide the columns that may be, outcome included, by their standard deviations."""
    case = shop.bench.case
    linear = remodel.linear_columns(case.model)
    outcome = next((n.name for n in case.model.names()), "")
    spread = {k: float(v.std()) for k, v in numeric_predictors(case).items() if k in linear}
    if outcome in linear:
        spread[outcome] = float(case.design.y.std())
    sizes = {k: s for k, s in spread.items() if s > 0.0 and not 0.1 <= s <= 10.0}
    if not sizes:
        return []
    shown = {k: float(f"{s:.3g}") for k, s in sizes.items()}
    return [
        remodelled(
            shop,
            "rescale",
            f"divide {listed([f'{k} by {number(s)}' for k, s in shown.items()])}",
            lambda: remodel.rescaled(shop.bench.rung, shown),
            judge=by_verdict(shop, *gone),
            same_model=True,
            r_first="\n".join(f'data[["{k}"]] <- data[["{k}"]] / {s!r}' for k, s in shown.items()),
            python_first="\n".join(f"data[{k!r}] = data[{k!r}] / {s!r}" for k, s in shown.items()),
        )
    ]


def _centre(shop: Workshop, *gone: str) -> list[Remedy | None]:
    """Centre the numeric predictors that are far from zero, all of them if none is."""
    case = shop.bench.case
    linear = remodel.linear_columns(case.model)
    values = {k: v for k, v in numeric_predictors(case).items() if k in linear and v.std() > 0.0}
    far = {k: v for k, v in values.items() if abs(v.mean()) > 3.0 * v.std()} or values
    means = {k: float(f"{v.mean():.6g}") for k, v in far.items()}
    if not means:
        return []
    return [
        remodelled(
            shop,
            "centre",
            f"centre {listed([f'{k} at {number(m)}' for k, m in means.items()])}",
            lambda: remodel.centred(shop.bench.rung, means),
            judge=by_verdict(shop, *gone),
            same_model=True,
            r_first="\n".join(f'data[["{k}"]] <- data[["{k}"]] - {m!r}' for k, m in means.items()),
            python_first="\n".join(f"data[{k!r}] = data[{k!r}] - {m!r}" for k, m in means.items()),
        )
    ]


def _remove_aliased(shop: Workshop) -> list[Remedy | None]:
    case = shop.bench.case
    gone = [case.design.x_names[j] for j in aliased_columns(case.design.x)]
    terms = [remodel.term_of_column(case.model, name) for name in gone]
    wanted = list(dict.fromkeys(t for t in terms if t is not None))
    if not wanted:
        return []
    return [
        remodelled(
            shop,
            "remove-column",
            f"take {listed(wanted)} out of the fixed effects",
            lambda: remodel.without_fixed(shop.bench.rung, wanted),
            judge=by_verdict(shop, "aliased-columns"),
            same_model=False,
        )
    ]


def _fewer_effects(shop: Workshop, key: str) -> list[Remedy | None]:
    """Take out what there are too many of: a slope, or the term."""
    n, out = len(shop.bench.case.design.y), []
    for t, term in enumerate(shop.bench.case.design.random):
        if len(term.levels) * len(term.names) < n:
            continue
        slopes = set(term.names) - {"Intercept"}
        gone = slopes if len(term.levels) < n and "Intercept" in term.names else set(term.names)
        out.append(
            remodelled(
                shop,
                "drop-term",
                f"take {listed(sorted(gone))} out of ({', '.join(term.names)} | {term.group})",
                partial(remodel.without_effect, shop.bench.rung, t, gone),
                judge=by_verdict(shop, key),
                same_model=False,
            )
        )
    return out


def _expressible(shop: Workshop) -> list[Remedy | None]:
    """Make all terms with several effects but the first uncorrelated."""
    rung: Rung = shop.bench.rung
    several = [t for t, term in enumerate(rung.case.design.random) if len(term.names) > 1]

    def make() -> Rung:
        changed = rung
        for t in reversed(several[1:]):
            changed = remodel.uncorrelated(changed, t)
        return changed

    if len(several) < 2:
        return []
    tried = remodelled(
        shop,
        "uncorrelate",
        "make the effects of all terms but the first uncorrelated",
        make,
        judge=by_verdict(shop, "not-expressible"),
        same_model=False,
    )
    if tried is not None and tried.helped:
        return [tried]
    simpler = remodelled(
        shop,
        "drop-term",
        "keep the intercepts only of all terms but the first",
        lambda: _intercepts_only(rung, several[1:]),
        judge=by_verdict(shop, "not-expressible"),
        same_model=False,
    )
    return [tried, simpler]


def _intercepts_only(rung: Rung, terms: Sequence[int]) -> Rung:
    for t in terms:
        names = set(rung.case.design.random[t].names) - {"Intercept"}
        rung = remodel.without_effect(rung, t, names)
    return rung


_REMEDIES: dict[str, Callable[[Workshop], list[Remedy | None]]] = {
    "true-boundary": _singular_of,
    "re-refused": _singular_of,
    "singular-df": _singular_of,
    "singular-not-flagged": _tight_flags,
    "flat-optimum": _tight_agrees,
    "lmertest-units": lambda shop: _rescale(shop, "lmertest-units"),
    "lmertest-steps": lambda shop: _centre(shop, "lmertest-steps"),
    "lmertest-rounding": lambda shop: [
        *_centre(shop, "lmertest-rounding"),
        *_rescale(shop, "lmertest-rounding"),
    ],
    "sm-llf-conditioning": lambda shop: [
        *_rescale(shop, "sm-llf-conditioning"),
        *_centre(shop, "sm-llf-conditioning"),
        *_singular_of(shop),
    ],
    "aliased-columns": _remove_aliased,
    "one-row-per-group": lambda shop: _fewer_effects(shop, "one-row-per-group"),
    "too-many-effects": lambda shop: _fewer_effects(shop, "too-many-effects"),
    "not-expressible": _expressible,
    "engine-error": lambda shop: [*_centre(shop, "engine-error"), *_rescale(shop, "engine-error")],
}
"""Remedies by cause; those of a wrong optimum are other optimizers and starts."""


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
        sentence=f"{'helped' if helped else 'did not help'}: {p_value(own.p)} -> "
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
    verdict = shop.record.verdicts[0]
    match check.key:
        case "far-from-zero":
            return _tried("uncentred-predictor", check, _centre(shop, *verdict.causes))
        case "scale":
            return _tried("badly-scaled", check, _rescale(shop, *verdict.causes))
        case "coded-factor":
            return _coded(shop, check)
        case "slope-constant-within-groups" if check.level == "warning":
            return _tried("constant-slope", check, [_without_slope(shop, check)])
        case "rows" if check.level == "note":
            return _tried("missing-values", check, [incomplete_rows(shop)])
        case _:
            return None, ""


def _tried(key: str, check: Check, remedies: Sequence[Remedy | None]) -> tuple[Cause | None, str]:
    done = [r for r in remedies if r is not None]
    if any(r.helped for r in done):
        return _cause(key, check.sentence, done), ""
    return None, " ".join(f"Tried: {r.title}; it {r.sentence}." for r in done)


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

    remedy = remodelled(
        shop,
        "recode",
        f"read {column} as a factor (--factor {column})",
        lambda: remodel.as_factor(shop.bench.rung, column),
        judge=judge,
        same_model=False,
        r_first=f'data[["{column}"]] <- factor(data[["{column}"]])',
        python_first=f"data[{column!r}] = data[{column!r}].astype(str)",
    )
    return _tried("coded-factor", check, [remedy])


def _ml(bench: Bench, rung: Rung) -> float | None:
    """Return the best ML log-likelihood, by which models of other fixed effects can be compared."""
    found = best_of(rung, reml=False) if bench.likelihood is not None else None
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
        found = best_of(rung, reml=shop.bench.case.model.criterion == "REML")
        if found is None or shop.bench.best is None:
            return SEVERITY[record.verdicts[0].verdict] <= 2, record.verdicts[0].sentence
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
