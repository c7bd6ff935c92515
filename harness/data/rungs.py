"""A rung: a case with what a report says about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.printed_numbers import PrintedNumber
from harness.model.case import Case


@dataclass(frozen=True)
class GivenListing:
    """What a program printed for a case, as a file of numbers has it, and how the model is written.

    Attributes
    ----------
    text : str
        Of the file.
    program : str
        Where that is not the one that the file names.
    formula, factors, levels, residual
        As :func:`harness.data.own_table.own_rung` has them.
    """

    text: str
    program: str
    formula: str
    factors: tuple[str, ...] = ()
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    residual: str = ""


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
    listing : GivenListing or None
        What a program printed, to be judged beside the engines.
    """

    case: Case
    title: str
    group: str
    focus: str
    data: Dataset
    printed: tuple[PrintedNumber, ...] = ()
    notes: tuple[str, ...] = ()
    listing: GivenListing | None = None


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
