"""From a case to its diagnosis: who is right first, then why and what to do, then the rest.

Who is right needs each engine's fit as it comes and the referee; what to do needs remedies, which
fit again. To strict tolerances the engines are run after the answer, and so are all optimizers;
where the answer depends on them, before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

import harness
from harness.base.deadline import NEVER, Deadline
from harness.base.text import number
from harness.campaign import provenance
from harness.data.rungs import Rung
from harness.diagnose.answer import advice, agreement, answer
from harness.diagnose.bench import Bench, bench_of
from harness.diagnose.conclusions import conclusions
from harness.diagnose.conditioning import conditioning
from harness.diagnose.convergence import Trials, how_many, judged_by, rows
from harness.diagnose.data_checks import data_checks
from harness.diagnose.diagnosis import Conclusion, Diagnosis, FittedModel
from harness.diagnose.diagnosis_cost import Size, refuse_or_size
from harness.diagnose.found_causes import find_causes
from harness.diagnose.group_checks import group_checks
from harness.diagnose.inquiry import Inquiry
from harness.diagnose.messages import translate
from harness.diagnose.ordered_factors import ordered_factors
from harness.diagnose.picture_data import Pictured, pictured
from harness.diagnose.result_remarks import path_unknown
from harness.diagnose.singular import singular_terms
from harness.diagnose.singular_term import Singular
from harness.diagnose.user_engines import Opened
from harness.diagnose.workshop import Workshop
from harness.engines.engine import Failure, Fit, Setting
from harness.judge.case_record import case_record
from harness.judge.examination import gap_tolerance
from harness.judge.judge import Judged, judge, judge_outcomes
from harness.judge.records import CaseRecord
from harness.judge.time_limit import outcomes_within
from harness.referee.optimum import Optimum
from harness.spelling.mixedlm_spelling import imported

Advance = Callable[[str], None]

STRICT: Setting = "tight"
"""The setting that comes after the answer."""

HIGHER = gap_tolerance(STRICT, singular=False)
"""Deviance by which a fit that lies above the best point known shows a better one."""


@dataclass(frozen=True)
class Stage:
    """A diagnosis as far as it has come, and what the rest of it works on."""

    inquiry: Inquiry
    found: Diagnosis
    judged: Judged
    bench: Bench


def diagnose(
    rung: Rung,
    with_engines: Opened,
    *,
    alpha: float = 0.05,
    quick: bool = False,
    pictures: bool = False,
    command: str = "",
    deadline: Deadline = NEVER,
    advance: Advance = lambda _: None,
) -> Diagnosis:
    """Diagnose a case; see :func:`examined`, :func:`answered` and :func:`completed`."""
    first = examined(
        rung, with_engines, alpha=alpha, command=command, deadline=deadline, advance=advance
    )
    early = answered(first, advance=advance)
    return completed(early, quick=quick, pictures=pictures, advance=advance)


def examined(
    rung: Rung,
    with_engines: Opened,
    *,
    alpha: float = 0.05,
    command: str = "",
    deadline: Deadline = NEVER,
    advance: Advance = lambda _: None,
) -> Stage:
    """Diagnose a case as far as who is right, and what conclusions that changes.

    Parameters
    ----------
    rung : Rung
        The case, with its data frame.
    with_engines : Opened
        From :func:`harness.diagnose.user_engines.opened`.
    alpha : float
        Level at which a p value decides a conclusion.
    command : str
        By which the diagnosis can be had again.
    deadline : Deadline
        Of all of the diagnosis: what would take longer is left out, what does is stopped, and
        notes say so.
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
    of_data = data_checks(rung.case, with_engines.engines)
    checks = tuple(
        msgspec.structs.replace(check, numbers=tuple((k, float(v)) for k, v in check.numbers))
        for check in (*of_data, *ordered_factors(rung), *group_checks(rung.case), *size.checks)
    )
    advance("fitting as it comes")
    case, running = rung.case, with_engines.running
    judged = judge(
        case,
        running,
        ("default",),
        reference=with_engines.reference,
        own=with_engines.own(rung),
        deadline=deadline,
    )
    inquiry = Inquiry(rung, with_engines, size, checks, alpha, command, deadline)
    if with_engines.absent:
        inquiry.notes.append(with_engines.absent)
    # Right and yet apart: whether they agree when run to strict tolerances is part of the answer.
    if any(c.verdict in ("UNEXPLAINED", "TOLERANCE") for c in judged.comparisons):
        judged = _strict(inquiry, judged, advance)
    found, bench = _found(inquiry, judged, advance)
    found = msgspec.structs.replace(found, seconds=time.perf_counter() - started)
    return Stage(inquiry, found, judged, bench)


