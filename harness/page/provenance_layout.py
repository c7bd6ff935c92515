"""What ran, where and on which data."""

from __future__ import annotations

from collections.abc import Iterator

from harness.base.text import listed, shortened
from harness.engines.engine import Fit
from harness.judge.records import CaseRecord, Run
from harness.page.excerpt import Excerpt
from harness.page.numbers import count, plain, seconds
from harness.page.page import Block, Facts, Heading, Listing, Paragraph, Section
from harness.page.page_line import Code
from harness.page.page_table import Column, Row, Table, one_group


def provenance(excerpt: Excerpt) -> Section:
    """Lay out the command, what ran, where and on which data."""
    run = excerpt.run
    blocks: list[Block] = []
    if run.header.command:
        blocks += [
            Paragraph("This command makes this file:", dim=True),
            Listing(run.header.command, "shell"),
        ]
    for name, facts in _facts(excerpt):
        blocks += [Heading(name), Facts(facts)]
    if run.cases and not excerpt.large:
        blocks.append(_data_sets(run))
    return Section("provenance", "Provenance", blocks, "Provenance", kept=True)


def _facts(excerpt: Excerpt) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    header, footer = excerpt.run.header, excerpt.run.footer
    yield (
        "Run",
        (
            ("program", header.program),
            ("started", header.created),
            ("finished", footer.finished if footer else "the run did not finish"),
            ("took", seconds(footer.seconds) if footer else "unknown"),
            ("cases", f"{count(excerpt.cases)} of {count(header.planned)} planned"),
            ("engines", ", ".join(header.engines)),
            ("reference", header.reference),
            ("settings", ", ".join(header.settings)),
            ("seed", str(header.seed)),
            ("record format", str(header.format)),
        ),
    )
    for name, facts in (
        ("Versions", header.versions),
        ("Platform", header.platform),
        ("BLAS", header.blas),
        ("Environment", header.environment),
        ("Options", header.options),
    ):
        if facts:
            yield name, tuple(facts.items())


def _data_sets(run: Run) -> Table:
    """Lay out every data set once, with a checksum for each set of columns that a model uses."""
    found: dict[tuple[str, str, int], list[str]] = {}
    for case in run.cases:
        sums = found.setdefault((case.data.name, case.data.origin, case.data.rows), [])
        if case.data.checksum not in sums:
            sums.append(case.data.checksum)
    rows = [
        Row(name, (plain(count(rows)), origin, tuple(map(Code, sums))))
        for (name, origin, rows), sums in found.items()
    ]
    return Table(
        "Data sets; a checksum covers rows, levels and missing values of the columns that a model "
        "uses",
        (
            Column("data"),
            Column("rows"),
            Column("from", text=True),
            Column("MD5 of the columns used", text=True),
        ),
        one_group(rows),
        named=True,
    )


def case_data(case: CaseRecord) -> tuple[tuple[str, str], ...]:
    """Return the data of a case as a list of facts, and whether the engines received them."""
    data = case.data
    dropped = data.rows - data.rows_used
    facts = [
        ("data", data.name),
        (
            "rows",
            count(data.rows_used)
            + (f" of {count(data.rows)}; {dropped} with missing values" if dropped else ""),
        ),
        ("groups", ", ".join(f"{name} {count(k)}" for name, k in data.groups.items()) or "none"),
        (
            "columns",
            "; ".join(
                c.name
                + (f" (factor: {shortened(', '.join(c.levels), 60)})" if c.levels else "")
                + (f", {c.missing} missing" if c.missing else "")
                for c in data.columns
            ),
        ),
        ("from", data.origin),
        ("checksum", data.checksum),
    ]
    received = {
        f.engine: f.data_checksum for f in case.fits if isinstance(f, Fit) and f.data_checksum
    }
    if received:
        same = all(value == data.checksum for value in received.values())
        facts.append(
            (
                "received by",
                listed(list(received)) + (" unchanged" if same else ": not the same data"),
            )
        )
    return tuple(facts)
