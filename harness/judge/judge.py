"""The one door: fits of a case are examined once, each is judged, and the comparisons follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from harness.base.deadline import NEVER, Deadline
from harness.engines.engine import Engine, Fit, Outcome, OwnModel, Setting
from harness.judge.causes.view import Pair, View
from harness.judge.comparison import Comparison, Difference
from harness.judge.decision import decide
from harness.judge.examination import Examination
from harness.judge.judgement import Judgement
from harness.judge.pair_decision import compare
from harness.judge.side_by_side import differences
from harness.judge.statements import judge_statements
from harness.judge.time_limit import examined_within, outcomes_within
from harness.model.case import Case
from harness.referee.best_point import search_for
from harness.referee.optimum import Optimum, OptimumSearch

_NO_MODELS: Mapping[str, OwnModel] = MappingProxyType({})


@dataclass(frozen=True)
class Judged:
    """A case with its outcomes, judged.

    Attributes
    ----------
    engines : tuple of str
        All of them, in the order asked for.
    reference : str
        The engine that the others are compared with.
    settings : tuple of str
        The default setting first.
    examination : Examination
        The referee's work, kept: whoever needs the best point does not search for it again.
    judgements : tuple of Judgement
        Of every engine in every setting.
    comparisons : tuple of Comparison
        Of every engine but the reference with the reference, in every setting.
    seconds, audit_seconds : float
        Wall time of the fits, and of the referee.
    """

    case: Case
    engines: tuple[str, ...]
    reference: str
    settings: tuple[Setting, ...]
    outcomes: tuple[Outcome, ...]
    examination: Examination
    judgements: tuple[Judgement, ...]
    comparisons: tuple[Comparison, ...]
    seconds: float = 0.0
    audit_seconds: float = 0.0

    def outcome(self, engine: str, setting: Setting = "default") -> Outcome:
        """Return what an engine gave; KeyError for an engine that was not run."""
        for one in self.outcomes:
            if (one.engine, one.setting) == (engine, setting):
                return one
        raise KeyError((engine, setting))

    def judgement(self, engine: str, setting: Setting = "default") -> Judgement:
        """Return the judgement of an engine; KeyError for one that was not run."""
        for one in self.judgements:
            if (one.engine, one.setting) == (engine, setting):
                return one
        raise KeyError((engine, setting))

    def comparison(self, engine: str, setting: Setting = "default") -> Comparison:
        """Return an engine beside the reference; KeyError for one that was not run."""
        for one in self.comparisons:
            if (one.engine, one.setting) == (engine, setting):
                return one
        raise KeyError((engine, setting))

    def view(self, engine: str, setting: Setting = "default") -> View:
        """Return an engine's outcome, examined."""
        return _view(self.case, self.outcome(engine, setting), self.examination)

    @property
    def singular(self) -> bool:
        """Whether the best point known lies on the boundary."""
        return self.examination.singular


def judge(
    case: Case,
    engines: Sequence[Engine],
    settings: tuple[Setting, ...],
    *,
    reference: str = "",
    own: Mapping[str, OwnModel] = _NO_MODELS,
    deadline: Deadline = NEVER,
) -> Judged:
    """Fit a case by every engine in every setting, and judge the fits.

    Parameters
    ----------
    settings : tuple
        The default setting first.
    reference : str, optional
        Name of the engine that the others are compared with; the last one without it.
    own : mapping
        See :func:`harness.judge.examination.examine`.
    deadline : Deadline
        Until when all of it has to be done: what would take longer is left out, what does is
        stopped, and the record says so. The examination has its part of the time.
    """
    started = time.perf_counter()
    outcomes = outcomes_within(deadline, case, engines, settings)
    return judge_outcomes(
        case,
        outcomes,
        engines=tuple(engine.name for engine in engines),
        reference=reference or engines[-1].name,
        settings=settings,
        own=own,
        seconds=time.perf_counter() - started,
        deadline=deadline,
    )


