"""The ladder: the tutorial's seven rungs on its own data, and rungs beyond it on public data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from harness.data.datasets import load_dataset
from harness.data.ladder_file import ladder_file
from harness.data.printed_numbers import (
    PrintedNumber,
    group_slopes,
    notebook_numbers,
    tutorial_numbers,
)
from harness.data.rungs import Rung
from harness.data.seven_rungs import MIXED, seven_rungs
from harness.model.case import Case
from harness.model.model import bind, parse_model


@cache
def full_ladder() -> tuple[Rung, ...]:
    """Return every rung, each mixed model in REML and ML."""
    return (*tutorial_ladder(), *_beyond())


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


def _beyond() -> Iterator[Rung]:
    for group in ladder_file().beyond:
        for listed in group.rungs:
            data = load_dataset(listed.data)
            for criterion in MIXED:
                model = parse_model(listed.formula, criterion, listed.residual)
                used = {name.name for name in model.names()}
                levels = {c: order for c, order in data.levels.items() if c in used}
                table = bind(model, data.frame, levels=levels)
                case = Case(f"{listed.id}/{criterion}", model, table)
                numbers = notebook_numbers(listed.notebook) if criterion == "REML" else ()
                yield Rung(case, listed.title, group.heading, listed.focus, data, numbers)
