"""What remedies are run with: shown code in both languages, judged through the one door."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

from harness.base.deadline import NEVER, Deadline, TimeUp, stopped_at
from harness.base.errors import BadInput
from harness.base.text import number
from harness.data.rungs import Rung
from harness.diagnose.bench import Bench, bench_of
from harness.diagnose.diagnosis import Remedy, Snapshot
from harness.diagnose.messages import OPTIMAL
from harness.diagnose.optima import Optima
from harness.diagnose.remedy_code import AS_IT_COMES, Habits, Writing, python_code, r_code
from harness.diagnose.runs import Recipe, RRuns
from harness.diagnose.shown_code import begin_r, run_python
from harness.diagnose.user_engines import Opened
from harness.engines.engine import Engine, Failure, Outcome
from harness.engines.guard import guarded
from harness.judge.case_record import case_record
from harness.judge.case_verdict import CaseVerdict, case_verdict, misled
from harness.judge.judge import Judged, judge_outcomes
from harness.judge.records import CaseRecord
from harness.referee.optimum import Optimum
from harness.spelling.lme4_spelling import model_text
from harness.spelling.patsy_language import NotExpressible

PATIENCE = 60.0
"""Seconds of the standard run above which nothing is fitted again in all engines."""

ABOVE = 1e-9
"""A fit whose deviance is lower by this than that of the best point known shows a better one."""

TELLING = 1.0
"""Seconds before the deadline, a tenth of a short limit at most, at which the last fit ends."""

WRONG, AT_OPTIMUM, RIGHT = range(3)
"""What an engine's fit comes to: at the optimum a number of it may be false all the same."""


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
    deadline : Deadline
        Of all that is done here; the last fit ends ``TELLING`` seconds earlier.
    left : list of str
        Why not every remedy was tried, in sentences.
    """

    bench: Bench
    record: CaseRecord
    engines: tuple[str, ...]
    opened: Opened
    r_runs: RRuns | None
    alpha: float
    deadline: Deadline = NEVER
    _cache: dict[str, Refit] = field(default_factory=dict)
    writings: list[Remedy] = field(default_factory=list)
    """Remedies that write the columns otherwise, once they have been run."""
    left: list[str] = field(default_factory=list)

    @cached_property
    def verdict(self) -> CaseVerdict:
        """What the case comes to with the engines as they come."""
        return case_verdict(self.record)

    @property
    def habits(self) -> Habits:
        """How the user fits."""
        return AS_IT_COMES if self.opened.given is None else self.opened.given.habits

    @property
    def fits_until(self) -> Deadline:
        """When the last fit has to end."""
        return self.deadline.less(min(TELLING, 0.1 * self.deadline.seconds))

    def refit(self, writing: Writing) -> Refit:
        """Run the engines, as the user runs them, on another model or on data written otherwise.

        Raises
        ------
        BadInput
            When the standard run has shown that this takes too long.
        """
        rung = writing.rung
        key = f"{model_text(rung.case.model)} {rung.case.table.checksum()} {writing.r_lines}"
        if key not in self._cache:
            judged = self.judged(writing, self.opened.running)
            self._cache[key] = Refit(case_record(judged, rung), bench_of(rung, judged.examination))
        return self._cache[key]

    def require_patience(self) -> None:
        """Refuse where the standard run has taken too long, and where no time is left."""
        if not self.fits_until.left:
            raise self.stopped()
        if self.record.seconds > PATIENCE:
            self.left.append(
                f"Remedies that fit again were not tried: the standard run took "
                f"{self.record.seconds:.0f} s (limit {PATIENCE:.0f} s)."
            )
            raise BadInput(self.left[-1])

    def stopped(self) -> BadInput:
        """Return that the limit has cut what was to be tried, which is noted."""
        limit = f"the limit of {number(self.deadline.seconds)} s was reached"
        self.left.append(f"Not every cause and remedy was looked into: {limit}.")
        return BadInput(self.left[-1])

    def judged(
        self, writing: Writing, running: Sequence[Engine], recipe: Recipe | None = None
    ) -> Judged:
        """Fit by the code that is shown, and judge the fits at the best point known.

        That may have been found without these fits: where one lies above it, it is searched again.

        Raises
        ------
        BadInput
            When the standard run has shown that this takes too long, or no time is left.
        """
        self.require_patience()
        started = time.perf_counter()
        # R works in its own process while statsmodels runs in this one.
        order = sorted(running, key=lambda engine: engine.name == "statsmodels")
        begun = {engine.name: self.begin(writing, engine, recipe) for engine in order}
        try:
            with stopped_at(self.fits_until):
                outcomes = [begun[engine.name]() for engine in running]
        except TimeUp:
            raise self.stopped() from None
        judge = partial(
            judge_outcomes,
            writing.rung.case,
            outcomes,
            engines=tuple(engine.name for engine in running),
            reference=running[-1].name,
            settings=("default",),
            seconds=time.perf_counter() - started,
        )
        return judged_anew(judge, writing.rung, self.bench.optima)

    def begin(
        self, writing: Writing, engine: Engine, recipe: Recipe | None = None
    ) -> Callable[[], Outcome]:
        """Begin to fit by one engine; calling what is returned waits for the outcome."""
        rung, data = writing.rung, self.bench.rung.data.frame
        if engine.name == "lme4" and self.opened.session is not None:
            code = r_code(writing, recipe, self.habits)
            return begin_r(self.opened.session, code, data, rung)
        if engine.name == "statsmodels":
            return partial(self._python, writing, recipe)
        return guarded(engine, rung.case, "default")

    def _python(self, writing: Writing, recipe: Recipe | None) -> Outcome:
        try:
            code = python_code(writing, recipe, self.habits)
        except NotExpressible as reason:
            return Failure(
                engine="statsmodels", setting="default", reason="unsupported", text=str(reason)
            )
        return run_python(code, self.bench.rung.data.frame, writing.rung)

    def before(self, engine: str) -> Snapshot:
        """Describe the engine's default fit."""
        outcome = self.record.fit(engine)
        assert outcome is not None
        audit = self.record.audit(engine) if self.bench.case.design.random else None
        return self.bench.snapshot(outcome, audit, verdict=self.verdict.verdict)


