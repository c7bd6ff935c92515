"""The same model as several programs have published it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.judge.published_verdict import PublishedNumber, PublishedVerdict, program_name


@dataclass(frozen=True)
class SameNumber:
    """A number that several programs print for one model.

    Attributes
    ----------
    quantity, name : str
        ``"variance"`` of ``"School Intercept"``.
    printed : tuple of (PublishedVerdict, PublishedNumber)
        By the cases that print it, the one with most right digits first.
    """

    quantity: str
    name: str
    printed: tuple[tuple[PublishedVerdict, PublishedNumber], ...]

    @property
    def agreed(self) -> bool:
        """Whether every program's is right to its digits."""
        return all(number.found == "right" for _, number in self.printed)


@dataclass(frozen=True)
class SameModel:
    """A model that several programs were fitted to: one design, by one criterion."""

    cases: tuple[PublishedVerdict, ...]
    numbers: tuple[SameNumber, ...]

    @property
    def programs(self) -> list[str]:
        """Who printed the numbers."""
        names = [v.program for n in self.numbers for v, _ in n.printed]
        return sorted({program_name(name) for name in names})


def same_models(verdicts: Sequence[PublishedVerdict]) -> list[SameModel]:
    """Return the models of which several programs print a number, and those numbers."""
    groups: dict[tuple[str, str], list[PublishedVerdict]] = {}
    for one in verdicts:
        groups.setdefault((one.design, one.criterion), []).append(one)
    found = [SameModel(tuple(of), tuple(_numbers(of))) for of in groups.values()]
    return [one for one in found if one.numbers]


def _numbers(cases: Sequence[PublishedVerdict]) -> Iterator[SameNumber]:
    by_name: dict[tuple[str, str], list[tuple[PublishedVerdict, PublishedNumber]]] = {}
    for case in cases:
        for number in case.numbers:
            if number.digits:
                by_name.setdefault((number.quantity, number.name), []).append((case, number))
    for (quantity, name), printed in by_name.items():
        if len({program_name(case.program) for case, _ in printed}) > 1:
            best = sorted(printed, key=lambda pair: -pair[1].right_digits)
            yield SameNumber(quantity, name, tuple(best))
