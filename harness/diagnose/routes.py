"""Other optimizers, tolerances and starts for one engine, on the data as given or rewritten."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from harness.base.errors import BadInput
from harness.base.text import listed, number
from harness.diagnose.bench import Bench, bench_of
from harness.diagnose.convergence import (
    SMALL,
    TIGHT,
    known_lme4,
    known_statsmodels,
    recipes_lme4,
    recipes_statsmodels,
)
from harness.diagnose.data_units import in_units_of
from harness.diagnose.diagnosis import Remedy, Snapshot
from harness.diagnose.messages import OPTIMAL
from harness.diagnose.remedies import change
from harness.diagnose.remedy_code import Habits, Writing, python_code, r_code
from harness.diagnose.runs import Recipe
from harness.diagnose.workshop import Workshop, mended
from harness.engines.engine import Engine, Fit, Outcome
from harness.spelling.patsy_language import NotExpressible

TRIES = 4
"""Other optimizers tried for one engine before other starts are."""


def other_routes(
    shop: Workshop, engine: str, writing: Writing | None = None, *, starts: bool = True
) -> list[Remedy]:
    """Try other optimizers, tolerances and starts until one reaches the optimum.

    ``writing``: the same model in other columns, for which starts are not tried.
    """
    out: list[Remedy] = []
    running = next((e for e in shop.opened.running if e.name == engine), None)
    if running is None or shop.bench.case.model.structured is not None:
        return out  # no start of a structured term is known to be written
    bench = shop.bench
    if writing is None:
        writing = Writing(shop.bench.rung)
    else:
        bench = shop.refit(writing).bench
    for recipe in _routes(shop, engine, bench):
        if recipe.relative and (writing.title or not starts):
            break
        routed = route(shop, recipe, running, writing)
        if routed is None:
            continue
        out.append(routed[0])
        if routed[0].helped:
            break
    return out


def _routes(shop: Workshop, engine: str, bench: Bench) -> list[Recipe]:
    if engine == "statsmodels":
        reference = shop.record.fit("lme4")
        found = recipes_statsmodels(bench.case)
        found += known_statsmodels(bench, reference if isinstance(reference, Fit) else None)
        order: tuple[str, ...] = ("lbfgs", "powell", "bfgs", "cg", "nm")
    elif engine == "lme4" and shop.r_runs is not None:
        pairs = [("nloptwrap", "NLOPT_LN_BOBYQA"), ("bobyqa", ""), ("Nelder_Mead", "")]
        found = [*recipes_lme4(pairs), *known_lme4(bench, pairs[0])]
        order = ("bobyqa", "nloptwrap BOBYQA", "Nelder_Mead")
    else:
        return []
    own = [r for r in found if r.optimizer and not r.relative and not _is_default(r)]
    own.sort(key=lambda r: (order.index(r.label) if r.label in order else 9, r.tight))
    started = [r for r in found if r.relative]
    return [*_plain(shop, engine), *own[:TRIES], *started]


def _plain(shop: Workshop, engine: str) -> list[Recipe]:
    """Return the program's own optimizer, where the user's call names another."""
    named = shop.habits.method if engine == "statsmodels" else shop.habits.control
    return [Recipe(engine, plain=True)] if named else []


def mended_plainly(shop: Workshop) -> set[str]:
    """Return the engines that reach the optimum once the optimizer that the call names is left out.

    No column has to be written otherwise for them.
    """
    out = set()
    for running in shop.opened.running:
        for recipe in _plain(shop, running.name):
            routed = route(shop, recipe, running, Writing(shop.bench.rung))
            if routed is not None and routed[0].helped:
                out.add(running.name)
    return out


def _is_default(recipe: Recipe) -> bool:
    return recipe.label == "nloptwrap BOBYQA" and not recipe.tight and not recipe.relative


def route(
    shop: Workshop, recipe: Recipe, running: Engine, writing: Writing
) -> tuple[Remedy, Outcome] | None:
    """Run the code of a recipe and judge it; None where it cannot be run here."""
    try:
        python = python_code(writing, recipe, shop.habits) if running.name == "statsmodels" else ""
        judged = shop.judged(writing, [running], recipe)
    except (BadInput, NotExpressible):
        return None
    outcome: Outcome = judged.outcome(running.name)
    after_bench = bench_of(writing.rung, judged.examination)
    verdict = judged.judgement(running.name).verdict
    before, after = shop.before(recipe.engine), after_bench.snapshot(outcome)
    if writing.steps:
        after = in_units_of(shop.bench, after_bench, outcome, after)
    _, audit = after_bench.audit(outcome)
    # At the right variances fixed effects may be wrong all the same.
    helped = (
        after.certificate in OPTIMAL
        and audit is not None
        and audit.gls_distance <= 1e-3
        and verdict in ("RIGHT", "FALSE_STATEMENT")
    )
    text, sentence = change(before, after, helped=helped, rewritten=bool(writing.steps))
    others = _others_mended(shop, recipe.engine, writing) if helped else {}
    own = {recipe.engine: recipe, **dict.fromkeys(others)}
    if "statsmodels" in others:
        python = python_code(writing, habits=shop.habits)
    if others:
        text = f"{recipe.engine} {text}; {listed([*others.values()])}"
        sentence = f"{recipe.engine} {sentence}; {listed([*others.values()])}"
    title = _title(recipe, shop.habits)
    remedy = Remedy(
        kind="start" if recipe.relative else "tolerance" if recipe.tight else "optimizer",
        title=f"{writing.title}, and {title}" if writing.title else title,
        engine=recipe.engine,
        steps=writing.steps,
        mends=tuple(e for e in shop.engines if e in {recipe.engine, *others}) if helped else (),
        outcome=text,
        r_code=r_code(writing, own["lme4"], shop.habits) if "lme4" in own else "",
        python_code=python,
        helped=helped,
        before=before,
        after=after,
        sentence=sentence,
        seconds=outcome.seconds,
    )
    return remedy, outcome


def _others_mended(shop: Workshop, engine: str, writing: Writing) -> dict[str, str]:
    """Say of each other engine that the columns alone have mended how far it was and is."""
    if not writing.steps:
        return {}
    record, out = shop.refit(writing).record, {}
    for other in mended(shop.record, record, shop.engines):
        gaps = [r.audit(other) for r in (shop.record, record)]
        if other != engine and all(audit is not None for audit in gaps):
            then = [number(max(0.5 * audit.gap, 0.0)) for audit in gaps if audit is not None]
            out[other] = f"{other} as it comes {' → '.join(then)}"
    return out


def _title(recipe: Recipe, habits: Habits) -> str:
    if recipe.plain and recipe.engine == "statsmodels":
        return f"leave out method={habits.method!r} in statsmodels"
    if recipe.plain:
        return "leave out control = in lme4"
    if recipe.relative:
        with_what = f" with {recipe.label}" if recipe.optimizer else ""
        return f"start {recipe.engine}{with_what} from {_article(recipe.start)}"
    if recipe.tight:
        return f"{recipe.engine} with {recipe.label} and tight tolerances"
    return f"{recipe.engine} with {recipe.label}"


def _article(start: str) -> str:
    return {
        "enlarged": "variances a tenth larger than the best point's",
        "small": f"small variances ({SMALL:g} of the residual variance)",
        "lme4's": "lme4's answer",
        "referee's": "the referee's optimum",
    }[start]


def tightened(
    shop: Workshop, engine: str, judge: Callable[[Outcome, Snapshot, Snapshot], tuple[bool, str]]
) -> Remedy | None:
    """Run an engine's own optimizer with strict tolerances; ``judge`` says whether it helped."""
    running = next((e for e in shop.opened.running if e.name == engine), None)
    if engine == "lme4" and shop.r_runs is not None:
        recipe = Recipe("lme4", "nloptwrap", "NLOPT_LN_BOBYQA", tight=True)
    elif engine == "statsmodels":
        recipe = Recipe("statsmodels", "bfgs", tight=True, tolerances=TIGHT)
    else:
        return None
    if running is None:
        return None
    writing = Writing(shop.bench.rung)
    routed = route(shop, recipe, running, writing)
    if routed is None:
        return None
    remedy, outcome = routed
    helped, why = judge(outcome, remedy.before, remedy.after)
    sentence = f"{remedy.sentence}; {why}" if why else remedy.sentence
    return msgspec.structs.replace(remedy, helped=helped, sentence=sentence)
