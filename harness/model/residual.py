"""The residual covariance of a model: ``ar1(visit | subject) + het(sex)``, parsed once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.base.errors import BadInput
from harness.model.formula import Binary, Name, Node, Number, names_in
from harness.model.formula_parser import parse
from harness.model.tokens import FormulaError

STRUCTURES: Mapping[str, str] = {
    "ar1": "first-order autoregression: rho to the power of the distance of two visits",
    "car1": "continuous autoregression: rho to the power of the time between two rows",
    "cs": "compound symmetry: one correlation, negative too",
    "toep": "Toeplitz: one correlation for each distance of two visits",
    "corr": "unstructured correlation, one variance (nlme's corSymm)",
    "us": "unstructured covariance: corr with a variance for each visit (mmrm's us, SAS's UN)",
}
"""Correlation structures; ``het(f)``, variances by the levels of a factor, may stand beside one."""

_WRITE = "write for example 'ar1(visit | subject)', 'het(sex)' or 'cs(1 | subject) + het(sex)'"

_PLAIN = re.compile(r"(?:[^\W\d]|\.(?!\d))[\w.]*")


@dataclass(frozen=True)
class Residual:
    """Correlation of the residuals within groups, and their variances by strata.

    Attributes
    ----------
    structure : str
        A key of :data:`STRUCTURES`; empty where residuals are not correlated.
    position : Name or None
        Column of the visits or times; None where the rows of a group are taken in their order.
    group : tuple of str
        Columns whose interaction is the grouping factor: rows of different groups are independent.
    strata : tuple of tuple of str
        For each ``het()`` the columns whose interaction has a variance for each level; their
        standard deviations multiply.
    """

    structure: str
    position: Name | None
    group: tuple[str, ...]
    strata: tuple[tuple[str, ...], ...]

    def names(self) -> Iterator[Name]:
        """Every column with its role."""
        if self.position is not None:
            yield self.position
        for name in (*self.group, *(n for columns in self.strata for n in columns)):
            yield Name(name, as_factor=True)

    @property
    def group_text(self) -> str:
        """The grouping factor as a formula has it: ``a:b``."""
        return ":".join(n if _PLAIN.fullmatch(n) else f"`{n}`" for n in self.group)

    def text(self, names: Mapping[str, str] | None = None) -> str:
        """Write the structure, under other names of the columns where they are given."""

        def column(name: str, *, as_factor: bool = True) -> str:
            if names is not None:
                # A column that is a number elsewhere is there twice.
                name = names.get(f"factor({name})", names[name]) if as_factor else names[name]
            return name if _PLAIN.fullmatch(name) else f"`{name}`"

        parts = []
        if self.structure:
            at = "1"
            if self.position is not None:
                at = column(self.position.name, as_factor=self.position.as_factor)
                if self.position.as_factor and names is None:
                    at = f"factor({at})"
            parts.append(f"{self.structure}({at} | {':'.join(map(column, self.group))})")
        parts += [f"het({':'.join(map(column, columns))})" for columns in self.strata]
        return " + ".join(parts)


def parse_residual(text: str) -> Residual:
    """Parse a residual covariance.

    Raises
    ------
    BadInput
        When it does not parse; one line.
    """
    structure = ""
    position: Name | None = None
    group: tuple[str, ...] = ()
    strata: list[tuple[str, ...]] = []
    for name, inside in _calls(text):
        if name == "het":
            columns = _columns(_inside(text, inside), text)
            if columns in strata:
                raise BadInput(f"residual: het({inside.strip()}) is there twice")
            strata.append(columns)
            continue
        if name not in STRUCTURES:
            known = ", ".join([*STRUCTURES, "het"])
            raise BadInput(f"residual: {name}() is no structure; known are {known}")
        if structure:
            raise BadInput(f"residual: {structure}() and {name}() exclude each other; keep one")
        structure = name
        position, group = _position_and_group(text, name, inside)
    if structure in ("car1",) and position is None:
        raise BadInput("residual: car1() needs the column of the times; write car1(time | subject)")
    if structure == "us":
        for columns in strata:
            if position is not None and columns == (position.name,):
                raise BadInput(
                    f"residual: us() has a variance for each visit already; leave het("
                    f"{':'.join(columns)}) out"
                )
    return Residual(structure, position, group, tuple(strata))


def _calls(text: str) -> Iterator[tuple[str, str]]:
    """Take ``f(...) + g(...)`` apart: names and what is between the parentheses."""
    rest = text.strip()
    if not rest:
        raise BadInput(f"residual: it is empty; {_WRITE}")
    while rest:
        hit = re.match(r"([A-Za-z]\w*)\s*\(", rest)
        if hit is None:
            raise BadInput(f"residual: {text!r} is no structure; {_WRITE}")
        depth, quoted, end = 1, False, hit.end()
        while end < len(rest) and depth:
            quoted ^= rest[end] == "`"
            depth += 0 if quoted else (rest[end] == "(") - (rest[end] == ")")
            end += 1
        if depth:
            raise BadInput(f"residual: a parenthesis of {text!r} is never closed")
        yield hit[1], rest[hit.end() : end - 1]
        rest = rest[end:].strip()
        if rest:
            if rest[0] not in "+*":
                raise BadInput(f"residual: structures are joined by '+', not by {rest[0]!r}")
            rest = rest[1:].strip()
            if not rest:
                raise BadInput(f"residual: {text!r} ends where a structure is expected")


def _inside(text: str, inside: str) -> Node:
    """Parse what is between the parentheses of a structure without a bar."""
    try:
        node = parse(f"y ~ {inside}").fixed
    except FormulaError:
        node = None
    if node is None:
        raise BadInput(f"residual: {inside.strip()!r} in {text!r} names no column; {_WRITE}")
    return node


def _position_and_group(text: str, name: str, inside: str) -> tuple[Name | None, tuple[str, ...]]:
    try:
        bars = parse(f"y ~ 1 + ({inside})").bars
    except FormulaError:
        bars = ()
    if len(bars) != 1 or bars[0].double:
        what = "time" if name == "car1" else "visit"
        raise BadInput(f"residual: write {name}({what} | subject), not {name}({inside.strip()})")
    at = bars[0].effects
    if at == Number("1"):
        return None, _columns(bars[0].group, text)
    if not isinstance(at, Name):
        raise BadInput(f"residual: before the bar of {name}() stands one column, or 1")
    return Name(at.name, at.as_factor), _columns(bars[0].group, text)


def _columns(node: Node, text: str) -> tuple[str, ...]:
    """``a:b`` is the interaction of two columns."""
    match node:
        case Name(name=name):
            return (name,)
        case Binary(operator=":", left=left, right=right):
            return _columns(left, text) + _columns(right, text)
    columns = ", ".join(n.name for n in names_in(node))
    raise BadInput(
        f"residual: groups and strata are columns, or their interaction a:b, not an expression in "
        f"{columns or 'numbers'}; {_WRITE}"
    )
