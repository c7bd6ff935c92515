"""What is tried for each cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from harness.base.text import listed
from harness.data.rungs import Rung
from harness.diagnose import remodel
from harness.diagnose.diagnosis import Remedy, Snapshot
from harness.diagnose.phrases import taken_out
from harness.diagnose.remedies import by_verdict, df_change, remodelled
from harness.diagnose.routes import other_routes, tightened
from harness.diagnose.singular import (
    Reduction,
    order_of_preference,
    reductions,
    without_terms,
)
from harness.diagnose.workshop import Workshop
from harness.engines.engine import Fit, Outcome
from harness.judge.case_verdict import case_verdict
from harness.judge.causes.basis import CODINGS
from harness.judge.records import CaseRecord
from harness.judge.verdict import GRAVITY
from harness.model.case import Case
from harness.model.design import RandomDesign
from harness.referee.crossproducts import aliased_columns


def simpler_random(shop: Workshop) -> list[Remedy | None]:
    """Fit the reduced models in the engines, where the best point is singular."""
    best = shop.bench.best
    if best is None:
        return []
    out: list[Remedy | None] = []
    ranks = best.optimality.ranks
    terms = shop.bench.case.design.random
    null = [t for t, rank in enumerate(ranks) if rank == 0]
    if len(null) > 1:
        out.append(_reduced(shop, without_terms(shop.bench, null)))
    for t, (term, rank) in enumerate(zip(terms, ranks, strict=True)):
        if rank == len(term.names) or any(r is not None and r.helped and t in null for r in out):
            continue
        for reduction in sorted(reductions(shop.bench, t), key=order_of_preference)[:3]:
            remedy = _reduced(shop, reduction)
            out.append(remedy)
            if remedy is not None and remedy.helped:
                break
    return out


def _reduced(shop: Workshop, reduction: Reduction | None) -> Remedy | None:
    if reduction is None:
        return None

    def judge(record: CaseRecord) -> tuple[bool, str]:
        if reduction.singular:
            return False, "the reduced model is singular again"
        return GRAVITY[case_verdict(record).verdict] <= 2, df_change(shop, record)

    return remodelled(
        shop,
        reduction.kind,
        reduction.title,
        lambda: reduction.rung,
        judge=judge,
        same_model=False,
    )


def tight_agrees(shop: Workshop, engines: Sequence[str]) -> list[Remedy | None]:
    """Tighten each engine; helped when it comes nearer to the best point by a factor of ten."""
    tight = case_verdict(shop.record, "tight") if "tight" in shop.record.settings else None
    everyone = "both engines" if len(shop.opened.running) == 2 else "all engines"

    def judge(_: Outcome, before: Snapshot, after: Snapshot) -> tuple[bool, str]:
        why = "" if tight is None else f"with {everyone} tight the verdict is {tight.verdict}"
        if before.gap is None or after.gap is None:
            return False, why
        return after.gap < max(0.1 * before.gap, 1e-9), why

    return [tightened(shop, engine, judge) for engine in engines]


def tight_flags(shop: Workshop, engines: Sequence[str]) -> list[Remedy | None]:
    """Tighten an engine; helped when it then reports the singular fit."""

    def judge(outcome: Outcome, _: Snapshot, after: Snapshot) -> tuple[bool, str]:
        if not isinstance(outcome, Fit):
            return False, after.text
        flagged = outcome.singular is True
        return flagged, f"reported as {'singular' if flagged else 'not singular'} then"

    return [tightened(shop, engine, judge) for engine in engines]


def one_of_the_same(shop: Workshop) -> list[Remedy | None]:
    """Take out a term whose groups and effects are those of another term."""
    terms = shop.bench.case.design.random
    out: list[Remedy | None] = []
    for t, term in enumerate(terms):
        twin = next((other for other in terms[:t] if _same_term(other, term)), None)
        if twin is not None:
            out.append(
                remodelled(
                    shop,
                    "drop-term",
                    f"{taken_out(term.names, term.names, term.group)}: its {len(term.levels)} "
                    f"groups are those of {twin.group}",
                    partial(remodel.without_effect, shop.bench.rung, t, set(term.names)),
                    judge=by_verdict(shop, "undetermined-variance"),
                    same_model=False,
                )
            )
    return out


def _same_term(one: RandomDesign, other: RandomDesign) -> bool:
    pairs = np.unique(np.column_stack([one.codes, other.codes]), axis=0)
    groups = len(pairs) == len(one.levels) == len(other.levels)
    return groups and one.z.shape == other.z.shape and bool(np.array_equal(one.z, other.z))


def after_an_error(shop: Workshop, engines: Sequence[str]) -> list[Remedy | None]:
    """Try other optimizers, which may keep an engine from raising."""
    if any(r.helped for r in shop.writings):
        return []
    return [remedy for engine in engines for remedy in other_routes(shop, engine)]


def remove_aliased(shop: Workshop) -> list[Remedy | None]:
    """Take the terms of aliased columns out of the fixed effects."""
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


def fewer_effects(shop: Workshop, key: str) -> list[Remedy | None]:
    """Take out what there are too many of: a slope, or the term."""
    n, out = len(shop.bench.case.design.y), []
    for t, term in enumerate(shop.bench.case.design.random):
        if term.width < n:
            continue
        slopes = set(term.names) - {"Intercept"}
        gone = slopes if len(term.levels) < n and "Intercept" in term.names else set(term.names)
        out.append(
            remodelled(
                shop,
                "drop-term",
                taken_out(sorted(gone), term.names, term.group),
                partial(remodel.without_effect, shop.bench.rung, t, gone),
                judge=by_verdict(shop, key),
                same_model=False,
            )
        )
    return out


def undetermined_terms(shop: Workshop) -> list[Remedy | None]:
    """Take out a term that is there twice, else each in turn: one of them leaves all settled."""
    twins = one_of_the_same(shop)
    if twins:
        return twins
    rung, best = shop.bench.rung, shop.bench.best
    names = shop.bench.case.design.x_names
    moved = [] if best is None else [names[j] for j in sorted(best.moved)]

    def title(term: RandomDesign) -> str:
        text = taken_out(list(term.names), term.names, term.group)
        if not moved:
            return text
        what = listed(moved) if len(moved) < 4 else f"{moved[0]} and {len(moved) - 1} more"
        return f"{text}; what is said of {what} then holds for these groups only"

    return [
        remodelled(
            shop,
            "drop-term",
            title(term),
            partial(remodel.without_effect, rung, t, set(term.names)),
            judge=by_verdict(shop, "undetermined-variance"),
            same_model=False,
        )
        for t, term in enumerate(shop.bench.case.design.random)
    ]


def expressible(shop: Workshop) -> list[Remedy | None]:
    """Make effects uncorrelated, or keep intercepts only, until MixedLM can be given the model."""
    rung: Rung = shop.bench.rung
    if rung.case.model.formula.weights is not None:
        return []  # no other random part has them
    several = [t for t, term in enumerate(rung.case.design.random) if len(term.names) > 1]

    def uncorrelated(terms: Sequence[int]) -> Rung:
        changed = rung
        for t in reversed(terms):  # a term taken apart moves those after it
            changed = remodel.uncorrelated(changed, t)
        return changed

    options: tuple[tuple[str, str, Callable[[], Rung]], ...] = (
        (
            "uncorrelate",
            "make the effects of all terms but the first uncorrelated",
            lambda: uncorrelated(several[1:]),
        ),
        (
            "uncorrelate",
            "make the effects of every term uncorrelated",
            lambda: uncorrelated(several),
        ),
        (
            "drop-term",
            "keep the intercepts only of all terms but the first",
            lambda: _intercepts_only(rung, several[1:]),
        ),
        ("drop-term", "keep the intercepts only", lambda: _intercepts_only(rung, several)),
    )
    out: list[Remedy | None] = []
    # With one term of several effects there is no other to change.
    for kind, title, make in options if len(several) > 1 else options[1::2]:
        tried = remodelled(
            shop,
            kind,
            title,
            make,
            judge=by_verdict(shop, "not-expressible"),
            same_model=False,
        )
        out.append(tried)
        if tried is not None and tried.helped:
            break
    return out


def _intercepts_only(rung: Rung, terms: Sequence[int]) -> Rung:
    for t in terms:
        names = set(rung.case.design.random[t].names) - {"Intercept"}
        rung = remodel.without_effect(rung, t, names)
    return rung


OWN_CALL = {
    "sm-free-ignored": "fit with bfgs, lbfgs or cg, which heed free=",
    "crossed-as-nested": "give groups=np.ones(n), and each factor as a variance component",
    "dropped-term": "give re_formula='1' as well",
    "sm-mutated-model": "build a fresh model for every fit",
    **dict.fromkeys(CODINGS, "code the fixed effects alike in both programs"),
    "other-model": "fit the model that the formula says",
    "rows-left-out": "give statsmodels all complete rows",
}
"""What is to be done where the call was another one, by cause."""


def own_call(shop: Workshop, key: str) -> list[Remedy | None]:
    """Make the call anew from the formula, where a fit that was given is of another one."""
    before = shop.record.fit("statsmodels")
    if not isinstance(before, Fit):
        return []
    judged = by_verdict(shop, key)

    def judge(record: CaseRecord) -> tuple[bool, str]:
        helped, text = judged(record)
        after, other = record.fit("statsmodels"), record.fit("lme4")
        stated = []
        if isinstance(after, Fit):
            texts = list(dict.fromkeys([_stated(before), _stated(after)]))
            stays = "stays " if len(texts) == 1 else ""
            stated.append(f"log-likelihood as stated {stays}{' → '.join(texts)}")
        if isinstance(other, Fit):
            stated.append(f"lme4 {_stated(other)}")
        return helped, "; ".join(part for part in (text, ", ".join(stated)) if part)

    rung = shop.bench.rung
    # Another case object of the same model and data: an engine that was given a fit for the first
    # one fits it as it comes.
    again = Case(rung.case.id, rung.case.model, rung.case.table)
    return [
        remodelled(
            shop,
            "call",
            OWN_CALL[key],
            lambda: replace(rung, case=again),
            judge=judge,
            same_model=True,
        )
    ]


def _stated(fit: Fit) -> str:
    return "none" if fit.loglik is None else f"{fit.loglik:.6g}"


Cure = Callable[[Workshop, Sequence[str]], list[Remedy | None]]

CURES: dict[str, Cure] = {
    **{key: lambda shop, _, key=key: own_call(shop, key) for key in OWN_CALL},  # type: ignore[misc]
    "true-boundary": lambda shop, _: simpler_random(shop),
    "re-refused": lambda shop, _: simpler_random(shop),
    "singular-df": lambda shop, _: simpler_random(shop),
    "singular-not-flagged": tight_flags,
    "undetermined-variance": lambda shop, _: undetermined_terms(shop),
    "flat-optimum": tight_agrees,
    "no-negative-correlation": lambda _, __: [],  # no route of MixedLM's leads there
    "sm-llf-conditioning": lambda shop, _: simpler_random(shop),
    "aliased-columns": lambda shop, _: remove_aliased(shop),
    "one-row-per-group": lambda shop, _: fewer_effects(shop, "one-row-per-group"),
    "too-many-effects": lambda shop, _: fewer_effects(shop, "too-many-effects"),
    "not-expressible": lambda shop, _: expressible(shop),
    "sm-singular-covariance": lambda shop, engines: [
        *simpler_random(shop),
        *(remedy for engine in engines for remedy in other_routes(shop, engine)),
    ],
    "search-error": lambda shop, _: simpler_random(shop),
    "engine-error": after_an_error,
}
"""Remedies by cause; those of a wrong optimum are other optimizers and starts."""
