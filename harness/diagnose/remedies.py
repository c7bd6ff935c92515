"""Remedies, each of them run: what is not run is not recommended, what does not help is said so."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.base.text import number, p_value
from harness.data.rungs import Rung
from harness.diagnose.bench import Bench, bench_of
from harness.diagnose.convergence import (
    SMALL,
    TIGHT,
    Run,
    known_lme4,
    known_statsmodels,
    recipes_lme4,
    recipes_statsmodels,
)
from harness.diagnose.diagnosis import Remedy, Snapshot
from harness.diagnose.messages import OPTIMAL
from harness.diagnose.optima import Optima
from harness.diagnose.remedy_code import python_code, r_code, stacked
from harness.diagnose.remodel import preparation
from harness.diagnose.runs import Recipe, RRuns, run_statsmodels
from harness.diagnose.user_engines import Opened
from harness.engines.engine import Fit, Outcome
from harness.engines.guard import guarded
from harness.judge.case_record import case_record
from harness.judge.case_verdict import CaseVerdict, case_verdict, least_digits, misled
from harness.judge.causes.predicates import NUMERICAL_DF
from harness.judge.judge import Judged, judge_outcomes
from harness.judge.records import CaseRecord
from harness.judge.verdict import GRAVITY
from harness.spelling.calls import python_call, r_call

Array = NDArray[np.float64]

TRIES = 4
"""Other optimizers tried for one engine before other starts are."""

PATIENCE = 60.0
"""Seconds of the standard run above which nothing is fitted again in all engines."""


@dataclass(frozen=True)
class Refit:
    """Another case as the engines fit it, judged."""

    record: CaseRecord
    bench: Bench


@dataclass(frozen=True)
class Workshop:
    """What remedies are run with.

    Attributes
    ----------
    engines : tuple of str
        The user's.
    opened : Opened
        Those of the record.
    """

    bench: Bench
    record: CaseRecord
    engines: tuple[str, ...]
    opened: Opened
    r_runs: RRuns | None
    runs: Sequence[Run]
    alpha: float
    _cache: dict[str, Refit] = field(default_factory=dict)

    @cached_property
    def verdict(self) -> CaseVerdict:
        """What the case comes to with the engines as they come."""
        return case_verdict(self.record)

    def refit(self, rung: Rung) -> Refit:
        """Run the engines, as they come, on another model or on data written otherwise.

        Raises
        ------
        BadInput
            When the standard run has shown that this takes too long.
        """
        if self.record.seconds > PATIENCE:
            raise BadInput(
                f"the standard run took {self.record.seconds:.0f} s; remedies that fit again in "
                "all engines are not run"
            )
        key = f"{rung.case.model.formula.text} {rung.case.table.checksum()}"
        if key not in self._cache:
            judged = judged_anew(rung, self.opened, self.bench.optima)
            self._cache[key] = Refit(case_record(judged, rung), bench_of(rung, judged.examination))
        return self._cache[key]

    def before(self, engine: str) -> Snapshot:
        """Describe the engine's default fit."""
        outcome = self.record.fit(engine)
        assert outcome is not None
        audit = self.record.audit(engine) if self.bench.case.design.random else None
        return self.bench.snapshot(outcome, audit, verdict=self.verdict.verdict)


ABOVE = 1e-9
"""A fit whose deviance is lower by this than that of the best point known shows a better one."""


def judged_anew(rung: Rung, opened: Opened, optima: Optima) -> Judged:
    """Fit another case, each engine as it comes, and judge the fits at the best point known.

    That may have been found without these fits: where one lies above it, it is searched for again.
    """
    started = time.perf_counter()
    begun = [guarded(engine, rung.case, "default") for engine in opened.running]
    judge = partial(
        judge_outcomes,
        rung.case,
        [wait() for wait in begun],
        engines=tuple(engine.name for engine in opened.running),
        reference=opened.reference,
        settings=("default",),
        seconds=time.perf_counter() - started,
    )
    judged = judge(best=optima.known(rung))
    if any(audit.gap < -ABOVE for audit in judged.examination.audits):
        judged = judge()
    if judged.examination.best is not None:
        optima.keep(rung, judged.examination.best)
    return judged


def other_routes(shop: Workshop, engine: str) -> list[Remedy]:
    """Try other optimizers, tolerances and starts until one reaches the optimum."""
    out: list[Remedy] = []
    for recipe in _routes(shop, engine):
        remedy = _route(shop, recipe)
        out.append(remedy)
        if remedy.helped:
            break
    return out


