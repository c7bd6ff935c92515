"""The suite's outcomes in text: for a terminal, and for the message of a failing test."""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from harness.conformance.suite_result import (
    OutcomeStanding,
    SuiteResult,
    by_kind,
    by_property,
    kind,
    named,
    times,
    titled,
    why_expected,
)
from harness.data.rungs import Rung
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.sentence import sentences
from harness.model.table import FactorColumn, Table
from harness.spelling.calls import lme4_formula

MOST_ROWS = 30
"""Rows of a table that are shown; a falsifying example has fewer."""

_MOST_KINDS = 20


def table_text(table: Table) -> str:
    """Return a table as aligned text, at most :data:`MOST_ROWS` rows."""
    columns = []
    for column in table.columns:
        if isinstance(column, FactorColumn):
            fields = [column.levels[k] if k >= 0 else "NA" for k in column.codes[:MOST_ROWS]]
        else:
            fields = [f"{value:.10g}" for value in column.values[:MOST_ROWS]]
        width = max(len(column.name), *map(len, fields))
        numeric = not isinstance(column, FactorColumn)
        cells = [column.name, *fields]
        columns.append([c.rjust(width) if numeric else c.ljust(width) for c in cells])
    lines = ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]
    more = table.n_rows - MOST_ROWS
    return "\n".join([*lines, *([f"... and {more} more rows"] if more > 0 else [])])


def failure_text(outcome: PropertyOutcome, rung: Rung, saved: str = "") -> str:
    """Return a failure for a person: what does not hold, on which table, and why."""
    case = rung.case
    groups = ", ".join(f"{len(t.levels)} {t.group}" for t in case.design.random)
    lines = [
        f"{outcome.property} does not hold for {outcome.engine}: {named(outcome)}",
        "",
        f"  {outcome.sentence}",
        *(f"    {line}" for line in (*sentences(outcome.evidence), *outcome.notes)),
        "",
        f"  {lme4_formula(case.model)}   {case.model.criterion}   {case.table.n_rows} rows"
        + (f", {groups}" if groups else ""),
        "",
        *(f"  {line}" for line in table_text(case.table).splitlines()),
    ]
    if saved:
        lines += ["", f"  saved    {saved}"]
    return "\n".join(lines)


def print_judgement(console: Console, judgement: SuiteResult) -> None:
    """Print a line per property, the unexpected failures, stale expectations and the sentence."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("property", overflow="fold")
    for heading in ("holds", "expected", "fails", "n/a"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("why it fails", overflow="fold")
    for name, group in by_property(judgement.judged).items():
        counts = Counter(j.standing for j in group)
        grid.add_row(
            Text(name),
            *(_number(counts[s]) for s in ("holds", "expected")),
            _number(counts["unexpected"], style="bold red"),
            _number(counts["not applicable"], style="bright_black"),
            Text(_causes(group)),
        )
    console.print(grid)
    _print_unexpected(console, judgement)
    _print_expected(console, judgement)
    for line in judgement.stale:
        console.print(
            Text(f"stale    {line}", style="red" if judgement.strict else "yellow"),
            soft_wrap=True,
        )
    for note in judgement.notes:
        console.print(Text(f"note     {note}"), soft_wrap=True)
    style = "bold green" if judgement.passed else "bold red"
    console.print(Text(judgement.headline, style=style), soft_wrap=True)


def _print_unexpected(console: Console, judgement: SuiteResult) -> None:
    groups = by_kind(judgement.of("unexpected"))
    for name, group in list(groups.items())[:_MOST_KINDS]:
        worst = group[0].outcome
        console.print(
            Text.assemble(("FAILS    ", "bold red"), (titled(name), "bold")), soft_wrap=True
        )
        lines = [times(group), f"{worst.property}, {worst.case}", worst.sentence]
        lines += [f"  {line}" for line in (*sentences(worst.evidence), *worst.notes)[:5]]
        lines += [f"saved as {j.saved}" for j in group if j.saved]
        for line in lines:
            console.print(Text(f"         {line}"), soft_wrap=True)
        console.print()
    if len(groups) > _MOST_KINDS:
        console.print(f"... and {len(groups) - _MOST_KINDS} kinds of failure more\n")


def _print_expected(console: Console, judgement: SuiteResult) -> None:
    for name, group in by_kind(judgement.of("expected")).items():
        why = why_expected(group)
        console.print(
            Text(f"expected {name}, {len(group)} times: {why}", style="bright_black"),
            soft_wrap=True,
        )


def _number(count: int, style: str = "") -> Text:
    return Text(str(count) if count else "", style=style)


def _causes(group: list[OutcomeStanding]) -> str:
    """Return the first cause of each failure, the most frequent ones first."""
    failing = [j.outcome for j in group if j.standing in ("expected", "unexpected")]
    found = Counter(kind(o).partition(",")[0] for o in failing)
    return ", ".join(f"{cause} {count}" for cause, count in found.most_common(3))
