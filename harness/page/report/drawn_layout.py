"""What was drawn: shapes, sizes, missing values, and what came of each shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from harness.judge.verdict import VerdictClass
from harness.page.appearance import VERDICTS
from harness.page.excerpt import Excerpt
from harness.page.numbers import count, plain, share
from harness.page.page import Beside, Block, Paragraph
from harness.page.page_line import Length, Tally
from harness.page.page_table import Column, Row, Table, one_group
from harness.page.run_summary import Summary

GENERATED = ("profile", "drawn", "recipes")
"""Options in the header of a run whose cases were generated."""

_SHARE = Column("share", kind="dim")


def tally(counts: Mapping[VerdictClass, int]) -> Tally:
    """Return counts by verdict, in the order in which verdicts are shown."""
    return Tally([(look, counts[v]) for v, look in VERDICTS.items() if counts.get(v)])


def drawn(excerpt: Excerpt) -> Iterator[Block]:
    """Yield what was drawn; nothing for a run whose cases were not generated and are few."""
    summary = excerpt.summary
    options = excerpt.run.header.options
    generated = any(name in options for name in GENERATED)
    if not (generated or excerpt.large) or not (summary.shapes or summary.property_shapes):
        return
    yield Paragraph(
        "How the cases are spread over shapes and sizes, and what came of each shape."
        + _missing(summary),
        dim=True,
    )
    if summary.shapes:
        yield _shapes(summary)
    else:
        yield _checked(summary)
    rows: Counter[int] = Counter()
    groups: Counter[int] = Counter()
    for shape in summary.shapes.values():
        rows.update(shape.rows)
        groups.update(shape.groups)
    sizes = (("rows used", rows), ("levels of the largest factor", groups))
    tables = [(_bins(what, counts),) for what, counts in sizes if counts]
    if tables:
        yield Beside(tables)


def _missing(summary: Summary) -> str:
    missing = sum(shape.missing for shape in summary.shapes.values())
    if missing:
        part = share(missing, summary.cases)
        return f" {count(missing)} of the cases ({part}) have missing values."
    return " No case has missing values." if summary.cases else ""


def _shapes(summary: Summary) -> Table:
    ordered = sorted(summary.shapes.items(), key=lambda item: (-item[1].cases, item[0]))
    rows = [
        Row(
            name or "no heading",
            (
                plain(count(shape.cases)),
                share(shape.cases, summary.cases),
                _range(shape.rows_range),
                _range(shape.groups_range),
                share(shape.missing, shape.cases),
                share(shape.singular, shape.cases),
                tally(shape.verdicts),
            ),
        )
        for name, shape in ordered
    ]
    return Table(
        "Cases, sizes and verdicts by shape",
        (
            Column("shape", text=True),
            Column("cases"),
            _SHARE,
            Column("rows used"),
            Column("levels of largest factor"),
            Column("with missing values"),
            Column("singular"),
            Column("verdicts", text=True, kind="spread"),
        ),
        one_group(rows),
        kind="numbers tabled drawn",
    )


def _checked(summary: Summary) -> Table:
    checks = summary.property_shapes.total()
    rows = [
        Row(name or "no heading", (plain(count(number)), share(number, checks)))
        for name, number in summary.property_shapes.most_common()
    ]
    return Table(
        "Checks by shape of the case",
        (Column("shape", text=True), Column("checks"), _SHARE),
        one_group(rows),
        named=True,
        kind="numbers tabled",
    )


def _bins(what: str, counts: Counter[int]) -> Table:
    """Return a row for every power of two from the smallest to the largest."""
    total, most = counts.total(), max(counts.values())
    # Where a bin is empty a gap shows: leaving it out would draw neighbours that are none.
    edges = [0] if 0 in counts else []
    sizes = [k for k in counts if k]
    edge = min(sizes, default=1)
    while sizes and edge <= max(sizes):
        edges.append(edge)
        edge *= 2
    rows = [
        Row(
            _label(e),
            (plain(count(counts[e])), share(counts[e], total), Length(counts[e] / most)),
        )
        for e in edges
    ]
    return Table(
        f"Cases by {what}",
        (Column(what), Column("cases"), _SHARE, Column("", text=True, kind="length")),
        one_group(rows),
        named=True,
        kind="numbers tabled sizes",
    )


def _label(edge: int) -> str:
    if edge < 2:
        return "none" if edge == 0 else "1"
    return f"{count(edge)}–{count(2 * edge - 1)}"


def _range(sizes: tuple[int, int] | None) -> str:
    low, high = sizes or (0, 0)
    if high == 0:
        return "none"
    if low == high:
        return count(low)
    return f"{'none' if low == 0 else count(low)} to {count(high)}"
