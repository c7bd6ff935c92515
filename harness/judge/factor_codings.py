"""Codings of factors that a listing may have where its labels are not of the model's own.

R's ``f1`` and ``f2`` are columns of ``contr.sum`` or of ``contr.helmert``, ``f.L`` and ``f.Q`` of
``contr.poly``; patsy writes ``C(f, Sum)[S.a]`` and ``C(f, Helmert)[H.b]``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, islice, product

from harness.data.rungs import Rung
from harness.model.table import FactorColumn

KINDS = ("sum", "helmert", "poly")
"""Codings that are tried; other references of treatment coding are tried as level orders."""

_MOST = 40
"""Combinations of codings that are tried."""

_PATSY = re.compile(r"\[([SH])\.([^]]*)\]")
_POWERS = ((".Linear", ".L"), (".Quadratic", ".Q"), (".Cubic", ".C"))


def open_factors(rung: Rung, columns: Collection[str] = ()) -> list[str]:
    """Return factors of the fixed effects whose coding neither formula nor labels tell.

    Parameters
    ----------
    columns : collection of str
        Columns of the model's own coding that the listing has, where it has no others. A factor
        with one of a level is coded so, unless its levels are numbers as those of columns are.
    """
    text = rung.case.model.formula.text
    found = []
    for name in dict.fromkeys(node.name for node in rung.case.model.names()):
        column = rung.case.table[name]
        if not isinstance(column, FactorColumn) or len(column.levels) < 2:
            continue
        if (
            re.search(rf"\bC\([^,]*(?<![\w.]){re.escape(name)}\b[^,]*,", text)
            or recoded(text, {name: "sum"}) == text
        ):
            continue
        numbers = {str(i) for i in range(1, len(column.levels))}
        named = re.compile(rf"(?<![\w.]){re.escape(name)}\)?\[T\.([^]]*)\]")
        levels = {hit[1] for own in columns for hit in named.finditer(own)}
        if levels <= numbers:
            found.append(name)
    return found


def codings_of(factors: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield codings of factors: one of all of them first, as R's ``options`` has it."""
    alike = ((kind,) * len(factors) for kind in KINDS if factors)
    mixed = (kinds for kinds in product(("", *KINDS), repeat=len(factors)) if len(set(kinds)) > 1)
    for kinds in islice(chain(alike, mixed), _MOST):
        yield {name: kind for name, kind in zip(factors, kinds, strict=True) if kind}


def recoded(text: str, codings: Mapping[str, str]) -> str:
    """Return a formula with factors of its fixed effects in codings; random terms as they are."""
    left, tilde, right = text.partition("~")
    parts = re.split(r"(\((?:[^()]|\([^()]*\))*\|(?:[^()]|\([^()]*\))*\))", right)
    for name, kind in codings.items():
        plain = re.escape(name)
        own = re.compile(
            rf"\bfactor\(\s*{plain}\s*\)|\bC\(\s*{plain}\s*\)|(?<![\w.`(]){plain}(?![\w.`(])"
        )
        own_inside = re.compile(rf"(?<=\(){plain}(?![\w.`(])(?=\s*[-+*:^)])")
        for i in range(0, len(parts), 2):
            made = f"C({name}, {kind})"
            parts[i] = own.sub(made, parts[i])
            # A name right behind a parenthesis that is no function's.
            parts[i] = own_inside.sub(
                lambda hit, made=made: made if _is_group(hit) else hit[0], parts[i]
            )
    return left + tilde + "".join(parts)


def _is_group(hit: re.Match[str]) -> bool:
    return not re.search(r"[\w.]\($", hit.string[: hit.start()])


def numbered(label: str, rung: Rung) -> str:
    """Return a label of patsy as R writes it: ``f[S.a]`` as ``f1``, ``f.Linear`` as ``f.L``."""
    for long, short in _POWERS:
        label = label.replace(long, short)
    for hit in reversed(list(_PATSY.finditer(label))):
        kind, level = hit.groups()
        before = re.sub(r",.*", "", label[: hit.start()].rpartition(":")[2])
        name = before.removeprefix("C(").rstrip(")").strip()
        columns = {node.name for node in rung.case.model.names()}
        column = rung.case.table[name] if name in columns else None
        if isinstance(column, FactorColumn) and level in column.levels:
            place = column.levels.index(level) + (1 if kind == "S" else 0)
            label = f"{label[: hit.start()]}{place}{label[hit.end() :]}"
    return label
