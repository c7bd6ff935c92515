"""Regression cases: data, model and what was found, in a folder that a person can read.

Each is a folder with ``case.toml`` and ``data.csv``. They are checked before anything is drawn.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec

import harness
from harness.base.errors import BadInput
from harness.base.files import write_file
from harness.base.json import encode
from harness.campaign import provenance
from harness.data.datasets import Dataset
from harness.data.exact_csv import csv_text, missing_mark, read_exact_csv
from harness.data.recipes.shapes import Recipe
from harness.data.rungs import Rung
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.sentence import sentences
from harness.model.case import Case
from harness.model.model import Criterion, parse_model
from harness.model.table import FactorColumn
from harness.spelling.lme4_spelling import lme4_formula, model_text

FILE, DATA = "case.toml", "data.csv"


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    formula: str
    criterion: Criterion
    residual: str = ""


class _Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    missing: str = ""
    levels: dict[str, tuple[str, ...]] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``case.toml``; all but the model and the data is for the reader."""

    model: _Model
    data: _Data = _Data()
    title: str = ""
    property: str = ""
    engine: str = ""
    reference: str = ""
    verdict: str = ""
    causes: tuple[str, ...] = ()
    sentence: str = ""
    evidence: tuple[str, ...] = ()
    found: str = ""
    recipe: str = ""


@dataclass(frozen=True)
class Kept:
    """A regression case as it is kept.

    Attributes
    ----------
    name : str
        Of its folder.
    """

    name: str
    folder: Path

    def rung(self) -> Rung:
        """Read it.

        Raises
        ------
        BadInput
            When a file is missing, malformed, or does not go with the other one.
        """
        about = _about(self.folder / FILE)
        model = parse_model(about.model.formula, about.model.criterion, about.model.residual)
        table = read_exact_csv(self.folder / DATA, about.data.levels, about.data.missing)
        wanted = {name.name for name in model.names()}
        lacking = sorted(wanted - set(table.names))
        if lacking:
            raise BadInput(f"{self.folder / DATA}: no column {lacking[0]!r}")
        case = Case(f"kept/{self.name}", model, table)
        names = case.design.x_names
        focus = names[1] if len(names) > 1 and names[0] == "Intercept" else names[0]
        title = about.title or self.name
        data = Dataset(self.name, table.frame(), f"kept in {self.name}", dict(about.data.levels))
        return Rung(case, title, "Kept cases", focus, data)


def kept_cases(folder: Path) -> tuple[Kept, ...]:
    """Return the cases kept in a folder, by name; none when there is no such folder."""
    if not folder.exists():
        return ()
    if not folder.is_dir():
        raise BadInput(f"{folder}: is not a folder of regression cases")
    return tuple(Kept(path.parent.name, path.parent) for path in sorted(folder.glob(f"*/{FILE}")))


def keep(folder: Path, rung: Rung, outcome: PropertyOutcome, recipe: Recipe | None = None) -> Kept:
    """Write a case with what was found, and return it.

    A case with the same data and model is kept once: every property is checked on it anyway.

    Raises
    ------
    BadInput
        When the folder cannot be written, or a name or label cannot be written as CSV.
    """
    case = rung.case
    about: dict[str, object] = {
        "title": rung.title,
        "property": outcome.property,
        "engine": outcome.engine,
        "reference": outcome.reference,
        "verdict": outcome.verdict or outcome.status,
        "causes": list(outcome.causes),
        "sentence": outcome.sentence,
        "evidence": [*sentences(outcome.evidence), *outcome.notes],
        "found": f"{provenance.now()[:10]}, lmm-parity {harness.__version__}",
    }
    if recipe is not None:
        about["recipe"] = encode(recipe).decode()
    levels: dict[str, object] = {
        c.name: list(c.levels) for c in case.table.columns if isinstance(c, FactorColumn)
    }
    sections: dict[str, dict[str, object]] = {
        "model": {
            "formula": lme4_formula(case.model),
            "criterion": case.model.criterion,
            **({"residual": case.model.residual.text()} if case.model.residual else {}),
        },
        "data": {"missing": missing_mark(case.table)},
        "data.levels": levels,
    }
    text = [*_lines(about)]
    for heading, table in sections.items():
        text += ["", f"[{heading}]", *_lines(table)]
    content = f"{model_text(case.model)} {case.model.criterion} {case.table.checksum()}"
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    known = sorted(folder.glob(f"*-{digest}/{FILE}"))
    if known:
        return Kept(known[0].parent.name, known[0].parent)
    words = [outcome.property, *outcome.causes[:1], digest]
    name = re.sub(r"[^A-Za-z0-9]+", "-", " ".join(words)).strip("-")
    place = folder / name
    data = csv_text(case.table)
    write_file(place / DATA, data)
    write_file(place / FILE, "\n".join(text) + "\n")
    return Kept(name, place)


def _lines(table: dict[str, object]) -> list[str]:
    """Write strings and lists of strings as TOML, whose strings JSON's are but for one thing."""
    return [
        f"{key if re.fullmatch('[A-Za-z0-9_-]+', key) else _quoted(key)} = {_quoted(value)}"
        for key, value in table.items()
    ]


def _quoted(text: object) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _about(path: Path) -> _File:
    try:
        content = tomllib.loads(path.read_bytes().decode())
        return msgspec.convert(content, _File)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not TOML in UTF-8: {error}") from None
    except msgspec.ValidationError as error:
        raise BadInput(f"{path}: {error}") from None
