"""A rung: a case with what a report says about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.printed_numbers import PrintedNumber
from harness.model.case import Case


@dataclass(frozen=True)
class Rung:
    """A case with what the report says about it.

    Attributes
    ----------
    case : Case
    title : str
        The tutorial's name where it has one.
    group : str
        Heading under which it stands.
    focus : str
        The fixed effect of interest.
    data : Dataset
    printed : tuple of PrintedNumber
        What publications print for it, for its criterion.
    notes : tuple of str
    """

    case: Case
    title: str
    group: str
    focus: str
    data: Dataset
    printed: tuple[PrintedNumber, ...] = ()
    notes: tuple[str, ...] = ()


def select(rungs: Iterable[Rung], wanted: Iterable[str]) -> tuple[Rung, ...]:
    """Return rungs whose id is, or begins with, one of ``wanted``.

    Raises
    ------
    BadInput
        When one of them matches nothing.
    """
    rungs, chosen = tuple(rungs), []
    for prefix in wanted:
        hits = [r for r in rungs if r.case.id == prefix or r.case.id.startswith(f"{prefix}/")]
        if not hits:
            raise BadInput(f"no rung {prefix!r}; `lmm-parity ladder` lists them")
        chosen += [r for r in hits if r not in chosen]
    return tuple(chosen)