def judge_outcomes(
    case: Case,
    outcomes: Sequence[Outcome],
    *,
    engines: tuple[str, ...] = (),
    reference: str = "",
    settings: tuple[Setting, ...] = (),
    own: Mapping[str, OwnModel] = _NO_MODELS,
    not_examined: str = "",
    best: Optimum | None = None,
    search: Callable[[Case], OptimumSearch] = search_for,
    others: Sequence[Fit] = (),
    agree_tight: bool | None = None,
    seconds: float = 0.0,
    deadline: Deadline = NEVER,
) -> Judged:
    """Judge what engines gave for a case.

    Parameters
    ----------
    outcomes : sequence of Fit or Failure
        Every engine in every setting.
    engines, reference, settings
        As they come in ``outcomes``, the last engine the reference, without them.
    not_examined : str
        Why the referee is not to examine the fits; empty when it is.
    best : Optimum, optional
        The best point, where it is known already.
    search : function
        Gives the search for it as far as it has come, to be gone on with from these fits.
    others : sequence of Fit
        Further fits of the case: starts for the search.
    agree_tight : bool, optional
        Whether the engines agree in the tight setting, where that was found out elsewhere.
    seconds : float
        Wall time of the fits.
    deadline : Deadline
        Until when the examination has to be done; without it the fits are not judged.
    """
    started = time.perf_counter()
    engines = engines or tuple(dict.fromkeys(o.engine for o in outcomes))
    settings = settings or tuple(dict.fromkeys(o.setting for o in outcomes))
    reference = reference or engines[-1]
    fits = [o for o in outcomes if isinstance(o, Fit)]
    if not_examined:
        examination = Examination((), None, not_examined, left_out=True)
    else:
        examination = examined_within(deadline, case, [*fits, *others], own, best, search)
    judgements = tuple(_judged(case, outcome, examination) for outcome in outcomes)
    audit_seconds = time.perf_counter() - started
    at = {(j.engine, j.setting): (o, j) for o, j in zip(outcomes, judgements, strict=True)}
    comparisons: list[Comparison] = []
    for engine in engines:
        if engine == reference:
            continue
        tight = agree_tight
        # Tight first: whether the engines agree there decides what a default difference means.
        for setting in sorted(settings, key=("tight", "default").index):
            pair = _pair(case, at[engine, setting], at[reference, setting], examination, tight)
            one = compare(pair, at[engine, setting][1], at[reference, setting][1])
            comparisons.append(one)
            if setting == "tight":
                tight = one.verdict in ("AGREE", "TOLERANCE")
    comparisons.sort(key=lambda c: (settings.index(c.setting), engines.index(c.engine)))
    return Judged(
        case=case,
        engines=engines,
        reference=reference,
        settings=settings,
        outcomes=tuple(outcomes),
        examination=examination,
        judgements=judgements,
        comparisons=tuple(comparisons),
        seconds=seconds + time.perf_counter() - started,
        audit_seconds=audit_seconds,
    )


def _view(case: Case, outcome: Outcome, examination: Examination) -> View:
    seen = examination.of(outcome.engine, outcome.setting) if isinstance(outcome, Fit) else None
    thetas = tuple(a.theta for a in examination.audits if a.theta)
    reason = examination.reason if examination.left_out else ""
    audit = None if seen is None else seen.audit
    own = None if seen is None or seen.standpoint is None else seen.standpoint.design
    other = None if own is case.design else own
    endless = examination.reason if examination.endless else ""
    return View(case, outcome, audit, thetas, reason, endless, examination.best, other)


def _judged(case: Case, outcome: Outcome, examination: Examination) -> Judgement:
    view = _view(case, outcome, examination)
    seen = examination.of(outcome.engine, outcome.setting) if isinstance(outcome, Fit) else None
    if seen is None or seen.standpoint is None:
        return decide(view)
    statements = judge_statements(
        seen.fit,
        seen.standpoint,
        singular=examination.singular,
        full_rank=seen.audit.dual is None,
    )
    return decide(view, statements)


def _pair(
    case: Case,
    one: tuple[Outcome, Judgement],
    reference: tuple[Outcome, Judgement],
    examination: Examination,
    tight: bool | None,
) -> Pair:
    seen, beside = (examination.of(o.engine, o.setting) for o, _ in (one, reference))
    rows: tuple[Difference, ...] = ()
    width = len(case.design.x_names)
    if (
        seen is not None
        and beside is not None
        and len(seen.fit.coefficients) == len(beside.fit.coefficients) == width
    ):
        rows = differences(
            case.design, seen, one[1], beside, reference[1], singular=examination.singular
        )
    return Pair(
        _view(case, one[0], examination), _view(case, reference[0], examination), rows, tight
    )
