"""Numbers that papers, manuals and programs' pages print, with their sources.

A file of ``fixtures/published`` is a source: what it is, where it stands, and the cases typed from
it. A case is a model of a data set, and what is printed of it in the keys of an audited listing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.base.resources import fixture

_SOURCE = ("title", "address", "found")
_CASE = ("id", "where", "program", "data", "formula")
_ALSO = ("address", "labels", "why")


@dataclass(frozen=True)
class PublishedSource:
    """Who printed numbers.

    Attributes
    ----------
    title, address : str
        What it is, and where.
    found : str
        In which state it was read.
    """

    title: str
    address: str
    found: str


@dataclass(frozen=True)
class PublishedCase:
    """What a source prints of one fit.

    Attributes
    ----------
    where : str
        Page, table or section.
    program : str
        With its version, as far as the source says it.
    data : str
        Name of a data set of ``fixtures/datasets.toml``.
    formula : str
        In lme4's syntax.
    numbers : dict
        In the keys of :func:`harness.judge.listing.listing_of`, labels in the model's words.
    why : str
        Why not all of its digits are right; empty where they are.
    """

    id: str
    source: PublishedSource
    where: str
    program: str
    data: str
    formula: str
    numbers: Mapping[str, Any]
    why: str


@cache
def published_cases() -> tuple[PublishedCase, ...]:
    """Return every case, in the order of the files."""
    found: list[PublishedCase] = []
    for path in sorted(fixture("published").glob("*.toml")):
        found += read_published(path)
    return tuple(found)


def read_published(path: Path) -> tuple[PublishedCase, ...]:
    """Read the cases of a source.

    Raises
    ------
    BadInput
        In one line, for a file that cannot be read or lacks what a source or a case must have.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    title, address, found = _texts(content, _SOURCE, str(path))
    cases = []
    for entry in content.get("case", []):
        name = f"a case of {path.name}" if "id" not in entry else f"case {entry['id']!r}"
        ident, where, program, data, formula = _texts(entry, _CASE, name)
        source = PublishedSource(title, str(entry.get("address", address)), found)
        numbers = {k: v for k, v in entry.items() if k not in (*_CASE, *_ALSO)}
        labels = entry.get("labels", {})
        if "coefficient" in numbers:
            numbers["coefficient"] = {
                labels.get(label, label): v for label, v in numbers["coefficient"].items()
            }
        why = str(entry.get("why", ""))
        numbers["program"] = program
        cases.append(PublishedCase(ident, source, where, program, data, formula, numbers, why))
    return tuple(cases)


def select_published(
    cases: Iterable[PublishedCase], wanted: Iterable[str]
) -> tuple[PublishedCase, ...]:
    """Return cases whose id is, or begins with, one of ``wanted``; all where it is empty.

    Raises
    ------
    BadInput
        When one of them matches nothing.
    """
    cases, wanted = tuple(cases), tuple(wanted)
    for prefix in wanted:
        if not any(_under(case.id, prefix) for case in cases):
            raise BadInput(
                f"no published case {prefix!r}; `lmm-parity report --published` lists them"
            )
    return tuple(c for c in cases if not wanted or any(_under(c.id, w) for w in wanted))


def _under(ident: str, prefix: str) -> bool:
    return ident == prefix or ident.startswith(f"{prefix}/")


def _texts(found: Mapping[str, Any], keys: tuple[str, ...], where: str) -> list[str]:
    for key in keys:
        if not isinstance(found.get(key), str):
            raise BadInput(f"{where} has no {key}")
    return [found[key] for key in keys]
