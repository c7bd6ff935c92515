"""Printed numbers: whether what a publication prints still holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.judge.records import CaseRecord, Printed, Run
from harness.page.html.context import Context, Link
from harness.page.numbers import (
    Number,
    align,
    number,
)

# Column of a coefficient table behind a publication's number, and the definition that may account
# for an engine's printing another one. It is tested by match_state, never assumed.
BY_DEFINITION = {
    "table.Stat": ("statistic", "se-joint-hessian"),
    "table.Pval": ("p", "z-for-t"),
    "statistic": ("statistic", "se-joint-hessian"),
    "p": ("p", "z-for-t"),
    "se": ("se", "se-joint-hessian"),
}


@dataclass(frozen=True)
class PrintedTable:
    """A publication's own table, with what the engines give now under each printed number."""

    source: str
    columns: tuple[str, ...]
    rows: tuple[PrintedRow, ...]
    matched: int
    total: int
    by_definition: int


@dataclass(frozen=True)
class PrintedRow:
    """One model of the publication's table: a line for print, one for each engine."""

    anchor: str
    title: str
    lines: tuple[tuple[str, int, tuple[PrintedCell, ...]], ...]


@dataclass(frozen=True)
class PrintedCell:
    """A number and how it stands to the printed one: printed, match, definition, mismatch."""

    text: Markup
    state: str = ""
    cause: Link | None = None


@dataclass(frozen=True)
class PrintedLine:
    """A published number and what an engine gives."""

    quantity: str
    item: str
    printed: str
    engine: str
    value: str
    state: str
    cause: Link | None


def printed_tables(run: Run, ctx: Context) -> tuple[PrintedTable, ...]:
    """Return each publication's own table (quantities ``table.*``) with the engines' numbers."""
    tables: dict[str, list[tuple[CaseRecord, list[Printed]]]] = {}
    for case in run.cases:
        by_source: dict[str, list[Printed]] = {}
        for entry in case.printed:
            if entry.quantity.startswith("table."):
                by_source.setdefault(entry.source, []).append(entry)
        for source, entries in by_source.items():
            tables.setdefault(source, []).append((case, entries))
    return tuple(_printed_table(source, rows, ctx) for source, rows in tables.items())


def _printed_table(
    source: str, found: Sequence[tuple[CaseRecord, list[Printed]]], ctx: Context
) -> PrintedTable:
    columns = tuple(dict.fromkeys(p.quantity for _, entries in found for p in entries))
    engines = [e for e in ctx.engines if any(p.engine == e for _, es in found for p in es)]
    states: Counter[str] = Counter()
    lines: list[tuple[CaseRecord, str, list[tuple[Number, str, Link | None]]]] = []
    for case, entries in found:
        text = {p.quantity: p.printed for p in entries}
        lines.append(
            (case, "printed", [(_plain(text.get(q, "")), "printed", None) for q in columns])
        )
        for engine in engines:
            held = {p.quantity: p for p in entries if p.engine == engine}
            cells: list[tuple[Number, str, Link | None]] = []
            for quantity in columns:
                if quantity not in held:
                    cells.append((_plain(""), "", None))
                    continue
                state, cause = match_state(case, held[quantity], ctx)
                states[state] += 1
                cells.append((_plain(_like_printed(held[quantity])), state, cause))
            lines.append((case, engine, cells))
    aligned = [align(cells[i][0] for _, _, cells in lines) for i in range(len(columns))]
    rows: dict[str, list[tuple[str, int, tuple[PrintedCell, ...]]]] = {}
    for place, (case, engine, cells) in enumerate(lines):
        shown = tuple(
            PrintedCell(aligned[i][place], state, cause)
            for i, (_, state, cause) in enumerate(cells)
        )
        rows.setdefault(case.id, []).append((engine, ctx.rank(engine), shown))
    return PrintedTable(
        source,
        tuple(c.removeprefix("table.") for c in columns),
        tuple(
            PrintedRow(ctx.anchors[case.id], ctx.titles[case.id], tuple(rows[case.id]))
            for case, _ in found
        ),
        states["match"],
        sum(states.values()),
        states["definition"],
    )


def _plain(text: str) -> Number:
    return Number(text, len(text))


def printed_lines(case: CaseRecord, ctx: Context) -> tuple[PrintedLine, ...]:
    """Return every printed number of a case and what each engine gives."""
    lines = []
    for entry in case.printed:
        state, cause = match_state(case, entry, ctx)
        quantity = entry.quantity.replace("table.", "final table, ").replace("_", " ")
        lines.append(
            PrintedLine(
                quantity, entry.item, entry.printed, entry.engine, number(entry.value), state, cause
            )
        )
    return tuple(lines)


def match_state(case: CaseRecord, entry: Printed, ctx: Context) -> tuple[str, Link | None]:
    """Return whether a number matches print, and if not, whether a definition explains it.

    It does when the printed number is another engine's own, and computed like for like at that
    engine's estimates it becomes this engine's number, but for a twentieth of the difference.
    """
    if entry.matches:
        return "match", None
    if entry.quantity not in BY_DEFINITION:
        return "mismatch", None
    column, cause = BY_DEFINITION[entry.quantity]
    for other in case.printed:
        same = (other.source, other.quantity, other.item, other.printed) == (
            entry.source,
            entry.quantity,
            entry.item,
            entry.printed,
        )
        if not same or not other.matches:
            continue
        audit = case.audit(other.engine)
        rows = audit.coefficients if audit is not None else ()
        alike = next((getattr(c, column) for c in rows if c.name == entry.item), None)
        if alike is not None and abs(alike - entry.value) < abs(other.value - entry.value) / 20:
            return "definition", ctx.causes.get(cause)
    return "mismatch", None


def _like_printed(entry: Printed) -> str:
    """Return a value with as many decimals as its printed form has."""
    mantissa, _, exponent = entry.printed.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    if not math.isfinite(entry.value):
        return number(entry.value)
    if exponent:
        return f"{entry.value:.{decimals}e}"
    return f"{entry.value:.{decimals}f}"
