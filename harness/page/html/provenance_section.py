"""What ran, where and on which data."""

from __future__ import annotations

from dataclasses import dataclass

from harness.base.text import listed
from harness.engines.engine import Fit
from harness.judge.records import CaseRecord, Run
from harness.page.excerpt import Excerpt
from harness.page.html import axes
from harness.page.numbers import count, seconds


def provenance(excerpt: Excerpt) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Return what ran, where and on which data, as titled lists of facts."""
    header, footer = excerpt.run.header, excerpt.run.footer
    facts = [
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
    ]
    blocks = [
        ("Run", tuple(facts)),
        ("Versions", tuple(header.versions.items())),
        ("Platform", tuple(header.platform.items())),
        ("BLAS", tuple(header.blas.items())),
        ("Environment", tuple(header.environment.items())),
        ("Options", tuple(header.options.items())),
    ]
    return tuple(block for block in blocks if block[1])


@dataclass(frozen=True)
class DataSet:
    """A data set of the run and its checksums, one for each set of columns that a model uses."""

    name: str
    origin: str
    rows: str
    checksums: tuple[str, ...]


def data_sets(run: Run) -> tuple[DataSet, ...]:
    """Return every data set of the run once."""
    found: dict[tuple[str, str, int], list[str]] = {}
    for case in run.cases:
        sums = found.setdefault((case.data.name, case.data.origin, case.data.rows), [])
        if case.data.checksum not in sums:
            sums.append(case.data.checksum)
    return tuple(
        DataSet(name, origin, count(rows), tuple(sums))
        for (name, origin, rows), sums in found.items()
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
                + (f" (factor: {axes.shortened(', '.join(c.levels), 60)})" if c.levels else "")
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