def judged_anew(judge: partial[Judged], rung: Rung, optima: Optima) -> Judged:
    """Judge at the best point known, and search for it again where a fit lies above it."""
    known: Optimum | None = optima.known(rung)
    judged = judge(best=known)
    if any(audit.gap < -ABOVE for audit in judged.examination.audits):
        judged = judge()
    if judged.examination.best is not None:
        optima.keep(rung, judged.examination.best)
    return judged


def expressible(record: CaseRecord, engines: Sequence[str]) -> tuple[str, ...]:
    """Return the engines that can be given the model."""
    fits = {engine: record.fit(engine) for engine in engines}
    return tuple(
        engine
        for engine, fit in fits.items()
        if not (isinstance(fit, Failure) and fit.reason == "unsupported")
    )


def state(record: CaseRecord, engine: str) -> int:
    """Say what an engine's fit comes to: wrong, at the optimum, or right in all it states."""
    judgement, audit = record.judgement(engine), record.audit(engine)
    if judgement is None or isinstance(record.fit(engine), Failure):
        return WRONG
    # A matter of what the data determine, or of another model, is no matter of the optimum.
    if judgement.verdict not in ("RIGHT", "FALSE_STATEMENT"):
        return WRONG
    if audit is None or audit.certificate not in (*OPTIMAL, "closed form"):
        return WRONG
    if judgement.verdict == "RIGHT" and engine not in misled(record):
        return RIGHT
    return AT_OPTIMUM


def mended(before: CaseRecord, after: CaseRecord, engines: Sequence[str]) -> tuple[str, ...]:
    """Return the engines whose fit is better than it was, and at the optimum."""
    return tuple(e for e in engines if state(after, e) > state(before, e))


def spoilt(before: CaseRecord, after: CaseRecord, engines: Sequence[str]) -> tuple[str, ...]:
    """Return the engines whose fit is worse than it was."""
    return tuple(e for e in engines if state(after, e) < state(before, e))
