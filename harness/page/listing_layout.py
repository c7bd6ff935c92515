"""Short lists laid out as pages: what the doctor found, and the rungs of the ladder."""

from __future__ import annotations

from collections.abc import Sequence

from harness.data.rungs import Rung
from harness.diagnose.installation import Check
from harness.page.appearance import CHECKS
from harness.page.page import Block, Listing, Page, Paragraph, Section
from harness.page.page_table import Column, Row, Table, one_group
from harness.spelling.lme4_spelling import model_text


def checks_page(checks: Sequence[Check]) -> Page:
    """Lay out what the doctor found, each failure followed by the command that mends it."""
    rows = []
    for check in checks:
        rows.append(Row(CHECKS[check.ok], (check.name, check.found)))
        if not check.ok and check.mend:
            rows.append(Row("", ("", f"mend it: {check.mend}")))
    columns = [Column("", text=True)] * 3
    failed = sum(not check.ok for check in checks)
    said = f"{failed} of {len(checks)} checks failed" if failed else "all well"
    blocks: list[Block] = [Table("What was looked at", columns, one_group(rows)), Paragraph(said)]
    return Page(
        kind="Installation",
        title=said,
        look=CHECKS[not failed],
        sections=(Section("checks", "", blocks),),
    )


def rungs_page(rungs: Sequence[Rung]) -> Page:
    """Lay out the rungs of the ladder under their headings."""
    groups: dict[str, list[str]] = {}
    for rung in rungs:
        line = f"{rung.case.id:<44} {rung.title:<36} {model_text(rung.case.model)}"
        groups.setdefault(rung.group, []).append(line)
    return Page(
        kind="Ladder",
        title="The ladder",
        sections=[
            Section(name, name, (Listing("\n".join(lines), "rungs"),))
            for name, lines in groups.items()
        ],
    )
