"""Every optimizer of both programs on one case, each judged by the referee and none by vote.

Runs from an engine's own start come first; runs from the best point known, and from an engine's
answer, follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.base.deadline import NEVER, Deadline, TimeUp, stopped_at
from harness.base.text import number
from harness.diagnose.bench import Bench
from harness.diagnose.diagnosis import OptimizerRun
from harness.diagnose.runs import (
    Recipe,
    RRuns,
    evaluations,
    lifted,
    optimizers_of,
    run_statsmodels,
)
from harness.engines.engine import Failure, Fit, Outcome
from harness.engines.mixedlm_evaluations import Evaluations
from harness.engines.statsmodels import StatsmodelsEngine
from harness.engines.within_limits import READING_SECONDS
from harness.judge.audit import Audit
from harness.model.case import Case
from harness.rbridge.failures import RFailure
from harness.rbridge.worker import Reply

METHODS = ("bfgs", "lbfgs", "cg", "powell", "nm", "minimize", "newton", "ncg")
"""Values of ``method`` that MixedLM.fit knows. newton and ncg ask for a Hessian that it lacks, and
it says so. Of the others only basinhopping is not run, see :data:`SEARCHES`."""

SEARCHES = 101
"""Local searches, by bfgs, of scipy's basinhopping: a first one and 100 hops, which cannot be set
through MixedLM.fit (niter is not passed on)."""

SMALL = 0.01
"""Relative variance of the small start, in units of the residual variance."""


TIGHT = {"gtol": 1e-10}
"""Arguments of MixedLM.fit for strict tolerances of bfgs."""


@dataclass(frozen=True)
class Run:
    """A run with all that is known of it; the row of the table is made from it."""

    recipe: Recipe
    outcome: Outcome
    audit: Audit | None
    reply: Reply | None = None


def recipes_statsmodels(case: Case) -> list[Recipe]:
    """All methods from MixedLM's own start, and two from small variances."""
    uncorrelated = "free=" in _call(case)
    out = [Recipe("statsmodels")]
    for method in METHODS:
        if uncorrelated and method in ("powell", "nm"):
            continue  # they fit another model: free= is ignored, see _not_run
        out.append(Recipe("statsmodels", method))
    out.append(Recipe("statsmodels", "bfgs", tolerances=TIGHT, tight=True))
    widths = [np.sqrt((t.z**2).mean(axis=0)) for t in case.design.random]
    small = tuple(SMALL * np.diag(1.0 / np.maximum(w, 1e-300) ** 2) for w in widths)
    for method in ("bfgs", "lbfgs") if widths else ():
        out.append(Recipe("statsmodels", method, start="small", relative=small))
    return out


def known_statsmodels(bench: Bench, lme4: Fit | None) -> list[Recipe]:
    """MixedLM's own chain from lme4's answer and from the best point known."""
    out: list[Recipe] = []
    sizes = [len(t.names) for t in bench.case.design.random]
    if not sizes:
        return out
    if lme4 is not None and lme4.residual_variance > 0.0:
        found = tuple(lifted(np.array(t.covariance) / lme4.residual_variance) for t in lme4.random)
        if [len(f) for f in found] == sizes:
            out.append(Recipe("statsmodels", start="lme4's", relative=found))
    if bench.best is not None:
        optimum = tuple(lifted(psi) for psi in bench.relative)
        out.append(Recipe("statsmodels", start="referee's", relative=optimum))
    return out


def recipes_lme4(optimizers: list[tuple[str, str]]) -> list[Recipe]:
    """All optimizers from lme4's own start, and the default one tightened."""
    out = [Recipe("lme4", optimizer, method) for optimizer, method in optimizers]
    return [*out, Recipe("lme4", *optimizers[0], tight=True)]


