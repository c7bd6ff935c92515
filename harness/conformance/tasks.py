"""What a worker does for the suite: check a case, or make a failing one smaller."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from harness.base.deadline import Deadline
from harness.base.errors import STOPS
from harness.base.json import encode
from harness.campaign.case_task import LEAST_SECONDS, unfinished_case
from harness.campaign.open_engines import OpenEngines
from harness.campaign.setup import Setup
from harness.campaign.sources import Task
from harness.conformance.fit_memory import Remembered
from harness.conformance.judged_pair import JudgedPair, search_of
from harness.conformance.parity import from_pair
from harness.conformance.profiles import turn
from harness.conformance.properties import PROPERTIES
from harness.conformance.question import Question
from harness.conformance.regressions import Kept
from harness.data.recipes.recipe_shrink import shrink
from harness.data.recipes.shapes import Recipe, build
from harness.data.rungs import Rung
from harness.engines.engine import Engine, Outcome
from harness.judge.case_record import case_record
from harness.judge.judge import judge_outcomes
from harness.judge.property_outcome import PropertyOutcome
from harness.store.pack import PackedStore
from harness.store.reproduction import not_reproduced
from harness.store.stored_engine import StoredEngine

STORED = "reference.as-stored"
"""Name under which it is recorded whether the reference still gives what is stored of it."""

REPRODUCED = 1e-6
"""Relative difference up to which a stored result counts as reproduced: another processor adds in
another order, and an optimizer carries that into the digits that its stopping rule leaves open."""


@dataclass(frozen=True)
class CaseCheck:
    """A case with the properties to check on it.

    Attributes
    ----------
    stored : str
        File of packed fits that the reference has to give again; empty for none.
    """

    case: Recipe | Kept
    properties: tuple[str, ...]
    stored: str = ""


def rung_of(check: CaseCheck) -> Rung:
    """Build the rung."""
    return build(check.case) if isinstance(check.case, Recipe) else check.case.rung()


@dataclass(frozen=True)
class Checks:
    """The cases of a run of the suite, kept ones first.

    Attributes
    ----------
    each : int or None
        Properties of a case; see :class:`harness.conformance.profiles.Profile`.
    """

    title: str
    kept: tuple[Kept, ...]
    recipes: tuple[Recipe, ...]
    properties: tuple[str, ...]
    each: int | None = None
    stored: str = ""

    def __len__(self) -> int:
        return len(self.kept) + len(self.recipes)

    def __iter__(self) -> Iterator[Task]:
        for kept in self.kept:
            yield Task(f"kept/{kept.name}", rung_of, CaseCheck(kept, self.properties, self.stored))
        for recipe in self.recipes:
            properties = turn(self.properties, self.each, recipe.id)
            yield Task(recipe.id, rung_of, CaseCheck(recipe, properties, self.stored))

    def identity(self) -> dict[str, str]:
        """Return a digest of cases and properties."""
        digest = hashlib.sha256()
        for kept in self.kept:
            digest.update(f"{kept.name}\n".encode())
        for recipe in self.recipes:
            digest.update(encode(recipe) + b"\n")
        digest.update(f"{' '.join(self.properties)} {self.each} {self.stored}".encode())
        return {"source": "conformance", "digest": digest.hexdigest()[:16]}


def check_case(engines: OpenEngines, task: Task) -> list[bytes]:
    """Fit a case, record it, and check the properties of every engine but the reference."""
    wanted: CaseCheck = task.payload
    rung = task.rung()
    *tested, reference = (Remembered(engine, 256) for engine in engines.engines)
    started = time.perf_counter()
    outcomes = [e.fit(rung.case, s) for s in engines.settings for e in (*tested, reference)]
    seconds = time.perf_counter() - started
    engines.log.step("audit")
    fault = engines.log.fault("audit")
    judged = judge_outcomes(
        rung.case,
        outcomes,
        engines=engines.names,
        reference=reference.name,
        settings=engines.settings,
        search=search_of,
        not_examined="" if fault is None else f"it was stopped ({fault.text})",
        seconds=seconds,
        deadline=Deadline(max(engines.timeout, LEAST_SECONDS)),
    )
    record = case_record(judged, rung)
    lines = [encode(record)]
    for engine in tested:
        parity: PropertyOutcome | None = None
        for name in wanted.properties:
            step = f"property {name} of {engine.name}"
            engines.log.step(step)
            stopped = engines.log.fault(step)
            question = Question(name, engine, rung.case, reference, rung.group)
            if stopped is not None:
                found = _not_checked(question, f"it was stopped ({stopped.text})")
            elif name == "referee.agreement" and told_by_parity(parity):
                found = question.not_applicable("there is no fit: see parity", verdict="FAILED")
            elif name == "parity":
                # The record's own comparison, so that the two cannot differ.
                found = from_pair(question, JudgedPair(judged, engine.name, "default"))
                parity = found = replace(found, seconds=record.seconds)
            else:
                found = _checked(question, name)
            lines.append(encode(found))
    if wanted.stored:
        live = [o for o in outcomes if o.engine == reference.name]
        question = Question(STORED, reference, rung.case, None, rung.group)
        lines.append(encode(_as_stored(question, Path(wanted.stored), live)))
    return lines


def unfinished_check(setup: Setup, engines: tuple[str, ...], task: Task, why: str) -> list[bytes]:
    """Return the records of a case that could not be checked."""
    wanted: CaseCheck = task.payload
    outcomes = [
        PropertyOutcome(
            property=name,
            case=task.id,
            group="Cases that could not be done",
            engine=engine,
            reference=engines[-1],
            setting="default",
            # One case is one failure, whatever was to be checked on it.
            status="not applicable" if place else "unexplained",
            sentence=f"The case could not be done: {why}.",
            discrepancy=math.nan if place else math.inf,
        )
        for engine in engines[:-1]
        for place, name in enumerate(wanted.properties)
    ]
    return [*unfinished_case(setup, engines, task, why), *map(encode, outcomes)]


def told_by_parity(parity: PropertyOutcome | None) -> bool:
    """Say whether an engine has no fit of a case, and parity has failed for it."""
    return (
        parity is not None
        and parity.status in ("fails", "unexplained")
        and parity.verdict == "FAILED"
        and parity.engine in parity.engines
    )


def _checked(question: Question, name: str) -> PropertyOutcome:
    try:
        return PROPERTIES[name].check(
            question.engine, question.case, reference=question.reference, group=question.group
        )
    except STOPS:
        raise
    except BaseException as error:  # an engine may return anything; one must not cost the rest
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return _not_checked(question, text)


def _not_checked(question: Question, why: str) -> PropertyOutcome:
    return question.fails(f"The check did not come to its end: {why}.", (), discrepancy=math.inf)


def _as_stored(question: Question, path: Path, live: list[Outcome]) -> PropertyOutcome:
    """Say whether the reference gives again what is stored of it."""
    stored = StoredEngine(None, PackedStore(path), "replay", name=question.engine.name)
    lines, known = [], 0
    for outcome in live:
        before = stored.fit(question.case, outcome.setting)
        if stored.tally.found == known:
            continue
        known = stored.tally.found
        lines += [
            f"{d.setting}, {d.quantity}: stored {d.stored}, now {d.live}"
            for d in not_reproduced(question.case.id, before, outcome, tolerance=REPRODUCED)
        ]
    if not known:
        return question.not_applicable("Nothing is stored of this case.")
    if not lines:
        return question.holds(sentence="The stored results come out again.")
    text = f"{question.engine.name} no longer gives what is stored: {lines[0]}"
    more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
    return question.fails(f"{text}{more}.", (), discrepancy=math.inf, notes=lines[:20])


@dataclass(frozen=True)
class Failing:
    """A failure to be made smaller."""

    recipe: Recipe
    outcome: PropertyOutcome
    seconds: float


def failing_rung(failing: Failing) -> Rung:
    """Build the rung of a failure."""
    return build(failing.recipe)


@dataclass(frozen=True)
class KeptFailures:
    """Failures to be made smaller, one after the other."""

    failing: tuple[Failing, ...]
    title: str = "Failures"

    def __len__(self) -> int:
        return len(self.failing)

    def __iter__(self) -> Iterator[Task]:
        for at, failing in enumerate(self.failing):
            yield Task(f"{at}", failing_rung, failing)

    def identity(self) -> dict[str, str]:
        """Return what tells these failures from others: they are never resumed."""
        return {"source": "failures"}


def make_smaller(engines: OpenEngines, task: Task) -> list[bytes]:
    """Return the smallest recipe found that fails in the same way, and what it gives.

    Tries until the time is up; what it has by then is the answer.
    """
    failing: Failing = task.payload
    end = time.monotonic() + failing.seconds
    best = failing.outcome
    tested = next(e for e in engines.engines if e.name == best.engine)
    engine, reference = Remembered(tested), Remembered(engines.reference)

    def fails_alike(rung: Rung) -> bool:
        nonlocal best
        if time.monotonic() > end:
            return False
        engines.log.step("make smaller")
        found = outcome_of(failing.outcome.property, engine, rung, reference)
        if not alike(found, failing.outcome):
            return False
        best = found
        return True

    recipe = shrink(failing.recipe, fails_alike)
    return [encode(recipe), encode(best)]


def not_smaller(
    setup: Setup,  # noqa: ARG001
    engines: tuple[str, ...],  # noqa: ARG001
    task: Task,
    why: str,  # noqa: ARG001
) -> list[bytes]:
    """Return the failure as it was."""
    failing: Failing = task.payload
    return [encode(failing.recipe), encode(failing.outcome)]


def outcome_of(name: str, engine: Engine, rung: Rung, reference: Engine) -> PropertyOutcome:
    """Check one property of an engine on a rung."""
    return _checked(Question(name, engine, rung.case, reference, rung.group), name)


def alike(one: PropertyOutcome, other: PropertyOutcome) -> bool:
    """Say whether two outcomes are the same failure: status and first cause."""
    return (one.status, one.causes[:1]) == (other.status, other.causes[:1])