def answered(first: Stage, *, advance: Advance = lambda _: None) -> Stage:
    """Complete the answer: why, and what to do, each remedy tried."""
    started = time.perf_counter()
    found = _remedied(first, advance)
    seconds = first.found.seconds + time.perf_counter() - started
    return replace(first, found=msgspec.structs.replace(found, seconds=seconds))


def completed(
    early: Stage,
    *,
    quick: bool = False,
    pictures: bool = False,
    advance: Advance = lambda _: None,
) -> Diagnosis:
    """Complete a diagnosis: strict tolerances, the table of all optimizers, pictures.

    Where one of them shows a better point than the best one known, the answer is given again.

    Parameters
    ----------
    quick : bool
        Leave out the table of all optimizers.
    pictures : bool
        Compute what the pictures of the HTML page show besides: profiles, a contour, intervals. The
        profiles of a residual covariance are computed without it.
    advance : callable
        Told what begins, for a progress bar.
    """
    started = time.perf_counter()
    inquiry, found, judged, bench = early.inquiry, early.found, early.judged, early.bench
    if STRICT not in judged.settings:
        judged = _strict(inquiry, judged, advance)
    if _changed(early.judged, judged) and inquiry.has_time("What strict tolerances show"):
        found, bench = _diagnosed(inquiry, judged, advance)
    elif judged.examination.best is bench.best:
        found = _told(inquiry, judged, bench, found)
    if inquiry.mixed and not quick and bench.best is not None:
        trials = _every_optimizer(inquiry, judged, bench, advance)
        runs = judged_by(bench, trials.runs)
        higher = [run for run in runs if run.audit is not None and run.audit.gap < -HIGHER]
        if higher and inquiry.has_time("That an optimizer of the table ended higher"):
            above = -0.5 * min(run.audit.gap for run in higher if run.audit is not None)
            starts = [run.outcome for run in higher if isinstance(run.outcome, Fit)]
            judged = _judged(inquiry, judged, others=starts)
            found, bench = _diagnosed(inquiry, judged, advance)
            runs = judged_by(bench, trials.runs)
            trials.notes.append(
                f"An optimizer of the table ended {number(above)} in log-likelihood above the best "
                "point known; all was judged again."
            )
        found = msgspec.structs.replace(found, runs=tuple(rows(bench, runs)))
        inquiry.notes.extend(trials.notes)
    correlated = inquiry.rung.case.design.residual is not None
    if correlated or (pictures and inquiry.mixed):
        advance("profiles of the deviance")
        engines = inquiry.with_engines.engines
        drawn = inquiry.within(
            lambda: pictured(
                bench, found.case, engines, found.singular, found.runs, few=not pictures
            ),
            Pictured(),
            "Pictures were left out",
        )
        inquiry.notes.extend(drawn.notes)
        found = msgspec.structs.replace(
            found,
            profiles=drawn.profiles,
            fixed_intervals=() if inquiry.undetermined else drawn.fixed,
            contours=drawn.contours,
            effects=drawn.effects,
        )
    seconds = early.found.seconds + time.perf_counter() - started
    return msgspec.structs.replace(
        found, notes=tuple(dict.fromkeys(inquiry.notes)), seconds=seconds
    )


def steps(rung: Rung, with_engines: Opened, *, quick: bool, pictures: bool = False) -> int:
    """Return about how many steps :func:`completed` will tell of, for a progress bar."""
    few, engines = 2 + pictures, with_engines.engines
    if quick or not rung.case.design.random:
        return few
    return few + how_many(rung.case, statsmodels="statsmodels" in engines, lme4="lme4" in engines)


