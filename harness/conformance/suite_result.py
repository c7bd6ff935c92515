"""Outcomes as a suite counts them: what holds, what fails as expected, what fails otherwise.

The readers of a suite's outcomes (terminal, JUnit XML, job summary, annotations, badge) all go by
this one count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.judge.causes.entries import load_known
from harness.judge.property_outcome import PropertyOutcome

Standing = Literal["holds", "expected", "unexpected", "another's", "not applicable"]
"""``another's``: it does not hold, and the named cause is laid to another engine alone: mostly the
reference, sometimes the referee. It counts neither for nor against the engine that was checked."""


@dataclass(frozen=True)
class OutcomeStanding:
    """An outcome held against what was expected of it.

    Attributes
    ----------
    reasons : tuple of str
        Why a failure is expected, where the expectations say it; that of its main cause first.
    saved : str
        Where its regression case or reproduction bundle is, for ``"unexpected"``.
    """

    outcome: PropertyOutcome
    standing: Standing
    reasons: tuple[str, ...] = ()
    saved: str = ""


@dataclass(frozen=True)
class SuiteResult:
    """A suite's outcomes, and what is wrong with its expectations.

    Attributes
    ----------
    stale : tuple of str
        A line for each expectation that matched nothing that was checked, or nothing that fails.
    notes : tuple of str
        What else a reader should know: cases that could not be replayed, for one.
    strict : bool
        Whether stale expectations count as failures.
    """

    judged: tuple[OutcomeStanding, ...]
    stale: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    strict: bool = False

    def of(self, standing: Standing) -> tuple[OutcomeStanding, ...]:
        """Return the outcomes with one standing."""
        return tuple(j for j in self.judged if j.standing == standing)

    @property
    def checked(self) -> int:
        """Outcomes that say something: those that are applicable."""
        return sum(j.standing != "not applicable" for j in self.judged)

    @property
    def passed(self) -> bool:
        """No unexpected failure, something was checked and, where strict, nothing is stale."""
        return not self.of("unexpected") and self.checked > 0 and not (self.strict and self.stale)

    @property
    def headline(self) -> str:
        """The suite in a sentence."""
        if not self.checked:
            return "Nothing was checked: no case ran to which a property applies."
        cases = len({j.outcome.case for j in self.judged})
        said = f"{_count(self.checked, 'check')} on {_count(cases, 'case')}: "
        unexpected, expected = len(self.of("unexpected")), len(self.of("expected"))
        parts = [f"{len(self.of('holds'))} hold"]
        if others := self.of("another's"):
            parts.append(f"{len(others)} fail for a fault of {laid_to(others)}")
        if expected:
            parts.append(f"{expected} fail as expected")
        parts.append(f"{unexpected} fail unexpectedly" if unexpected else "nothing unexpected")
        if self.stale:
            parts.append(f"{_count(len(self.stale), 'stale expectation')}")
        return said + ", ".join(parts) + "."


def fails(outcome: PropertyOutcome) -> bool:
    """Say whether an outcome is a failure, explained or not."""
    return outcome.status in ("fails", "unexplained")


def is_of_another(outcome: PropertyOutcome) -> bool:
    """Say whether a failure has a named cause that is laid to others than the engine checked.

    What has no cause is never laid aside: it may be anybody's, the suite's own included.
    """
    blamed = outcome.engines
    return outcome.status == "fails" and bool(blamed) and outcome.engine not in blamed


def laid_to(judged: Iterable[OutcomeStanding]) -> str:
    """Return the engines to which outcomes are laid, each once: ``"lme4"``."""
    return " and ".join(dict.fromkeys(e for j in judged for e in j.outcome.engines))


def by_property(judged: Iterable[OutcomeStanding]) -> dict[str, list[OutcomeStanding]]:
    """Group outcomes by property, in the order in which properties first appear."""
    found: dict[str, list[OutcomeStanding]] = {}
    for one in judged:
        found.setdefault(one.outcome.property, []).append(one)
    return found


def by_kind(judged: Iterable[OutcomeStanding]) -> dict[str, list[OutcomeStanding]]:
    """Group failures by their main cause, those without one by property.

    The most frequent kind comes first, and in each the worst.
    """
    found: dict[str, list[OutcomeStanding]] = {}
    for one in judged:
        found.setdefault(kind(one.outcome), []).append(one)
    for group in found.values():
        group.sort(key=lambda j: -j.outcome.discrepancy)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def own_causes(outcome: PropertyOutcome) -> tuple[str, ...]:
    """Return the causes that explain a failure, without those of other engines than it is laid to.

    Where both engines of a comparison are at fault the reference's faults are not those of the
    engine that was checked. An unexplained failure has none, whatever accompanies it.
    """
    if outcome.status == "unexplained":
        return ()
    blamed = outcome.engines
    if outcome.engine in blamed:
        blamed = (outcome.engine,)
    own = {e.cause for e in outcome.evidence if not blamed or e.engine in ("", *blamed)}
    others = {e.cause for e in outcome.evidence} - own
    return tuple(c for c in outcome.causes if c not in others) or outcome.causes


def definition_of(outcome: PropertyOutcome) -> str:
    """Return the definition by which a number is true that a property asks otherwise; else empty.

    A z test or df by levels of nesting are no faults: they are named, and need no expectation.
    """
    known, causes = load_known(), own_causes(outcome)
    if outcome.verdict != "DEFINITION" or not causes:
        return ""
    if any(c not in known or known[c].kind != "definition" for c in causes):
        return ""
    return known[causes[0]].title


def kind(outcome: PropertyOutcome) -> str:
    """Return the main cause of a failure, the first that is named."""
    return next(iter(own_causes(outcome)), f"no cause found, {outcome.property}")


def titled(name: str) -> str:
    """Return a kind of failure with the title that its cause has."""
    known = load_known().get(name)
    return name if known is None else f"{name}: {known.title}"


def why_expected(group: Iterable[OutcomeStanding]) -> str:
    """Return why failures of one kind are expected."""
    return "; ".join(dict.fromkeys(j.reasons[0] for j in group if j.reasons))


def times(group: Iterable[OutcomeStanding]) -> str:
    """Return how often each property failed: ``"parity 3, referee.agreement 2"``."""
    counts = Counter(j.outcome.property for j in group)
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def named(outcome: PropertyOutcome) -> str:
    """Return the causes of a failure in a few words."""
    found = ", ".join(outcome.causes)
    if outcome.status == "unexplained":
        return f"no cause found (beside it: {found})" if found else "no cause found"
    return found or "no cause found"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
