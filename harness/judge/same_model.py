"""The same model as several programs have published it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.judge.published_verdict import PublishedNumber, PublishedVerdict, program_name

_SPREADS = ("variance", "sd", "correlation", "covariance")
_COMPARED = ("loglik", "minus_two", *_SPREADS, "estimate", "se")
"""Quantities of the fit. Those that follow from them by a rule of tests are left to each case."""


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
        """Which programs fitted the model of which the numbers are."""
        return sorted({_engine(v) for n in self.numbers for v, _ in n.printed}, key=str.lower)


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
            if number.digits and number.quantity in _COMPARED:
                by_name.setdefault((number.quantity, number.name), []).append((case, number))
    for (quantity, name), printed in by_name.items():
        printed.sort(key=lambda pair: -pair[1].right_digits)
        meant = set(printed[0][1].definitions)
        # One that is right by other definitions only is of another quantity.
        alike = [p for p in printed if meant.intersection(p[1].definitions) or not p[1].definitions]
        if len({_engine(case) for case, _ in alike}) > 1:
            yield SameNumber(quantity, name, tuple(alike))


def _engine(case: PublishedVerdict) -> str:
    """Return which program fitted: ``"jtools on lmerTest"`` prints what lmerTest found."""
    return program_name(case.program).rpartition(" on ")[2]
