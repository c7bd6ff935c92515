"""From a case to its diagnosis."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

import harness
from harness.base.text import number
from harness.campaign import provenance
from harness.data.rungs import Rung
from harness.diagnose.answer import advice, agreement, answer
from harness.diagnose.bench import bench_of
from harness.diagnose.conclusions import conclusions
from harness.diagnose.conditioning import conditioning
from harness.diagnose.convergence import Trials, how_many, judged_by, rows
from harness.diagnose.data_checks import data_checks
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.diagnosis_cost import Size, refuse_or_size
from harness.diagnose.found_causes import find_causes
from harness.diagnose.group_checks import group_checks
from harness.diagnose.messages import translate
from harness.diagnose.picture_data import Pictured, pictured
from harness.diagnose.runs import RRuns
from harness.diagnose.singular import singular_terms
from harness.diagnose.user_engines import Opened
from harness.diagnose.workshop import ABOVE, Workshop
from harness.engines.engine import Fit, Outcome, Setting
from harness.engines.engine_wrapper import bare
from harness.engines.guard import guarded
from harness.judge.case_record import case_record
from harness.judge.examination import point_of
from harness.judge.judge import Judged, judge, judge_outcomes
from harness.referee.deviance import Likelihood, NoMaximum
from harness.referee.optimum import Optimum, find_optimum


def diagnose(
    rung: Rung,
    with_engines: Opened,
    *,
    alpha: float = 0.05,
    quick: bool = False,
    pictures: bool = False,
    command: str = "",
    advance: Callable[[str], None] = lambda _: None,
) -> Diagnosis:
    """Diagnose a case.

    Parameters
    ----------
    rung : Rung
        The case, with its data frame.
    with_engines : Opened
        From :func:`harness.diagnose.user_engines.opened`.
    alpha : float
        Level at which a p value decides a conclusion.
    quick : bool
        Leave out the table of all optimizers.
    pictures : bool
        Compute what the pictures of the HTML page show besides: profiles, a contour, intervals.
    advance : callable
        Told what begins, for a progress bar.

    Raises
    ------
    BadInput
        When the case is too large, with the estimate.
    """
    started = time.perf_counter()
    size = refuse_or_size(rung.case)
    advance("checking the data")
    checks = [
        msgspec.structs.replace(check, numbers=tuple((k, float(v)) for k, v in check.numbers))
        for check in (*data_checks(rung.case), *group_checks(rung.case), *size.checks)
    ]
    advance("fitting as it comes")
    trials: Trials | None = None
    notes = [with_engines.absent] if with_engines.absent else []
    mixed = bool(rung.case.design.random)
    r_runs = RRuns(with_engines.session, rung.case) if with_engines.session and mixed else None
    if mixed and not quick:
        judged, trials = _every_optimizer(rung, with_engines, r_runs, size, notes, advance)
    else:
        judged = standard_run(rung, with_engines, size)
    record = case_record(judged, rung)
    bench = bench_of(rung, judged.examination, tuple(with_engines.own(rung)))
    runs = [] if trials is None else judged_by(bench, trials.runs)
    advance("singular terms and conclusions")
    changed = conclusions(record, bench, with_engines.engines, alpha)
    singular = singular_terms(bench, record, with_engines.engines)
    table = tuple(rows(bench, runs))
    drawn = Pictured()
    if pictures and mixed:
        advance("profiles of the deviance")
        drawn = pictured(bench, record, with_engines.engines, singular, table)
        notes += drawn.notes
    advance("trying remedies")
    shop = Workshop(bench, record, with_engines.engines, with_engines, r_runs, runs, alpha)
    # Where the data do not determine the model, p values say nothing.
    stopped = any(check.level == "stop" for check in checks)
    changed = () if stopped else changed
    causes, tried = find_causes(shop, checks, [c for c in changed if c.changed])
    return Diagnosis(
        program=f"lmm-parity {harness.__version__}",
        created=provenance.now(),
        command=command,
        versions=provenance.versions(with_engines.running),
        case=record,
        engines=with_engines.engines,
        absent=with_engines.absent,
        alpha=alpha,
        agreement=agreement(record, with_engines.engines),
        answer=answer(record, bench, with_engines.engines, causes, tried, changed, singular, alpha),
        advice=advice(causes),
        conclusions=changed,
        causes=causes,
        checks=tried,
        runs=table,
        translations=tuple(translate(record, bench, with_engines.engines)),
        conditioning=conditioning(bench),
        singular=singular,
        profiles=drawn.profiles,
        fixed_intervals=() if stopped else drawn.fixed,
        contours=drawn.contours,
        effects=drawn.effects,
        notes=tuple(notes),
        seconds=time.perf_counter() - started,
    )


def steps(rung: Rung, with_engines: Opened, *, quick: bool, pictures: bool = False) -> int:
    """Return about how many steps ``advance`` will be told, for a progress bar."""
    few = 5 + (pictures and bool(rung.case.design.random))
    if quick or not rung.case.design.random:
        return few
    engines = with_engines.engines
    return few + how_many(rung.case, statsmodels="statsmodels" in engines, lme4="lme4" in engines)


def standard_run(rung: Rung, with_engines: Opened, size: Size) -> Judged:
    """Fit a case with all engines, as they come and tight, and judge the fits."""
    return judge(
        rung.case,
        with_engines.running,
        _settings(size),
        reference=with_engines.reference,
        own=with_engines.own(rung),
    )


def _settings(size: Size) -> tuple[Setting, ...]:
    return ("default",) if size.large else ("default", "tight")


def _every_optimizer(
    rung: Rung,
    with_engines: Opened,
    r_runs: RRuns | None,
    size: Size,
    notes: list[str],
    advance: Callable[[str], None],
) -> tuple[Judged, Trials | None]:
    """Make the standard run and try all optimizers; the referee searches from where all ended.

    R starts, and fits, while statsmodels runs in this process. The optimizers of an engine are run
    for which that takes no longer than ``size.budget``.
    """
    case, settings = rung.case, _settings(size)
    try:
        likelihood = Likelihood(case.design, reml=case.model.criterion != "ML")
    except ValueError:  # nothing could be said of the runs
        return standard_run(rung, with_engines, size), None
    started = time.perf_counter()
    begun = [(e, s, guarded(e, case, s)) for s in settings for e in with_engines.running]
    outcomes: dict[tuple[str, Setting], Outcome] = {}

    def outcome(engine: str, setting: Setting) -> Outcome:
        if (engine, setting) not in outcomes:
            wait = next(w for e, s, w in begun if (e.name, s) == (engine, setting))
            outcomes[engine, setting] = wait()
        return outcomes[engine, setting]

    def allowed(engine: str) -> bool:
        seconds = outcome(engine, "default").seconds
        count = how_many(case, statsmodels=engine == "statsmodels", lme4=engine == "lme4")
        if count * seconds <= size.budget:
            return True
        notes.append(
            f"Not every optimizer of {engine} was run: {count} runs of about {number(seconds)} s "
            f"would take {number(count * seconds)} s (limit {number(size.budget)} s)."
        )
        return False

    for engine, setting, _ in begun:
        if not getattr(bare(engine), "elsewhere", False):
            outcome(engine.name, setting)
    seconds = time.perf_counter() - started
    trials = Trials(case, r_runs, with_engines.evaluations, advance)
    statsmodels = "statsmodels" in with_engines.engines and allowed("statsmodels")
    if statsmodels:
        trials.statsmodels(lambda: allowed("lme4"))
    resumed = time.perf_counter()
    fits = [outcome(engine.name, setting) for engine, setting, _ in begun]
    seconds += time.perf_counter() - resumed
    trials.begin_lme4(lambda: allowed("lme4"))
    trials.finish()
    advance("looking for the best point")
    found = [*fits, *(run.outcome for run in trials.runs)]
    points = [point_of(likelihood, fit) for fit in found if isinstance(fit, Fit)]
    try:
        best = find_optimum(likelihood, [point.theta for point in points if point is not None])
    except NoMaximum:
        return _judged(rung, with_engines, fits, settings, None, seconds), None
    judged = _judged(rung, with_engines, fits, settings, best, seconds)
    lme4 = outcomes.get(("lme4", "default"))
    trials.from_known(
        bench_of(rung, judged.examination),
        statsmodels=statsmodels,
        lme4=lme4 if isinstance(lme4, Fit) else None,
    )
    notes += trials.notes
    bench = bench_of(rung, judged.examination)
    higher = [a for r in judged_by(bench, trials.runs) if (a := r.audit) and a.gap < -ABOVE]
    if higher:
        notes.append(
            "An optimizer that started at the best point known went on from it: "
            f"{number(-0.5 * min(a.gap for a in higher))} higher in log-likelihood."
        )
        best = find_optimum(likelihood, [np.asarray(a.theta) for a in higher])
        judged = _judged(rung, with_engines, fits, settings, best, seconds)
    return judged, trials


def _judged(
    rung: Rung,
    with_engines: Opened,
    fits: Sequence[Outcome],
    settings: tuple[Setting, ...],
    best: Optimum | None,
    seconds: float,
) -> Judged:
    return judge_outcomes(
        rung.case,
        fits,
        engines=tuple(engine.name for engine in with_engines.running),
        reference=with_engines.reference,
        settings=settings,
        own=with_engines.own(rung),
        best=best,
        seconds=seconds,
    )