def standard_run(rung: Rung, with_engines: Opened, size: Size) -> Judged:
    """Fit a case with all engines, as they come and to strict tolerances, and judge the fits."""
    return judge(
        rung.case,
        with_engines.running,
        ("default",) if size.large else ("default", STRICT),
        reference=with_engines.reference,
        own=with_engines.own(rung),
    )


def _judged(
    inquiry: Inquiry, fitted: Judged, *, best: Optimum | None = None, others: Sequence[Fit] = ()
) -> Judged:
    """Judge the outcomes there are at a best point; it is searched for without one.

    The search starts at ``others`` too.
    """
    return judge_outcomes(
        inquiry.rung.case,
        fitted.outcomes,
        engines=fitted.engines,
        reference=fitted.reference,
        settings=fitted.settings,
        own=inquiry.with_engines.own(inquiry.rung),
        best=best,
        others=others,
        seconds=fitted.seconds,
        deadline=inquiry.deadline,
    )


def _strict(inquiry: Inquiry, judged: Judged, advance: Advance) -> Judged:
    """Run the engines to strict tolerances as well, unless the case is large or time is up."""
    if inquiry.size.large:
        return judged
    advance("fitting to strict tolerances")
    started, case = time.perf_counter(), inquiry.rung.case
    running = inquiry.with_engines.running
    outcomes = outcomes_within(inquiry.deadline, case, running, (STRICT,))
    left = "Fits to strict tolerances were left out"
    if any(isinstance(o, Failure) and o.reason == "timeout" for o in outcomes):
        inquiry.cut(left)
        return judged
    both = replace(
        judged,
        outcomes=(*judged.outcomes, *outcomes),
        settings=(*judged.settings, STRICT),
        seconds=judged.seconds + time.perf_counter() - started,
    )
    again = _judged(inquiry, both, best=judged.examination.best)
    if any(audit.gap < -HIGHER for audit in again.examination.audits):
        again = _judged(inquiry, both)
    if again.examination.left_out and not judged.examination.left_out:
        inquiry.cut(left)
        return judged
    return again


def _changed(before: Judged, after: Judged) -> bool:
    """Whether an answer rests on another best point, or another verdict, than it did."""
    if before.examination.best is not after.examination.best:
        return True
    was, now = (
        [(c.verdict, c.blamed, c.causes) for c in judged.comparisons if c.setting == "default"]
        for judged in (before, after)
    )
    return was != now


def _told(inquiry: Inquiry, judged: Judged, bench: Bench, found: Diagnosis) -> Diagnosis:
    """Tell an answer that stays as it is with what was judged besides."""
    record = _record(judged, inquiry.rung)
    said = answer(
        record,
        bench,
        found.engines,
        found.causes,
        found.checks,
        found.conclusions,
        found.singular,
        found.alpha,
    )
    return msgspec.structs.replace(
        found,
        case=record,
        answer=said,
        translations=tuple(translate(record, bench, found.engines)),
    )


def _record(judged: Judged, rung: Rung) -> CaseRecord:
    """Return the record of a case, its Python call with the imports that it needs."""
    record = case_record(judged, rung)
    spelling = dict(record.spelling)
    if "statsmodels" in spelling:
        spelling["statsmodels"] = imported(spelling["statsmodels"])
    return msgspec.structs.replace(record, spelling=spelling)


def _diagnosed(inquiry: Inquiry, judged: Judged, advance: Advance) -> tuple[Diagnosis, Bench]:
    """Say who is right, look for causes and remedies, and give the answer."""
    found, bench = _found(inquiry, judged, advance)
    return _remedied(Stage(inquiry, found, judged, bench), advance), bench