def _routes(shop: Workshop, engine: str) -> list[Recipe]:
    if engine == "statsmodels":
        reference = shop.record.fit("lme4")
        found = recipes_statsmodels(shop.bench.case)
        found += known_statsmodels(shop.bench, reference if isinstance(reference, Fit) else None)
        order: tuple[str, ...] = ("lbfgs", "powell", "bfgs", "cg", "nm")
    elif engine == "lme4" and shop.r_runs is not None:
        pairs = [("nloptwrap", "NLOPT_LN_BOBYQA"), ("bobyqa", ""), ("Nelder_Mead", "")]
        found = [*recipes_lme4(pairs), *known_lme4(shop.bench, pairs[0])]
        order = ("bobyqa", "nloptwrap BOBYQA", "Nelder_Mead")
    else:
        return []
    own = [r for r in found if r.optimizer and not r.relative and not _is_default(r)]
    own.sort(key=lambda r: (order.index(r.label) if r.label in order else 9, r.tight))
    started = [r for r in found if r.relative]
    return [*own[:TRIES], *started]


def _is_default(recipe: Recipe) -> bool:
    return recipe.label == "nloptwrap BOBYQA" and not recipe.tight and not recipe.relative


def _outcome(shop: Workshop, recipe: Recipe) -> Outcome:
    """Take a run from the table of all optimizers, or make it."""
    run = next((r for r in shop.runs if _same(r.recipe, recipe)), None)
    if run is not None:
        return run.outcome
    if recipe.engine == "statsmodels":
        return run_statsmodels(shop.bench.case, recipe, shop.opened.evaluations)
    assert shop.r_runs is not None
    several = len(shop.bench.case.design.random) > 1 and bool(recipe.relative)
    like = None
    if several:
        like = shop.r_runs.begin(Recipe("lme4", "nloptwrap", "NLOPT_LN_BOBYQA"))()[1]
    return shop.r_runs.begin(recipe, like)()[0]


def _route(shop: Workshop, recipe: Recipe) -> Remedy:
    outcome = _outcome(shop, recipe)
    before, after = shop.before(recipe.engine), shop.bench.snapshot(outcome)
    _, audit = shop.bench.audit(outcome)
    # At the right variances fixed effects may be wrong all the same.
    helped = after.certificate in OPTIMAL and audit is not None and audit.gls_distance <= 1e-3
    return Remedy(
        kind="start" if recipe.relative else "tolerance" if recipe.tight else "optimizer",
        title=_title(recipe),
        engine=recipe.engine,
        r_code=r_code(shop.bench, recipe) if recipe.engine == "lme4" else "",
        python_code=python_code(shop.bench, recipe) if recipe.engine == "statsmodels" else "",
        helped=helped,
        before=before,
        after=after,
        sentence=_change(before, after, helped),
        seconds=outcome.seconds,
    )


def _same(a: Recipe, b: Recipe) -> bool:
    return (a.engine, a.label, a.start, a.tight) == (b.engine, b.label, b.start, b.tight)


def _title(recipe: Recipe) -> str:
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


def _change(before: Snapshot, after: Snapshot, helped: bool) -> str:
    """Say what a remedy changed, before and after."""
    if after.loglik is None:
        return f"no fit ({after.text})"
    if before.loglik is None:
        below = "" if after.gap is None else f", {number(max(after.gap, 0.0))} below the best"
        text = f"there is a fit now: log-likelihood {number(after.loglik)}{below}"
    else:
        text = _gaps(before, after)
    shown = _focus(before, after)
    return f"{text}{shown if helped else ''}"


def _gaps(before: Snapshot, after: Snapshot) -> str:
    return (
        f"{number(max(before.gap or 0.0, 0.0))} -> {number(max(after.gap or 0.0, 0.0))} below the "
        "best log-likelihood"
    )


def _focus(before: Snapshot, after: Snapshot) -> str:
    if before.focus is None or after.focus is None or before.focus.name != after.focus.name:
        return ""
    a, b = before.focus, after.focus
    return (
        f"; {a.name} {number(a.estimate)} -> {number(b.estimate)}, SE {number(a.se)} -> "
        f"{number(b.se)}, {p_value(a.p)} -> {p_value(b.p).removeprefix('p = ')}"
    )


