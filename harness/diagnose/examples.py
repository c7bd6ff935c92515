"""Documented examples: a table and a formula, or a script; the cause and a remedy that works."""

from __future__ import annotations

import runpy
import tomllib
import warnings
from functools import cache

import msgspec

from harness.base.resources import fixture
from harness.data.datasets import Dataset, load_dataset, read_csv
from harness.data.rungs import Rung
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.user_engines import USER_ENGINES
from harness.model.case import Case
from harness.model.model import bind, parse_model


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An example of ``fixtures/diagnoses/examples.toml``.

    Attributes
    ----------
    cause : str
        What the diagnosis has to name; ``also`` what it has to name besides.
    remedies : tuple of str
        Kinds of remedy, one of which has to have helped; none for a definition, whose remedy is the
        number like for like.
    data, dataset : str
        A file beside the table, or a fixture data set.
    script : str
        A Python script beside the table that leaves its diagnosis in ``found``; in place of data
        and formula.
    """

    title: str
    cause: str
    source: str
    formula: str = ""
    remedies: tuple[str, ...] = ()
    data: str = ""
    dataset: str = ""
    script: str = ""
    ml: bool = False
    also: tuple[str, ...] = ()
    engines: tuple[str, ...] = USER_ENGINES

    @property
    def causes(self) -> tuple[str, ...]:
        """All causes that the diagnosis has to name."""
        return (self.cause, *self.also)


@cache
def load_examples() -> dict[str, Example]:
    """Return the examples by name."""
    text = fixture("diagnoses", "examples.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Example])


class Elsewhere(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What names a cause that has no example: see ``fixtures/diagnoses/elsewhere.toml``."""

    planted: str = ""
    property: str = ""
    test: str = ""


@cache
def load_elsewhere() -> dict[str, Elsewhere]:
    """Return by cause what names it where no example does."""
    text = fixture("diagnoses", "elsewhere.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Elsewhere])


def run_script(name: str) -> Diagnosis:
    """Run the script of an example and return its diagnosis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels' own, on standard error
        variables = runpy.run_path(str(fixture("diagnoses", load_examples()[name].script)))
    found: Diagnosis = variables["found"].diagnosis
    return found


def example_rung(name: str) -> Rung:
    """Return the case of an example that has a table and a formula."""
    example = load_examples()[name]
    if example.dataset:
        data = load_dataset(example.dataset)
    else:
        path = fixture("diagnoses", example.data)
        data = Dataset(example.data, read_csv(path), example.source)
    model = parse_model(example.formula, "ML" if example.ml else "REML")
    used = {n.name for n in model.names()}
    levels = {column: order for column, order in data.levels.items() if column in used}
    case = Case(name, model, bind(model, data.frame, levels=levels))
    names = case.design.x_names
    focus = names[1] if len(names) > 1 and names[0] == "Intercept" else names[0]
    return Rung(case, example.title, "", focus, data)
