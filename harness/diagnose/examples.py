"""Documented examples: a table, a formula, the cause and a remedy that works."""

from __future__ import annotations

import tomllib
from functools import cache

import msgspec

from harness.cases.case import Case
from harness.cases.datasets import Dataset, load_dataset, read_csv
from harness.cases.ladder import Rung
from harness.cases.model import bind, parse_model
from harness.diagnose.pipeline import USER_ENGINES
from harness.resources import fixture


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An example of ``fixtures/diagnoses/examples.toml``.

    Attributes
    ----------
    cause : str
        What the diagnosis has to name; ``also`` what it has to name besides.
    remedies : tuple of str
        Kinds of remedy, one of which has to have helped.
    data, dataset : str
        A file beside the table, or a fixture data set.
    """

    title: str
    formula: str
    cause: str
    remedies: tuple[str, ...]
    source: str
    data: str = ""
    dataset: str = ""
    also: tuple[str, ...] = ()
    engines: tuple[str, ...] = USER_ENGINES


@cache
def load_examples() -> dict[str, Example]:
    """Return the examples by name."""
    text = fixture("diagnoses", "examples.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Example])


def example_rung(name: str) -> Rung:
    """Return the case of an example."""
    example = load_examples()[name]
    if example.dataset:
        data = load_dataset(example.dataset)
    else:
        path = fixture("diagnoses", example.data)
        data = Dataset(example.data, read_csv(path), example.source)
    model = parse_model(example.formula)
    used = {n.name for n in model.names()}
    levels = {column: order for column, order in data.levels.items() if column in used}
    case = Case(name, model, bind(model, data.frame, levels=levels))
    names = case.design.x_names
    focus = names[1] if len(names) > 1 and names[0] == "Intercept" else names[0]
    return Rung(case, example.title, "", focus, data)
