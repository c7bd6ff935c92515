"""An outcome in text, for the message of a failing test: what does not hold, on which table."""

from __future__ import annotations

from harness.conformance.suite_result import named
from harness.data.rungs import Rung
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.sentence import sentences
from harness.model.table import FactorColumn, Table
from harness.spelling.lme4_spelling import model_text

MOST_ROWS = 30
"""Rows of a table that are shown; a falsifying example has fewer."""


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
        f"  {model_text(case.model)}   {case.model.criterion}   {case.table.n_rows} rows"
        + (f", {groups}" if groups else ""),
        "",
        *(f"  {line}" for line in table_text(case.table).splitlines()),
    ]
    if saved:
        lines += ["", f"  saved    {saved}"]
    return "\n".join(lines)
