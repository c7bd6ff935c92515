"""Printed numbers: whether what a publication prints still holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from harness.judge.records import CaseRecord, Printed, Run
from harness.page.appearance import HOLDS
from harness.page.numbers import number, plain
from harness.page.page import Block, Heading, Paragraph
from harness.page.page_line import Line, Link, Sign
from harness.page.page_table import Column, Group, Row, Table, one_group
from harness.page.report.report_context import Context

# Column of a coefficient table behind a publication's number, and the definition that may account
# for an engine's printing another one. It is tested by match_state, never assumed.
BY_DEFINITION = {
    "table.Stat": ("statistic", "se-joint-hessian"),
    "table.Pval": ("p", "z-for-t"),
    "statistic": ("statistic", "se-joint-hessian"),
    "p": ("p", "z-for-t"),
    "se": ("se", "se-joint-hessian"),
}

BY = HOLDS["definition"].label


def printed_tables(run: Run, ctx: Context) -> Iterator[Block]:
    """Yield each publication's own table (quantities ``table.*``) with the engines' numbers."""
    tables: dict[str, list[tuple[CaseRecord, list[Printed]]]] = {}
    for case in run.cases:
        by_source: dict[str, list[Printed]] = {}
        for entry in case.printed:
            if entry.quantity.startswith("table."):
                by_source.setdefault(entry.source, []).append(entry)
        for source, entries in by_source.items():
            tables.setdefault(source, []).append((case, entries))
    for source, found in tables.items():
        yield from _table(source, found, ctx)


def _table(
    source: str, found: Sequence[tuple[CaseRecord, list[Printed]]], ctx: Context
) -> Iterator[Block]:
    quantities = tuple(dict.fromkeys(p.quantity for _, entries in found for p in entries))
    engines = [e for e in ctx.engines if any(p.engine == e for _, es in found for p in es)]
    states: Counter[str] = Counter()
    groups = []
    for case, entries in found:
        text = {p.quantity: p.printed for p in entries}
        printed = [cell for q in quantities for cell in (plain(text.get(q, "")), "")]
        rows = [Row("printed", printed)]
        for engine in engines:
            own = {p.quantity: p for p in entries if p.engine == engine}
            cells: list[Line] = []
            for quantity in quantities:
                if quantity not in own:
                    cells += ["", ""]
                    continue
                state = held(case, own[quantity], ctx)
                states[_word(state)] += 1
                cells += [plain(_like_printed(own[quantity])), state]
            rows.append(Row(ctx.engine(engine), cells))
        groups.append(Group(Link(ctx.titles[case.id], ctx.keys[case.id]), rows))
    yield Paragraph(f"Printed in: {source}. {_counted(states)}", dim=True)
    columns = [
        column
        for quantity in quantities
        for column in (
            Column(quantity.removeprefix("table.")),
            Column("", text=True, kind="state"),
        )
    ]
    yield Table(
        f"Printed numbers and what each engine gives now: {source}",
        (Column("Model", text=True), Column("Source", text=True), *columns),
        groups,
        beside=True,
        kind="printed",
    )


def _counted(states: Counter[str]) -> str:
    total, by = states.total(), states[BY]
    left = total - states[HOLDS["match"].label] - by
    said = f"{states[HOLDS['match'].label]} of {total} numbers round to the printed digits"
    said += f"; {by} differ by definition" if by else ""
    if left:
        return f"{said}; {left} differ."
    return f"{said}." if by else f"{said}: all of them."


def printed_numbers(case: CaseRecord, ctx: Context) -> Iterator[Block]:
    """Yield every printed number of a case and what an engine gives."""
    if not case.printed:
        return
    yield Heading("Printed numbers")
    rows = []
    for entry in case.printed:
        quantity = entry.quantity.replace("table.", "final table, ").replace("_", " ")
        cells = (entry.item, entry.printed, entry.engine, number(entry.value))
        rows.append(Row(quantity, (*cells, held(case, entry, ctx))))
    yield Table(
        "Each number in print, and what the engine gives now",
        (
            Column("quantity", text=True),
            Column("of", text=True),
            Column("printed"),
            Column("engine", text=True),
            Column("now"),
            Column("holds", text=True),
        ),
        one_group(rows),
        named=True,
    )


def _word(state: Line) -> str:
    return state.look.label if isinstance(state, Sign) else BY


def held(case: CaseRecord, entry: Printed, ctx: Context) -> Line:
    """Return whether a number matches print, or that a definition explains why it does not.

    It does when the printed number is another engine's own, and computed like for like at that
    engine's estimates it becomes this engine's number, but for a twentieth of the difference.
    """
    if entry.matches:
        return Sign(HOLDS["match"])
    if entry.quantity not in BY_DEFINITION:
        return Sign(HOLDS["mismatch"])
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
            key = ctx.causes.get(cause)
            return Link(BY, key) if key else BY
    return Sign(HOLDS["mismatch"])


def _like_printed(entry: Printed) -> str:
    """Return a value with as many decimals as its printed form has."""
    mantissa, _, exponent = entry.printed.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    if not math.isfinite(entry.value):
        return number(entry.value)
    if exponent:
        return f"{entry.value:.{decimals}e}"
    return f"{entry.value:.{decimals}f}"
