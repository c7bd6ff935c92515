"""Many engines side by side: by criterion, how often each is right where it gives an answer.

All is read from the records of a run of the suite in which the referee is the reference: an engine
is judged alone, by what is true of its own answer, and never by what another engine says. What it
does not support is no fault; it is counted apart, as coverage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from harness.campaign.record_stream import RecordStream
from harness.conformance.suite_result import fails, kind
from harness.engines.engine import Failure, Fit
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.records import CaseRecord, Header
from harness.judge.sentence import finding_sentence


@dataclass(frozen=True)
class Criterion:
    """What engines are compared by: a column of the table.

    Attributes
    ----------
    differences : tuple of str
        Quantities that are held against the best point known, in cases with a fit.
    statements : tuple of str
        Quantities that are held against the referee's value at the engine's own point.
    properties : tuple of str
        Globs of properties of the suite.
    """

    key: str
    title: str
    about: str
    differences: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()


CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "estimates",
        "estimates",
        "fixed effects are those at the best point known",
        differences=("estimate",),
    ),
    Criterion(
        "variances",
        "variances",
        "variance components are those at the best point known",
        differences=("variance", "residual_variance"),
    ),
    Criterion(
        "loglik",
        "log-lik.",
        "the log-likelihood is that of the engine's own estimates",
        statements=("loglik",),
    ),
    Criterion("se", "SE", "standard errors are what they are said to be", statements=("se",)),
    Criterion("df", "df", "degrees of freedom are what they are said to be", statements=("df",)),
    Criterion("p", "t and p", "t and p follow from what is stated", statements=("statistic", "p")),
    Criterion(
        "f",
        "F",
        "F tests of terms, their df and p are what they are said to be",
        properties=("honesty.f-tests",),
    ),
    Criterion(
        "singular",
        "singular",
        "a singular fit is called so, and no other",
        properties=("honesty.singular",),
    ),
    Criterion(
        "invariance",
        "invariance",
        "units, the order of rows and groups, labels and spelling do not matter",
        properties=("metamorphic.*", "refit.*", "limits.*"),
    ),
    Criterion(
        "honesty",
        "honesty",
        "what it says of rows, fitted values, random effects and convergence is true",
        properties=("honesty.converged", "rows.used", "fitted.*", "random-effects.*"),
    ),
    Criterion(
        "refusals",
        "refusals",
        "what others fit is fitted, without an error, a crash or the time limit; what cannot be is "
        "refused or warned of",
        properties=("refusal.*",),
    ),
)

PROPERTIES = ("referee.agreement", *(glob for c in CRITERIA for glob in c.properties))
"""Globs of what a run for a scoreboard checks."""

_LEFT_TO_THE_REFEREE = ("AGREE", "TOLERANCE", "DEFINITION", "CODING")
"""Comparisons with the referee after which estimates and variances are right."""

_NOT_COUNTED = ("UNSUPPORTED", "ENVIRONMENT", "UNDETERMINED")


@dataclass
class Cell:
    """One engine by one criterion.

    Attributes
    ----------
    right, wrong : int
        Answers that were judged.
    defined : int
        Of those that are right, under another definition than the commonest one.
    first : Fault or None
        The failure on the smallest case.
    """

    right: int = 0
    wrong: int = 0
    defined: int = 0
    first: Fault | None = None

    @property
    def judged(self) -> int:
        """Answers that were judged."""
        return self.right + self.wrong

    def count(self, held: bool, fault: Fault) -> None:
        """Add an answer."""
        if held:
            self.right += 1
            return
        self.wrong += 1
        if self.first is None or fault.rows < self.first.rows:
            self.first = fault


@dataclass(frozen=True)
class Fault:
    """A failure of an engine on a case.

    Attributes
    ----------
    kind : str
        Its main cause, or that none was found.
    sentence : str
        What was found.
    engines : tuple of str
        Whom it is laid to.
    """

    engine: str
    kind: str
    case: str
    criterion: str
    rows: int
    sentence: str
    outcome: PropertyOutcome | None = None


@dataclass
class EngineScore:
    """What came of an engine.

    Attributes
    ----------
    fitted, unsupported, refused, failed : int
        Cases by what the engine gave; ``failed`` are errors, crashes and time limits.
    cells : dict of str to Cell
        By criterion.
    faults : dict of str to list of Fault
        By kind, the one that shows it most clearly first.
    """

    name: str
    fitted: int = 0
    unsupported: int = 0
    refused: int = 0
    failed: int = 0
    cells: dict[str, Cell] = field(default_factory=lambda: {c.key: Cell() for c in CRITERIA})
    faults: dict[str, list[Fault]] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        """Cases that it was asked."""
        return self.fitted + self.unsupported + self.refused + self.failed

    def add(self, fault: Fault) -> None:
        """Keep a fault with others of its kind."""
        self.faults.setdefault(fault.kind, []).append(fault)


@dataclass(frozen=True)
class Scoreboard:
    """Engines in the order of their names, judged on the same cases.

    Attributes
    ----------
    cases : dict of str to CaseRecord
        Those that a fault is shown on.
    verdicts : dict of str to dict of str to str
        By case and engine, what its fit came to.
    finished : bool
        Whether the run that it was read from came to its end.
    """

    header: Header
    engines: tuple[EngineScore, ...]
    cases: Mapping[str, CaseRecord]
    verdicts: Mapping[str, Mapping[str, str]]
    finished: bool

    def engine(self, name: str) -> EngineScore:
        """Return the score of an engine; KeyError for one that is not there."""
        for score in self.engines:
            if score.name == name:
                return score
        raise KeyError(name)


def read_scoreboard(path: Path) -> Scoreboard:
    """Read the records of a run of the suite, finished or not.

    Raises
    ------
    BadInput
        When the file cannot be read.
    """
    with RecordStream(path) as stream:
        header = stream.header
        names = sorted((n for n in header.engines if n != header.reference), key=str.casefold)
        scores = {name: EngineScore(name) for name in names}
        cases: dict[str, CaseRecord] = {}
        verdicts: dict[str, dict[str, str]] = {}
        for _, record in stream:
            if isinstance(record, CaseRecord):
                cases[record.id] = record
                verdicts[record.id] = _verdicts(record, names)
                for score in scores.values():
                    _count_case(score, record)
            elif isinstance(record, PropertyOutcome) and record.engine in scores:
                case = cases.get(record.case)
                # Of a case without a fit it has been counted once that there is none.
                if case is not None and isinstance(case.fit(record.engine), Fit):
                    _count_property(scores[record.engine], record, case.data.rows_used)
        finished = stream.footer is not None
    for score in scores.values():
        for found in score.faults.values():
            found.sort(key=_clearest)
        score.faults = dict(sorted(score.faults.items(), key=lambda item: -len(item[1])))
    shown = {f.case for s in scores.values() for found in s.faults.values() for f in found[:1]}
    kept = {name: case for name, case in cases.items() if name in shown}
    return Scoreboard(header, tuple(scores.values()), kept, verdicts, finished)


def _clearest(fault: Fault) -> tuple[bool, bool, int, str]:
    """Order faults of a kind: a single fit before two, then the smallest case.

    df are not shown at a singular point, where the curvature that gives them is open to doubt.
    """
    outcome = fault.outcome
    of_two = outcome is not None and outcome.property.startswith(("metamorphic.", "limits."))
    singular = outcome is not None and "true-boundary" in outcome.causes
    of_df = fault.kind.startswith(("df-", "lmertest-"))
    return singular and of_df, of_two, fault.rows, fault.case


def _verdicts(record: CaseRecord, names: Sequence[str]) -> dict[str, str]:
    found = {name: record.judgement(name) for name in names}
    return {name: judged.verdict for name, judged in found.items() if judged is not None}


def _count_case(score: EngineScore, record: CaseRecord) -> None:
    fit, judged = record.fit(score.name), record.judgement(score.name)
    if fit is None or judged is None:
        return
    if isinstance(fit, Failure):
        _count_failure(score, fit, record)
        return
    score.fitted += 1
    comparison = record.comparison(score.name)
    size = record.data.rows_used

    def fault(criterion: Criterion, said: str, causes: Sequence[str]) -> Fault:
        return Fault(score.name, _kind(causes, criterion), record.id, criterion.key, size, said)

    for criterion in CRITERIA:
        cell = score.cells[criterion.key]
        if criterion.differences and comparison and comparison.verdict not in _NOT_COUNTED:
            differing = [d for d in comparison.differences if d.quantity in criterion.differences]
            right = comparison.verdict in _LEFT_TO_THE_REFEREE
            if differing or right:
                held = right or all(d.within for d in differing)
                said = comparison.sentence
                cell.count(held, fault(criterion, said, judged.causes or comparison.causes))
        stated = [s for s in judged.statements if s.quantity in criterion.statements]
        told = [s for s in stated if s.truth in ("true", "other definition", "false")]
        if told:
            false = [s for s in told if s.truth == "false"]
            why = [e.cause for e in judged.evidence if e.quantity in criterion.statements]
            cell.count(not false, fault(criterion, finding_sentence(judged.finding), why))
            cell.defined += any(s.truth == "other definition" for s in told)


def _count_failure(score: EngineScore, failure: Failure, record: CaseRecord) -> None:
    match failure.reason:
        case "unsupported" | "left-out":
            score.unsupported += 1
        case "refused" | "data":
            score.refused += 1
        case _:
            score.failed += 1
            size = record.data.rows_used
            said = f"{failure.reason}: {failure.text}"
            fault = Fault(
                score.name, f"no fit: {failure.reason}", record.id, "refusals", size, said
            )
            score.cells["refusals"].count(False, fault)
            score.add(fault)
            return
    score.cells["refusals"].right += 1


def _count_property(score: EngineScore, outcome: PropertyOutcome, rows: int) -> None:
    if outcome.status == "not applicable" or outcome.setting != "default":
        return
    # What is laid to the referee or to nobody but others is no fault of this engine.
    own = not outcome.engines or score.name in outcome.engines
    failed = fails(outcome)
    if failed and not own:
        return
    if outcome.property == "referee.agreement":
        if failed:
            score.add(_fault_of(outcome, "estimates", rows))
        return
    for criterion in CRITERIA:
        if any(fnmatchcase(outcome.property, glob) for glob in criterion.properties):
            fault = _fault_of(outcome, criterion.key, rows)
            score.cells[criterion.key].count(not failed, fault)
            if failed:
                score.add(fault)
            return
    if failed:
        score.add(_fault_of(outcome, "", rows))


def _fault_of(outcome: PropertyOutcome, criterion: str, rows: int) -> Fault:
    return Fault(
        outcome.engine, kind(outcome), outcome.case, criterion, rows, outcome.sentence, outcome
    )


def _kind(causes: Sequence[str], criterion: Criterion) -> str:
    return causes[0] if causes else f"no cause found, {criterion.key}"
