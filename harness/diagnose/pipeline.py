"""From a case to its diagnosis."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

import harness
from harness.base.deadline import NEVER, Deadline, TimeUp, stopped_at
from harness.base.text import number
from harness.campaign import provenance
from harness.data.rungs import Rung
from harness.diagnose.answer import advice, agreement, answer
from harness.diagnose.bench import Bench, bench_of
from harness.diagnose.conclusions import conclusions
from harness.diagnose.conditioning import conditioning
from harness.diagnose.convergence import Run, Trials, how_many, judged_by, rows
from harness.diagnose.data_checks import data_checks
from harness.diagnose.diagnosis import Cause, Check, Diagnosis
from harness.diagnose.diagnosis_cost import Size, refuse_or_size
from harness.diagnose.found_causes import find_causes
from harness.diagnose.group_checks import group_checks
from harness.diagnose.messages import translate
from harness.diagnose.picture_data import Pictured, pictured
from harness.diagnose.runs import RRuns
from harness.diagnose.singular import singular_terms
from harness.diagnose.user_engines import Opened
from harness.diagnose.workshop import ABOVE, Workshop
from harness.engines.engine import Fit
from harness.judge.case_record import case_record
from harness.judge.judge import Judged, judge, judge_outcomes
from harness.referee.optimum import Optimum, find_optimum

Array = NDArray[np.float64]


def diagnose(
    rung: Rung,
    with_engines: Opened,
    *,
    alpha: float = 0.05,
    quick: bool = False,
    pictures: bool = False,
    command: str = "",
    advance: Callable[[str], None] = lambda _: None,
    first: Callable[[Diagnosis], None] = lambda _: None,
    deadline: Deadline = NEVER,
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
    first : callable
        Given the diagnosis as soon as there is an answer: the table of all optimizers and the
        pictures follow.
    deadline : Deadline
        What would take longer is left out, what does is stopped; notes say so.

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
    judged = standard_run(rung, with_engines, size, deadline)
    mixed = bool(rung.case.design.random)
    r_runs = RRuns(with_engines.session, rung.case) if with_engines.session and mixed else None
    ask = partial(_answered, rung, with_engines, r_runs, checks, alpha, deadline, advance)
    found, bench = ask(judged, [])
    found = msgspec.structs.replace(found, command=command, seconds=time.perf_counter() - started)
    first(found)
    notes: list[str] = []
    if mixed and not quick and bench.best is not None:
        trials, higher = _every_optimizer(
            rung, with_engines, r_runs, size, judged, bench, deadline, advance
        )
        if higher:
            likelihood = bench.best.point.likelihood
            judged = _judged(rung, with_engines, judged, find_optimum(likelihood, higher))
            again, bench = ask(judged, judged_by(bench, trials.runs))
            found = msgspec.structs.replace(again, command=command)
        notes = trials.notes
        table = tuple(rows(bench, judged_by(bench, trials.runs)))
        found = msgspec.structs.replace(found, runs=table)
    if pictures and mixed:
        advance("profiles of the deviance")
        drawn = _pictured(bench, found, with_engines, deadline)
        notes += drawn.notes
        found = msgspec.structs.replace(
            found, profiles=drawn.profiles, contours=drawn.contours, effects=drawn.effects
        )
    return msgspec.structs.replace(
        found, notes=(*found.notes, *notes), seconds=time.perf_counter() - started
    )


def _answered(
    rung: Rung,
    with_engines: Opened,
    r_runs: RRuns | None,
    checks: Sequence[Check],
    alpha: float,
    deadline: Deadline,
    advance: Callable[[str], None],
    judged: Judged,
    runs: Sequence[Run],
) -> tuple[Diagnosis, Bench]:
    """Diagnose the fits of the standard run: all but the table of optimizers and the pictures."""
    engines = with_engines.engines
    record = case_record(judged, rung)
    bench = bench_of(rung, judged.examination, tuple(with_engines.own(rung)))
    notes = [with_engines.absent] if with_engines.absent else []
    advance("singular terms and conclusions")
    changed = conclusions(record, bench, engines, alpha)
    singular = singular_terms(bench, record, engines)
    # Where the data do not determine the model, p values say nothing.
    stopped = any(check.level == "stop" for check in checks)
    changed = () if stopped else changed
    advance("trying remedies")
    shop = Workshop(bench, record, engines, with_engines, r_runs, runs, alpha)
    causes: tuple[Cause, ...] = ()
    tried = tuple(checks)
    try:
        with stopped_at(deadline):
            causes, tried = find_causes(shop, list(checks), [c for c in changed if c.changed])
    except TimeUp:
        notes.append(f"Causes and remedies were not looked for to the end: {_reached(deadline)}.")
    found = Diagnosis(
        program=f"lmm-parity {harness.__version__}",
        created=provenance.now(),
        command="",
        versions={} if not deadline.left else provenance.versions(with_engines.running),
        case=record,
        engines=engines,
        absent=with_engines.absent,
        alpha=alpha,
        agreement=agreement(record, engines),
        answer=answer(record, bench, engines, causes, tried, changed, singular, alpha),
        advice=advice(causes),
        conclusions=changed,
        causes=causes,
        checks=tried,
        translations=tuple(translate(record, bench, engines)),
        conditioning=conditioning(bench),
        singular=singular,
        notes=tuple(notes),
    )
    return found, bench


def _reached(deadline: Deadline) -> str:
    return f"the limit of {number(deadline.seconds)} s was reached"


def _pictured(bench: Bench, found: Diagnosis, with_engines: Opened, deadline: Deadline) -> Pictured:
    try:
        with stopped_at(deadline):
            return pictured(bench, found.case, with_engines.engines, found.singular, found.runs)
    except TimeUp:
        return Pictured(notes=(f"Pictures were left out: {_reached(deadline)}.",))


def steps(rung: Rung, with_engines: Opened, *, quick: bool, pictures: bool = False) -> int:
    """Return about how many steps ``advance`` will be told, for a progress bar."""
    few = 5 + (pictures and bool(rung.case.design.random))
    if quick or not rung.case.design.random:
        return few
    engines = with_engines.engines
    return few + how_many(rung.case, statsmodels="statsmodels" in engines, lme4="lme4" in engines)


def standard_run(
    rung: Rung, with_engines: Opened, size: Size, deadline: Deadline = NEVER
) -> Judged:
    """Fit a case with all engines, as they come and tight, and judge the fits."""
    return judge(
        rung.case,
        with_engines.running,
        ("default",) if size.large else ("default", "tight"),
        reference=with_engines.reference,
        own=with_engines.own(rung),
        deadline=deadline,
    )


def _every_optimizer(
    rung: Rung,
    with_engines: Opened,
    r_runs: RRuns | None,
    size: Size,
    judged: Judged,
    bench: Bench,
    deadline: Deadline,
    advance: Callable[[str], None],
) -> tuple[Trials, list[Array]]:
    """Try all optimizers; return the points that lie above the best one known, too.

    The optimizers of an engine are run for which that takes no longer than ``size.budget``. R works
    while statsmodels does in this process.
    """
    case = rung.case
    trials = Trials(case, r_runs, with_engines.evaluations, deadline, advance)

    def allowed(engine: str) -> bool:
        seconds = judged.outcome(engine).seconds
        count = how_many(case, statsmodels=engine == "statsmodels", lme4=engine == "lme4")
        if count * seconds <= size.budget:
            return True
        trials.notes.append(
            f"Not every optimizer of {engine} was run: {count} runs of about {number(seconds)} s "
            f"would take {number(count * seconds)} s (limit {number(size.budget)} s)."
        )
        return False

    statsmodels = "statsmodels" in with_engines.engines and allowed("statsmodels")
    trials.begin_lme4(lambda: allowed("lme4"))
    if statsmodels:
        trials.statsmodels()
    trials.finish()
    lme4 = judged.outcome("lme4") if "lme4" in judged.engines else None
    trials.from_known(bench, statsmodels=statsmodels, lme4=lme4 if isinstance(lme4, Fit) else None)
    higher = [a for r in judged_by(bench, trials.runs) if (a := r.audit) and a.gap < -ABOVE]
    if higher:
        trials.notes.append(
            "An optimizer of the table ended above the best point known, by "
            f"{number(-0.5 * min(a.gap for a in higher))} in log-likelihood; all was judged again."
        )
    return trials, [np.asarray(a.theta) for a in higher]


def _judged(rung: Rung, with_engines: Opened, judged: Judged, best: Optimum) -> Judged:
    return judge_outcomes(
        rung.case,
        judged.outcomes,
        engines=judged.engines,
        reference=judged.reference,
        settings=judged.settings,
        own=with_engines.own(rung),
        best=best,
        seconds=judged.seconds,
    )
