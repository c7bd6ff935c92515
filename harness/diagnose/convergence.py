"""Every optimizer of both engines on one case, each judged by the referee and none by vote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.diagnose.bench import Bench
from harness.diagnose.diagnosis import OptimizerRun
from harness.diagnose.phrases import number
from harness.diagnose.runs import Recipe, RRuns, evaluations, lifted, run_statsmodels
from harness.engines.engine import Failure, Fit, Outcome
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.audit import Audit
from harness.rbridge import Reply, RFailure

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


def recipes_statsmodels(bench: Bench, lme4: Fit | None) -> list[Recipe]:
    """All methods from MixedLM's own start, and its own chain from better ones."""
    case = bench.case
    uncorrelated = "free=" in _call(bench)
    out = [Recipe("statsmodels")]
    for method in METHODS:
        if uncorrelated and method in ("powell", "nm"):
            continue  # they fit another model: free= is ignored, see _not_run
        out.append(Recipe("statsmodels", method))
    out.append(Recipe("statsmodels", "bfgs", tolerances=TIGHT, tight=True))
    sizes = [len(t.names) for t in case.design.random]
    widths = [np.sqrt((t.z**2).mean(axis=0)) for t in case.design.random]
    small = tuple(
        SMALL * np.diag(1.0 / np.maximum(w, 1e-300) ** 2)
        for w, _ in zip(widths, sizes, strict=True)
    )
    for method in ("bfgs", "lbfgs"):
        out.append(Recipe("statsmodels", method, start="small", relative=small))
    if lme4 is not None and lme4.residual_variance > 0.0:
        found = tuple(lifted(np.array(t.covariance) / lme4.residual_variance) for t in lme4.random)
        if [len(f) for f in found] == sizes:
            out.append(Recipe("statsmodels", start="lme4's", relative=found))
    if bench.best is not None:
        optimum = tuple(lifted(psi) for psi in bench.relative)
        out.append(Recipe("statsmodels", start="referee's", relative=optimum))
    return out


def recipes_lme4(bench: Bench, optimizers: list[tuple[str, str]]) -> list[Recipe]:
    """All optimizers from lme4's own start, the default one tightened and from better starts."""
    out = [Recipe("lme4", optimizer, method) for optimizer, method in optimizers]
    default = optimizers[0]
    out.append(Recipe("lme4", *default, tight=True))
    if bench.best is not None and bench.likelihood is not None:
        perturbed = tuple(
            psi + 0.1 * np.diag(np.diag(psi) + 1.0 / np.maximum((t.z**2).mean(axis=0), 1e-300))
            for psi, t in zip(bench.relative, bench.case.design.random, strict=True)
        )
        optimum = tuple(lifted(psi) for psi in bench.relative)
        out.append(Recipe("lme4", *default, start="enlarged", relative=perturbed))
        out.append(Recipe("lme4", *default, start="referee's", relative=optimum))
    return out


def _call(bench: Bench) -> str:
    from harness.spelling.calls import python_call

    return python_call(bench.case.model, bench.case.table)


def run_all(
    bench: Bench,
    *,
    statsmodels: bool,
    r_runs: RRuns | None,
    lme4: Fit | None,
    advance: Callable[[str], None] = lambda _: None,
) -> tuple[list[Run], tuple[str, ...]]:
    """Run every optimizer of the engines asked for.

    Returns
    -------
    runs : list of Run
    notes : tuple of str
        What could not be run.
    """
    notes: list[str] = []
    runs: list[Run] = []
    begun: list[tuple[Recipe, Callable[[], tuple[Outcome, Reply | None]]]] = []
    if r_runs is not None:
        try:
            optimizers, absent = r_runs.optimizers()
        except RFailure as failure:
            notes.append(f"lme4's optimizers could not be run: {failure}")
        else:
            runs += [
                _not_run("lme4", name, f"its R package {p} is not installed") for name, p in absent
            ]
            recipes = recipes_lme4(bench, optimizers)
            first = recipes[0]
            begin = r_runs.begin(first, path=True)
            several = len(bench.case.design.random) > 1
            like = begin()[1] if several else None
            begun = [(first, begin)]
            begun += [
                (recipe, r_runs.begin(recipe, like))
                for recipe in recipes[1:]
                if not (recipe.relative and several and like is None)
            ]
    if statsmodels and StatsmodelsEngine().unsupported(bench.case) is None:
        # R works in its own process meanwhile.
        for recipe in recipes_statsmodels(bench, lme4):
            outcome = run_statsmodels(bench.case, recipe)
            runs.append(Run(recipe, *bench.audit(outcome)))
            advance(f"statsmodels {recipe.label}")
        runs += _left_out(bench, runs)
    for recipe, wait in begun:
        outcome, reply = wait()
        runs.append(Run(recipe, *bench.audit(outcome), reply))
        advance(f"lme4 {recipe.label}")
    return runs, tuple(notes)


def _left_out(bench: Bench, runs: list[Run]) -> list[Run]:
    """Say of statsmodels' methods that are not run why not."""
    bfgs = next(r for r in runs if r.recipe.optimizer == "bfgs")
    seconds = number(SEARCHES * bfgs.outcome.seconds)
    reason = f"{SEARCHES} searches by bfgs, about {seconds} s; their number cannot be set"
    found = [_not_run("statsmodels", "basinhopping", reason)]
    if "free=" in _call(bench):
        reason = "it ignores free=, so that it would fit correlated effects"
        found += [_not_run("statsmodels", method, reason) for method in ("powell", "nm")]
    return found


def _not_run(engine: str, optimizer: str, reason: str) -> Run:
    failure = Failure(
        engine=engine, setting="default", reason="unsupported", text=f"not run: {reason}"
    )
    return Run(Recipe(engine, optimizer), failure, None)


def how_many(bench: Bench, *, statsmodels: bool, lme4: bool) -> int:
    """Return the number of runs that :func:`run_all` will make, for a progress bar."""
    count = len(recipes_statsmodels(bench, None)) + 1 if statsmodels else 0
    return count + (9 if lme4 else 0)


def thetas(runs: list[Run]) -> list[tuple[float, ...]]:
    """Return where the runs ended, as starts for a better point."""
    return [run.audit.theta for run in runs if run.audit is not None and run.audit.theta]


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