def known_lme4(bench: Bench, default: tuple[str, str]) -> list[Recipe]:
    """Lme4's default optimizer from variances larger than the best point's, and from that."""
    if bench.best is None:
        return []
    perturbed = tuple(
        psi + 0.1 * np.diag(np.diag(psi) + 1.0 / np.maximum((t.z**2).mean(axis=0), 1e-300))
        for psi, t in zip(bench.relative, bench.case.design.random, strict=True)
    )
    optimum = tuple(lifted(psi) for psi in bench.relative)
    return [
        Recipe("lme4", *default, start="enlarged", relative=perturbed),
        Recipe("lme4", *default, start="referee's", relative=optimum),
    ]


def _call(case: Case) -> str:
    from harness.spelling.mixedlm_spelling import python_call

    return python_call(case.model, case.table)


Begun = tuple[Recipe, Callable[[], tuple[Outcome, Reply | None]]]


class Trials:
    """Every optimizer of the programs asked for, on one case.

    R works in its own process while statsmodels runs in this one.

    Parameters
    ----------
    r_runs : RRuns or None
    evaluations : Evaluations or None
        What MixedLM has evaluated already.
    deadline : Deadline
        No run begins after it, and what is under way is stopped.
    advance : callable
        Told what is run.
    """

    def __init__(
        self,
        case: Case,
        r_runs: RRuns | None,
        evaluations: Evaluations | None,
        deadline: Deadline = NEVER,
        advance: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.notes: list[str] = []
        self.runs: list[Run] = []
        self._case, self._r, self._evaluations = case, r_runs, evaluations
        self._advance, self._deadline = advance, deadline
        self._asked = None if r_runs is None else r_runs.optimizers()
        self._optimizers: list[tuple[str, str]] = []
        self._begun: list[Begun] = []

    def statsmodels(self) -> None:
        """Run MixedLM's methods from its own starts."""
        if StatsmodelsEngine().unsupported(self._case) is not None:
            return
        for recipe in recipes_statsmodels(self._case):
            self._statsmodels(recipe)
        self.runs += _left_out(self._case, self.runs)

    def begin_lme4(self, allowed: Callable[[], bool]) -> None:
        """Have R begin with lme4's optimizers, unless it has."""
        asked, self._asked = self._asked, None
        if asked is None or self._r is None or not allowed():
            return
        try:
            self._optimizers, absent = optimizers_of(asked.result())
        except RFailure as failure:
            self.notes.append(f"lme4's optimizers could not be run: {failure}")
            return
        self.runs += [
            _not_run("lme4", name, f"its R package {p} is not installed") for name, p in absent
        ]
        for i, recipe in enumerate(recipes_lme4(self._optimizers)):
            self._begun.append((recipe, self._r.begin(recipe, path=i == 0)))

    def finish(self) -> None:
        """Wait for what R has begun."""
        begun, self._begun = self._begun, []
        until = self._deadline
        if until.left < READING_SECONDS:  # what R has done already is read all the same
            until = Deadline(READING_SECONDS)
        for recipe, wait in begun:
            self._advance(f"lme4 {recipe.label}")
            outcome, reply = self._within(recipe, wait, until)
            self.runs.append(Run(recipe, outcome, None, reply))

    def from_known(self, bench: Bench, *, statsmodels: bool, lme4: Fit | None) -> None:
        """Run both programs from the best point known, and statsmodels from lme4's answer."""
        if self._r is not None and self._optimizers:
            first = next(r for r in self.runs if r.recipe.engine == "lme4" and r.recipe.method)
            several = len(self._case.design.random) > 1
            for recipe in known_lme4(bench, self._optimizers[0]):
                if not several or first.reply is not None:
                    self._begun.append((recipe, self._r.begin(recipe, first.reply)))
        if statsmodels and StatsmodelsEngine().unsupported(self._case) is None:
            for recipe in known_statsmodels(bench, lme4):
                self._statsmodels(recipe)
        self.finish()

    def _statsmodels(self, recipe: Recipe) -> None:
        def run() -> tuple[Outcome, Reply | None]:
            return run_statsmodels(self._case, recipe, self._evaluations), None

        self._advance(f"statsmodels {recipe.label}")
        self.runs.append(Run(recipe, self._within(recipe, run, self._deadline)[0], None))

    def _within(
        self, recipe: Recipe, run: Callable[[], tuple[Outcome, Reply | None]], until: Deadline
    ) -> tuple[Outcome, Reply | None]:
        """Return what a run gives until then, which is the deadline or hardly later."""
        began = self._deadline.left
        try:
            with stopped_at(until):
                return run()
        except TimeUp:
            limit = f"the limit of {number(self._deadline.seconds)} s was reached"
            text = f"stopped: {limit}" if began else f"not run: {limit}"
            failure = Failure(engine=recipe.engine, setting="default", reason="timeout", text=text)
            return failure, None


def _left_out(case: Case, runs: list[Run]) -> list[Run]:
    """Say of statsmodels' methods that are not run why not."""
    bfgs = next(r for r in runs if r.recipe.optimizer == "bfgs")
    seconds = number(SEARCHES * bfgs.outcome.seconds)
    reason = f"{SEARCHES} searches by bfgs, about {seconds} s; their number cannot be set"
    found = [_not_run("statsmodels", "basinhopping", reason)]
    if "free=" in _call(case):
        reason = "it ignores free=, so that it would fit correlated effects"
        found += [_not_run("statsmodels", method, reason) for method in ("powell", "nm")]
    return found


def _not_run(engine: str, optimizer: str, reason: str) -> Run:
    failure = Failure(
        engine=engine, setting="default", reason="unsupported", text=f"not run: {reason}"
    )
    return Run(Recipe(engine, optimizer), failure, None)


def how_many(case: Case, *, statsmodels: bool, lme4: bool) -> int:
    """Return about how many runs there will be, for a progress bar."""
    count = len(recipes_statsmodels(case)) + 2 if statsmodels else 0
    return count + (9 if lme4 else 0)


def judged_by(bench: Bench, runs: Sequence[Run]) -> list[Run]:
    """Return the runs with the referee's audit of each."""
    return [Run(run.recipe, *bench.audit(run.outcome), run.reply) for run in runs]


def rows(bench: Bench, runs: list[Run]) -> Iterator[OptimizerRun]:
    """Make the rows of the convergence table, lme4 and statsmodels by distance from the best."""
    for run in sorted(runs, key=_order):
        yield row(bench, run)


def _order(run: Run) -> tuple[str, float]:
    gap = np.inf if run.audit is None or np.isnan(run.audit.gap) else run.audit.gap
    return run.recipe.engine, float(gap)


def row(bench: Bench, run: Run) -> OptimizerRun:
    """Make a row of the convergence table."""
    recipe, outcome, audit = run.recipe, run.outcome, run.audit
    common = {
        "engine": recipe.engine,
        "optimizer": recipe.label + (", tight" if recipe.tight else ""),
        "start": recipe.start,
        "messages": tuple(m for m in outcome.messages if m.kind != "note"),
        "seconds": outcome.seconds,
        "evaluations": evaluations(run.reply),
    }
    if isinstance(outcome, Failure):
        return OptimizerRun(**common, error=outcome.text)  # type: ignore[arg-type]
    path = run.reply.numbers("path") if run.reply and "path" in run.reply else np.zeros(0)
    values = run.reply.numbers("path_deviance") if run.reply and len(path) else np.zeros(0)
    if len(bench.case.design.random) > 1:
        path, values = np.zeros(0), np.zeros(0)  # theta of several terms is in lme4's order
    outside = audit is None or audit.certificate == "outside the parameter space"
    return OptimizerRun(
        **common,  # type: ignore[arg-type]
        default=not (recipe.tight or recipe.relative)
        and recipe.label in ("bfgs, lbfgs, cg", "nloptwrap BOBYQA"),
        loglik=None if outside or audit is None else audit.loglik,
        stated=outcome.loglik,
        gap=None if outside or audit is None else 0.5 * audit.gap,
        gradient=None if outside or audit is None else audit.gradient,
        dual=None if audit is None else audit.dual,
        certificate="" if audit is None else audit.certificate,
        converged=outcome.converged,
        theta=() if audit is None else audit.theta,
        path=tuple(map(tuple, path.reshape(len(values), -1).tolist())) if len(values) else (),
        path_deviance=tuple(values.tolist()),
    )
