"""From a case to its diagnosis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import msgspec

import harness
from harness.base.errors import EnvironmentProblem
from harness.campaign import provenance
from harness.data.rungs import Rung
from harness.diagnose.answer import advice, agreement, answer
from harness.diagnose.bench import Bench, bench_of
from harness.diagnose.conclusions import conclusions
from harness.diagnose.conditioning import conditioning
from harness.diagnose.convergence import Run, how_many, rows, run_all, thetas
from harness.diagnose.data_checks import data_checks
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.found_causes import find_causes
from harness.diagnose.given import Given
from harness.diagnose.group_checks import group_checks
from harness.diagnose.messages import translate
from harness.diagnose.phrases import number
from harness.diagnose.picture_data import Pictured, pictured
from harness.diagnose.remedies import Workshop
from harness.diagnose.runs import RRuns
from harness.diagnose.singular import singular_terms
from harness.diagnose.size import Size, refuse_or_size
from harness.engines.engine import Engine, Fit, OwnModel, Setting
from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.case_record import case_record
from harness.judge.records import CaseRecord
from harness.rbridge import RFailure, RSession
from harness.rbridge.environment import find_r

USER_ENGINES = ("statsmodels", "lme4")
"""Engines that a diagnosis can be about."""


@dataclass(frozen=True)
class Opened:
    """Engines ready to run.

    Attributes
    ----------
    engines : tuple of str
        The user's that are here.
    pair : (Engine, Engine)
        What the standard run compares; the referee stands in for the one that is not asked for.
    absent : str
        Why an engine that was asked for is not here.
    given : Given or None
        A fit that stands for that of its engine.
    """

    engines: tuple[str, ...]
    pair: tuple[Engine, Engine]
    session: RSession | None
    absent: str = ""
    given: Given | None = None

    def own(self, rung: Rung) -> dict[str, OwnModel]:
        """Return the model that a given fit of a case is of, by engine, where it is another."""
        given = self.given
        if given is None or given.own is None or given.rung is not rung:
            return {}
        return {given.fit.engine: given.own}


@contextmanager
def opened(engines: Sequence[str] = USER_ENGINES, *, timeout: float = 120.0) -> Iterator[Opened]:
    """Open the engines asked for; without R the diagnosis goes on with the other one.

    Raises
    ------
    EnvironmentProblem
        When lme4 alone is asked for and R is not there.
    """
    absent = ""
    wanted = list(engines)
    if "lme4" in wanted:
        try:
            find_r()
        except RFailure as failure:
            if wanted == ["lme4"]:
                raise EnvironmentProblem(f"{failure} (lmm-parity doctor says more)") from None
            absent = f"lme4 was not run: {failure}"
            wanted.remove("lme4")
    if "lme4" not in wanted:
        pair: tuple[Engine, Engine] = (StatsmodelsEngine(), RefereeEngine())
        yield Opened(tuple(wanted), pair, None, absent)
        return
    with RSession(timeout=timeout, extra_scripts=("all_fit.R",)) as session:
        session.start()
        first: Engine = StatsmodelsEngine() if "statsmodels" in wanted else RefereeEngine()
        yield Opened(tuple(wanted), (first, Lme4Engine(session)), session, absent)


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
        From :func:`opened`.
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
    record = standard_run(rung, with_engines, size)
    advance("looking for the best point")
    bench = bench_of(rung, [f for f in record.fits if isinstance(f, Fit)])
    bench = replace(bench, elsewhere=tuple(with_engines.own(rung)))
    mixed = bool(rung.case.design.random)
    r_runs = RRuns(with_engines.session, rung.case) if with_engines.session and mixed else None
    runs: list[Run] = []
    notes = [with_engines.absent] if with_engines.absent else []
    if mixed and not quick and bench.best is not None:
        runs, more = _every_optimizer(bench, record, with_engines, r_runs, size, advance)
        notes += more
        better = bench.with_starts(thetas(runs))
        if better is not bench:
            notes.append(
                "An optimizer led to a better point than the standard run knew: "
                f"{number(better.loglik - bench.loglik)} higher in log-likelihood."
            )
            bench = better
            runs = [Run(r.recipe, *bench.audit(r.outcome), r.reply) for r in runs]
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
    shop = Workshop(bench, record, with_engines.engines, with_engines.pair, r_runs, runs, alpha)
    # Where the data do not determine the model, p values say nothing.
    stopped = any(check.level == "stop" for check in checks)
    changed = () if stopped else changed
    causes, tried = find_causes(shop, checks, [c for c in changed if c.changed])
    return Diagnosis(
        program=f"lmm-parity {harness.__version__}",
        created=provenance.now(),
        command=command,
        versions=provenance.versions(with_engines.pair),
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
    bench = Bench(rung, None, None)
    return few + how_many(bench, statsmodels="statsmodels" in engines, lme4="lme4" in engines)


def standard_run(rung: Rung, with_engines: Opened, size: Size) -> CaseRecord:
    """Fit a case with both engines, as they come and tight, and judge the fits."""
    started = time.perf_counter()
    settings: tuple[Setting, ...] = ("default",) if size.large else ("default", "tight")
    begun = [engine.begin(rung.case, s) for s in settings for engine in with_engines.pair]
    return case_record(
        rung,
        [wait() for wait in begun],
        engines=(with_engines.pair[0].name, with_engines.pair[1].name),
        settings=settings,
        seconds=time.perf_counter() - started,
        own=with_engines.own(rung),
    )


def _every_optimizer(
    bench: Bench,
    record: CaseRecord,
    with_engines: Opened,
    r_runs: RRuns | None,
    size: Size,
    advance: Callable[[str], None],
) -> tuple[list[Run], tuple[str, ...]]:
    """Run all optimizers of the engines for which that takes no longer than ``size.budget``."""
    notes, allowed = [], []
    for engine in with_engines.engines:
        outcome = record.fit(engine)
        count = how_many(bench, statsmodels=engine == "statsmodels", lme4=engine == "lme4")
        estimate = count * (outcome.seconds if outcome is not None else 0.0)
        if estimate > size.budget:
            notes.append(
                f"Not every optimizer of {engine} was run: {count} runs of about "
                f"{number(outcome.seconds if outcome else 0.0)} s would take {number(estimate)} s "
                f"(limit {number(size.budget)} s)."
            )
        else:
            allowed.append(engine)
    reference = record.fit("lme4")
    runs, more = run_all(
        bench,
        statsmodels="statsmodels" in allowed,
        r_runs=r_runs if "lme4" in allowed else None,
        lme4=reference if isinstance(reference, Fit) else None,
        advance=advance,
    )
    return runs, (*notes, *more)