def remodelled(
    shop: Workshop,
    kind: str,
    title: str,
    make: Callable[[], Rung],
    *,
    judge: Callable[[CaseRecord], tuple[bool, str]],
    same_model: bool,
    r_first: str = "",
    python_first: str = "",
) -> Remedy | None:
    """Run the engines on a changed model or changed data; None when that cannot be written.

    ``judge`` says whether it helped and why, from the new record; it did not where no program of
    the user is right then. ``r_first`` and ``python_first`` are lines that change the data. There
    is code for a program only where it is right then.
    """
    try:
        rung = make()
        refit = shop.refit(rung)
    except BadInput:
        return None
    record = refit.record
    right = [engine for engine in shop.engines if _is_right(record, engine)]
    engine = _shown_engine(shop, right)
    outcome = record.fit(engine)
    assert outcome is not None
    audit = record.audit(engine) if rung.case.design.random else None
    after = refit.bench.snapshot(outcome, audit, verdict=case_verdict(record).verdict)
    before = shop.before(engine)
    helped, why = judge(record)
    helped = helped and bool(right)
    verdicts = f"verdict {before.verdict or 'none'} -> {after.verdict or 'none'}"
    if same_model and before.gap is not None and after.gap is not None:
        why = f"{_gaps(before, after)}; {why}"
    sentence = (
        f"{why}; {verdicts}{_wrong_then(shop, record)}{_focus(before, after)}"
        f"{_crossing(shop, before, after)}"
    )
    model, table = rung.case.model, rung.case.table
    r_factors, python_factors = preparation(rung)
    return Remedy(
        kind=kind,
        title=title,
        engine="",
        r_code=stacked(r_first, r_factors, r_call(model)) if _to_show("lme4", shop, right) else "",
        python_code=stacked(python_first, python_factors, python_call(model, table))
        if _to_show("statsmodels", shop, right)
        else "",
        helped=helped,
        same_model=same_model,
        before=before,
        after=after,
        sentence=sentence,
        seconds=record.seconds,
    )


def _crossing(shop: Workshop, before: Snapshot, after: Snapshot) -> str:
    """Warn when another model, or another reading of the data, changes the conclusion."""
    ends = [s.focus for s in (before, after) if s.focus is not None and s.focus.p is not None]
    if len(ends) < 2 or ends[0].name != ends[1].name:
        return ""
    sides = {row.p < shop.alpha for row in ends if row.p is not None}
    return f" (mind that this crosses {shop.alpha:g})" if len(sides) > 1 else ""


def _is_right(record: CaseRecord, engine: str) -> bool:
    audit = record.audit(engine)
    optimal = audit is not None and audit.certificate in (*OPTIMAL, "closed form")
    return optimal and engine not in misled(record)


def _to_show(engine: str, shop: Workshop, right: Sequence[str]) -> bool:
    """Whether code is of use: an engine that was not run has not been found wrong."""
    return engine in right or engine not in shop.engines


def _wrong_then(shop: Workshop, record: CaseRecord) -> str:
    """Say which programs of the user are not right with the changed model or data."""
    out = []
    for engine in shop.engines:
        fit, audit = record.fit(engine), record.audit(engine)
        if audit is None or not isinstance(fit, Fit) or _is_right(record, engine):
            continue
        short = audit.certificate not in (*OPTIMAL, "closed form") and math.isfinite(audit.gap)
        out.append(
            f"{engine} is then {number(0.5 * audit.gap)} short in log-likelihood"
            if short
            else f"{engine} is not right then"
        )
    return "".join(f"; {text}" for text in out)


def _shown_engine(shop: Workshop, right: Sequence[str]) -> str:
    """Return the engine whose numbers are shown: one that is right then.

    The one at fault before goes first, then the user's last.
    """
    order = [e for e in shop.verdict.blamed if e in shop.engines]
    order += [e for e in reversed(shop.engines) if e not in order]
    return next((engine for engine in order if engine in right), order[0])


def by_verdict(shop: Workshop, *gone: str) -> Callable[[CaseRecord], tuple[bool, str]]:
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
        text = f"{digits:.1f} digits agree" if math.isfinite(digits) else after.sentence.rstrip(".")
        text += df_change(shop, record)
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
    return f"; lmerTest's df of {name} {before.coefficient(name).df:.3g} -> {then:.3g}"


def tightened(
    shop: Workshop, engine: str, judge: Callable[[Outcome, Snapshot, Snapshot], tuple[bool, str]]
) -> Remedy | None:
    """Run an engine's own optimizer with strict tolerances; ``judge`` says whether it helped."""
    if engine == "lme4" and shop.r_runs is not None:
        recipe = Recipe("lme4", "nloptwrap", "NLOPT_LN_BOBYQA", tight=True)
    elif engine == "statsmodels":
        recipe = Recipe("statsmodels", "bfgs", tight=True, tolerances=TIGHT)
    else:
        return None
    outcome = _outcome(shop, recipe)
    remedy = _route(shop, recipe)
    helped, why = judge(outcome, remedy.before, remedy.after)
    return msgspec.structs.replace(remedy, helped=helped, sentence=f"{remedy.sentence}; {why}")
