"""What was drawn: shapes, sizes, missing values, and what came of each shape."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness.page.excerpt import Excerpt
from harness.page.html.summary_section import TallyRow, tally
from harness.page.numbers import count, share
from harness.page.run_summary import Summary

GENERATED = ("profile", "drawn", "recipes")
"""Options in the header of a run whose cases were generated."""


@dataclass(frozen=True)
class ShapeLine:
    """One shape: how often it was drawn, what of, and the verdicts."""

    name: str
    cases: str
    part: str
    rows: str
    groups: str
    missing: str
    singular: str
    tally: tuple[TallyRow, ...]


@dataclass(frozen=True)
class Bin:
    """How many cases are of this size; ``width`` is the length of the bar, at most 100."""

    label: str
    cases: str
    part: str
    width: float


@dataclass(frozen=True)
class Drawn:
    """What was drawn."""

    shapes: tuple[ShapeLine, ...]
    sizes: tuple[tuple[str, tuple[Bin, ...]], ...]
    missing: str
    checked: tuple[tuple[str, str, str], ...]


def drawn(excerpt: Excerpt) -> Drawn | None:
    """Return what was drawn; None for a run whose cases were not generated and are few."""
    summary = excerpt.summary
    options = excerpt.run.header.options
    generated = any(name in options for name in GENERATED)
    if not (generated or excerpt.large) or not (summary.shapes or summary.property_shapes):
        return None
    rows: Counter[int] = Counter()
    groups: Counter[int] = Counter()
    for shape in summary.shapes.values():
        rows.update(shape.rows)
        groups.update(shape.groups)
    sizes = (("rows used", _bins(rows)), ("levels of the largest factor", _bins(groups)))
    missing = sum(shape.missing for shape in summary.shapes.values())
    checks = summary.property_shapes.total()
    return Drawn(
        shapes=_shapes(summary),
        sizes=tuple((what, bins) for what, bins in sizes if bins),
        missing=f"{count(missing)} of the cases ({share(missing, summary.cases)}) have"
        if missing
        else "No case has"
        if summary.cases
        else "",
        checked=tuple(
            (name or "no heading", count(number), share(number, checks))
            for name, number in summary.property_shapes.most_common()
        )
        if not summary.shapes
        else (),
    )


def _shapes(summary: Summary) -> tuple[ShapeLine, ...]:
    ordered = sorted(summary.shapes.items(), key=lambda item: (-item[1].cases, item[0]))
    return tuple(
        ShapeLine(
            name=name or "no heading",
            cases=count(shape.cases),
            part=share(shape.cases, summary.cases),
            rows=_range(shape.rows_range),
            groups=_range(shape.groups_range),
            missing=share(shape.missing, shape.cases),
            singular=share(shape.singular, shape.cases),
            tally=tally(shape.verdicts),
        )
        for name, shape in ordered
    )


def _bins(counts: Counter[int]) -> tuple[Bin, ...]:
    """Return a bin for every power of two from the smallest to the largest."""
    if not counts:
        return ()
    total, most = counts.total(), max(counts.values())
    # Where a bin is empty a gap shows: leaving it out would draw neighbours that are none.
    edges = [0] if 0 in counts else []
    sizes = [k for k in counts if k]
    edge = min(sizes, default=1)
    while sizes and edge <= max(sizes):
        edges.append(edge)
        edge *= 2
    return tuple(
        Bin(_label(e), count(counts[e]), share(counts[e], total), 100.0 * counts[e] / most)
        for e in edges
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