def _found(inquiry: Inquiry, judged: Judged, advance: Advance) -> tuple[Diagnosis, Bench]:
    """Say who is right, and what conclusions that changes; causes are not looked for yet."""
    rung, with_engines, within = inquiry.rung, inquiry.with_engines, inquiry.within
    engines, alpha = with_engines.engines, inquiry.alpha
    record = _record(judged, rung)
    bench = bench_of(rung, judged.examination, with_engines.own(rung))
    advance("singular terms and conclusions")
    none: tuple[Conclusion, ...] = ()
    changed = within(
        lambda: conclusions(record, bench, engines, alpha), none, "p values were not compared"
    )
    regular: tuple[Singular, ...] = ()
    singular = within(
        lambda: singular_terms(bench, record, engines), regular, "Singular terms were left out"
    )
    # Where the data do not determine the model, p values say nothing; where a best point is known,
    # the conclusions know which they are.
    changed = () if inquiry.undetermined and bench.best is None else changed
    if with_engines.given is not None and with_engines.given.rung is rung:
        inquiry.notes.extend(path_unknown(record))
    silent = {o.engine for o in judged.outcomes if isinstance(o, Failure) and o.reason == "timeout"}
    speaking = tuple(engine for engine in with_engines.running if engine.name not in silent)
    found = Diagnosis(
        program=f"lmm-parity {harness.__version__}",
        created=provenance.now(),
        command=inquiry.command,
        versions=provenance.versions(speaking) if inquiry.deadline.left else {},
        case=record,
        engines=engines,
        absent=with_engines.absent,
        fitted=tuple(_fitted(bench, record)),
        alpha=alpha,
        agreement=agreement(record, engines),
        answer=answer(record, bench, engines, (), inquiry.checks, changed, singular, alpha),
        conclusions=changed,
        checks=inquiry.checks,
        translations=tuple(translate(record, bench, engines)),
        conditioning=conditioning(bench),
        singular=singular,
        notes=tuple(dict.fromkeys(inquiry.notes)),
    )
    return found, bench


def _remedied(first: Stage, advance: Advance) -> Diagnosis:
    """Look for causes and remedies, and say why and what to do."""
    inquiry, found, bench = first.inquiry, first.found, first.bench
    advance("trying remedies")
    opened, record, changed = inquiry.with_engines, found.case, found.conclusions
    shop = Workshop(
        bench, record, opened.engines, opened, inquiry.r_runs, found.alpha, inquiry.deadline
    )
    causes, tried = find_causes(shop, inquiry.checks, [c for c in changed if c.changed])
    inquiry.notes.extend(shop.left)
    return msgspec.structs.replace(
        found,
        answer=answer(
            record, bench, opened.engines, causes, tried, changed, found.singular, found.alpha
        ),
        advice=advice(causes),
        causes=causes,
        checks=tried,
        notes=tuple(dict.fromkeys(inquiry.notes)),
    )


def _fitted(bench: Bench, record: CaseRecord) -> Iterator[FittedModel]:
    """Say which model a fit is of that is of another one than the case's."""
    for engine, own in bench.elsewhere.items():
        fit, audit = record.fit(engine), record.audit(engine)
        if not isinstance(fit, Fit) or audit is None:
            continue
        loglik = bench.own_loglik(fit)
        best = None if loglik is None else loglik + 0.5 * audit.gap
        yield FittedModel(engine=engine, formula=own.formula, best_loglik=best)


def _every_optimizer(inquiry: Inquiry, judged: Judged, bench: Bench, advance: Advance) -> Trials:
    """Try all optimizers of the engines for which that takes no longer than ``size.budget``.

    R works while statsmodels does in this process.
    """
    case, with_engines = inquiry.rung.case, inquiry.with_engines
    budget = inquiry.size.budget
    trials = Trials(case, inquiry.r_runs, with_engines.evaluations, inquiry.deadline, advance)

    def allowed(engine: str) -> bool:
        seconds = judged.outcome(engine).seconds
        count = how_many(case, statsmodels=engine == "statsmodels", lme4=engine == "lme4")
        if count * seconds <= budget:
            return True
        trials.notes.append(
            f"Not every optimizer of {engine} was run: {count} runs of about {number(seconds)} s "
            f"would take {number(count * seconds)} s (limit {number(budget)} s)."
        )
        return False

    statsmodels = "statsmodels" in with_engines.engines and allowed("statsmodels")
    trials.begin_lme4(lambda: allowed("lme4"))
    if statsmodels:
        trials.statsmodels()
    trials.finish()
    lme4 = judged.outcome("lme4") if "lme4" in judged.engines else None
    trials.from_known(bench, statsmodels=statsmodels, lme4=lme4 if isinstance(lme4, Fit) else None)
    return trials
