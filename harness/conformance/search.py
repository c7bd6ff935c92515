"""Search for a case on which a property fails: Hypothesis draws, steers and shrinks.

Hypothesis is steered toward the largest discrepancy (``hypothesis.target``), and each kind of
failure (property and causes) has an exception type of its own, so that one that is frequent does
not hide the others.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, Verbosity

from harness.campaign.open_engines import OpenEngines, open_engines
from harness.campaign.provenance import versions
from harness.conformance.expectations import Expectation, expected_by
from harness.conformance.fit_memory import Remembered
from harness.conformance.outcome_text import failure_text
from harness.conformance.question import Question
from harness.conformance.regressions import Kept, keep
from harness.conformance.suite import Suite, shown_path
from harness.conformance.suite_result import definition_of, fails, is_of_another
from harness.conformance.tasks import outcome_of, told_by_parity
from harness.data.recipes.shapes import Recipe, build
from harness.data.recipes.strategies import recipes
from harness.data.rungs import Rung
from harness.judge.property_outcome import PropertyOutcome

_REMEMBERED = 4096
"""Fits that are kept in memory: every property draws the same cases at first."""


class PropertyFails(AssertionError):
    """A property that does not hold on a case, and not for a reason that is expected."""

    def __init__(self, outcome: PropertyOutcome, recipe: Recipe) -> None:
        super().__init__(outcome.sentence)
        self.outcome = outcome
        self.recipe = recipe


@cache
def _kind(name: str, causes: tuple[str, ...]) -> type[PropertyFails]:
    """Return the exception type of a kind of failure; Hypothesis tells failures apart by it."""
    title = "_".join([name, *(causes or ("unexplained",))])
    return type(title.replace(".", "_").replace("-", "_"), (PropertyFails,), {})


class Running:
    """A run of the suite under pytest.

    Attributes
    ----------
    examples : int
        For each property.
    done : set of str
        Properties that were checked.
    """

    def __init__(
        self, suite: Suite, examples: int | None, expectations: tuple[Expectation, ...]
    ) -> None:
        self.suite = suite
        self.examples = suite.profile.examples_each if examples is None else examples
        self.expectations = expectations
        self.done: set[str] = set()
        self._found: dict[tuple[str, str], PropertyOutcome] = {}
        self._open: tuple[OpenEngines, Remembered, Remembered] | None = None
        self._versions: dict[str, str] = {}

    @property
    def outcomes(self) -> tuple[PropertyOutcome, ...]:
        """What came of every check, each case once."""
        return tuple(self._found.values())

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Open the engines; what they started is ended afterwards."""
        with open_engines(self.suite.setup()) as engines:
            self._open = (
                engines,
                Remembered(engines.engines[0], _REMEMBERED),
                Remembered(engines.reference, _REMEMBERED),
            )
            try:
                yield
            finally:
                self._open = None

    def versions(self) -> dict[str, str]:
        """Return the versions of the engines."""
        with open_engines(self.suite.setup()) as engines:
            return versions(engines.engines)

    def check_kept(self, kept: Kept) -> None:
        """Check every property on a kept case."""
        rung = kept.rung()
        found = [self._outcome(name, rung) for name in self.suite.properties]
        unexpected = [o for o in found if self._is_unexpected(o)]
        if unexpected:
            text = "\n\n".join(failure_text(o, rung) for o in unexpected)
            pytest.fail(f"{shown_path(kept.folder)}\n\n{text}", pytrace=False)

    def check_property(self, name: str) -> None:
        """Search for a case on which a property fails; show and keep the smallest of each kind."""
        self.done.add(name)
        failures = self._search(name)
        if failures:
            pytest.fail("\n\n".join(map(self._told, failures)), pytrace=False)
        if not any(o.status != "not applicable" for o in self.outcomes if o.property == name):
            pytest.skip("no case that was drawn can show it")

    def _search(self, name: str) -> list[PropertyFails]:
        end = math.inf

        def holds(recipe: Recipe) -> None:
            nonlocal end
            if time.monotonic() > end and (name, recipe.id) not in self._found:
                # The time for making a failure smaller is up: nothing new fails any more.
                return
            outcome = self._outcome(name, build(recipe))
            if math.isfinite(outcome.discrepancy):
                size = math.log10(max(outcome.discrepancy, 1e-16))
                hypothesis.target(size, label="discrepancy")
            if self._is_unexpected(outcome):
                end = min(end, time.monotonic() + self.suite.profile.shrink_seconds)
                raise _kind(name, outcome.causes)(outcome, recipe)

        search = hypothesis.seed(self.suite.seed)(
            self._settings()(hypothesis.given(recipes(**self.suite.profile.bounds))(holds))
        )
        try:
            search()
        except PropertyFails as failure:
            return [failure]
        except BaseExceptionGroup as group:
            found, rest = group.split(PropertyFails)
            if rest is not None or found is None:
                raise
            return [e for e in _leaves(found) if isinstance(e, PropertyFails)]
        return []

    def _settings(self) -> hypothesis.settings:
        debug = self.suite.profile.name == "debug"
        return hypothesis.settings(
            max_examples=self.examples,
            phases=(Phase.generate, Phase.target, Phase.shrink),
            database=None,
            deadline=None,
            report_multiple_bugs=True,
            verbosity=Verbosity.verbose if debug else Verbosity.normal,
            suppress_health_check=list(HealthCheck),
        )

    def _outcome(self, name: str, rung: Rung) -> PropertyOutcome:
        assert self._open is not None
        key = (name, rung.case.id)
        if key not in self._found:
            _, engine, reference = self._open
            if name == "referee.agreement" and told_by_parity(
                self._found.get(("parity", rung.case.id))
            ):
                question = Question(name, engine, rung.case, None, rung.group)
                found = question.not_applicable("there is no fit: see parity", verdict="FAILED")
            else:
                found = outcome_of(name, engine, rung, reference)
            self._found[key] = found
        return self._found[key]

    def _is_unexpected(self, outcome: PropertyOutcome) -> bool:
        return (
            fails(outcome)
            and not is_of_another(outcome)
            and not definition_of(outcome)
            and expected_by(outcome, self.expectations) is None
        )

    def _told(self, failure: PropertyFails) -> str:
        rung = build(failure.recipe)
        saved = ""
        if self.suite.regressions is not None:
            kept = keep(self.suite.regressions, rung, failure.outcome, failure.recipe)
            saved = shown_path(kept.folder)
        return failure_text(failure.outcome, rung, saved)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
