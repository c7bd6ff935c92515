"""The ladder: the tutorial's seven rungs on its own data, and rungs beyond it on public data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from harness.data.datasets import load_dataset
from harness.data.ladder_file import ListedRung, ladder_file
from harness.data.printed_numbers import (
    PrintedNumber,
    group_slopes,
    nlme_numbers,
    notebook_numbers,
    tutorial_numbers,
)
from harness.data.rungs import Rung
from harness.data.seven_rungs import MIXED, seven_rungs
from harness.model.case import Case
from harness.model.model import bind, parse_model


@cache
def full_ladder() -> tuple[Rung, ...]:
    """Return every rung that a run without a choice has, each mixed model in REML and ML."""
    return (*tutorial_ladder(), *_beyond(""))


@cache
def every_rung() -> tuple[Rung, ...]:
    """Return those, and after them the parts of the ladder that have to be asked for.

    Most engines cannot express the models of these parts, so that a report of all would say little
    of any.
    """
    parts = dict.fromkeys(group.part for group in ladder_file().beyond if group.part)
    return (*full_ladder(), *(rung for part in parts for rung in _beyond(part)))


def tutorial_ladder() -> tuple[Rung, ...]:
    """Return the tutorial's rungs on its own data, with the numbers it prints."""
    tutorial = ladder_file().tutorial
    data = load_dataset(tutorial.data)
    rungs = seven_rungs(data, tutorial.outcome, tutorial.predictor, tutorial.group).rungs
    return tuple(_printed(rung) for rung in rungs)


def _printed(rung: Rung) -> Rung:
    """Return a rung with the numbers that the tutorial prints for it; of ML it prints none."""
    if rung.case.model.criterion == "ML":
        return rung
    (listed,) = (one for one in ladder_file().tutorial.rungs if one.title == rung.title)
    if listed.data == "within":
        slope = group_slopes()[rung.case.id.rpartition("=")[2]]
        numbers = (PrintedNumber("tutorial", "estimate", rung.focus, "statsmodels", slope),)
        return replace(rung, printed=numbers)
    notes = (*rung.notes, *filter(None, [listed.printed_note]))
    return replace(rung, printed=tutorial_numbers(rung.title), notes=notes)


def _beyond(part: str) -> Iterator[Rung]:
    for group in (each for each in ladder_file().beyond if each.part == part):
        for listed in group.rungs:
            data = load_dataset(listed.data)
            for criterion in MIXED:
                model = parse_model(listed.formula, criterion, listed.residual)
                used = {name.name for name in model.names()}
                levels = {c: order for c, order in data.levels.items() if c in used}
                table = bind(model, data.frame, levels=levels)
                case = Case(f"{listed.id}/{criterion}", model, table)
                numbers = () if criterion == "ML" else _numbers(listed)
                yield Rung(case, listed.title, group.heading, listed.focus, data, numbers)


def _numbers(listed: ListedRung) -> tuple[PrintedNumber, ...]:
    """Return what publications print for a rung beyond the tutorial's, for REML."""
    if listed.nlme:
        return nlme_numbers(listed.nlme)
    return notebook_numbers(listed.notebook)
