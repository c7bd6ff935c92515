"""What the terminal shows: the same as the report, in the same order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.base.text import whose
from harness.data.rungs import Rung
from harness.diagnose.installation import Check
from harness.engines.engine import Failure, Fit, Setting
from harness.judge.case_verdict import Told, examples, told
from harness.judge.causes.entries import load_known
from harness.judge.comparison import Comparison, Difference
from harness.judge.definition_notes import DefinitionNote
from harness.judge.records import CaseRecord
from harness.judge.sentence import sentence
from harness.judge.verdict import VerdictClass
from harness.page import appearance, words
from harness.page.excerpt import Excerpt
from harness.page.number_table import NumberTable, number_table
from harness.page.numbers import digits_of_agreement, number
from harness.page.words import headline_of, headline_of_properties
from harness.spelling.calls import lme4_formula

MOST_LINES = 20
"""Cases of a large run that the terminal lists."""


def _console() -> Console:
    console = Console(highlight=False)
    # A pipe or a file has no width; 80 columns would cut what a reader of a log wants to see.
    return console if console.is_terminal else Console(highlight=False, width=120)


def _verdict_text(verdict: VerdictClass) -> Text:
    look = appearance.VERDICTS[verdict]
    return Text(f"{look.sign} {look.label}", style=appearance.STYLES[look.family])


def print_excerpt(excerpt: Excerpt, records: Path, page: Path) -> None:
    """Print a line per case shown, the sentence that sums up, and where the report is."""
    console = _console()
    cases = excerpt.run.cases[:MOST_LINES] if excerpt.large else excerpt.run.cases
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("case", overflow="fold")
    several = len(excerpt.run.header.engines) > 2
    if several:
        table.add_column("engine", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("cause", overflow="fold")
    table.add_column("digits", justify="right", no_wrap=True)
    table.add_column("tight", justify="right", no_wrap=True)
    for case in cases:
        for place, one in enumerate(_lines(case, several=several)):
            table.add_row(
                Text("" if place else case.id),
                *([Text(one.engine)] if several else []),
                _verdict_text(one.verdict),
                ", ".join(one.causes),
                _least_digits(case, one.engine, "default"),
                _least_digits(case, one.engine, "tight"),
            )
    if cases:
        console.print(table)
        console.print(
            "digits: fewest digits of agreement on any coefficient's estimate, SE, df or p"
        )
    if len(cases) < excerpt.summary.cases:
        console.print(f"the {len(cases)} worst of {excerpt.summary.cases} cases")
    console.print()
    if excerpt.summary.cases:
        said = headline_of(excerpt.summary.blamed)
        lead = " ".join(part for part in (said.lead, said.rest) if part)
        console.print(Text(lead, style="bold"))
    if excerpt.summary.properties:
        console.print(Text(headline_of_properties(excerpt.summary.properties), style="bold"))
    console.print(f"report   {page}", soft_wrap=True)
    console.print(f"records  {records}", soft_wrap=True)


def _lines(case: CaseRecord, *, several: bool) -> tuple[Told, ...]:
    """Return what is told of a case; of several engines the reference too, judged by itself."""
    first = tuple(one for one in told(case) if one.setting == told(case)[0].setting)
    alone = case.judgement(case.reference, first[0].setting) if several else None
    return first if alone is None or alone in first else (*first, alone)


def _least_digits(case: CaseRecord, engine: str, setting: Setting) -> str:
    one = case.comparison(engine, setting)
    found = [
        d.digits
        for d in (one.differences if one is not None else ())
        if d.quantity in ("estimate", "se", "df", "p")
    ]
    return digits_of_agreement(min(found)) if found and not any(map(math.isnan, found)) else ""


def print_rungs(rungs: Sequence[Rung]) -> None:
    """Print the rungs of the ladder."""
    console = _console()
    heading = ""
    for rung in rungs:
        if rung.group != heading:
            heading = rung.group
            console.print(f"\n[bold]{heading}[/bold]")
        formula = lme4_formula(rung.case.model)
        console.print(Text(f"  {rung.case.id:<44} {rung.title:<36} {formula}"), soft_wrap=True)


def print_checks(checks: Sequence[Check]) -> None:
    """Print what the doctor found, with the command that mends each failure."""
    console = _console()
    for check in checks:
        mark, style = ("ok  ", "green") if check.ok else ("FAIL", "bold red")
        line = Text.assemble((mark, style), f"  {check.name:<24} {check.found}")
        console.print(line, soft_wrap=True)
        if not check.ok and check.mend:
            console.print(Text(f"      mend it: {check.mend}", style="yellow"), soft_wrap=True)
    bad = sum(not check.ok for check in checks)
    console.print("all well" if not bad else f"{bad} of {len(checks)} checks failed")


def print_case(case: CaseRecord, versions: dict[str, str]) -> None:
    """Print the fits of one case side by side, the verdicts, and what differs by definition."""
    console = _console()
    groups = ", ".join(f"{n} {g}" for g, n in case.data.groups.items())
    dropped = case.data.rows - case.data.rows_used
    rows = f"{case.data.rows_used} rows" + (
        f" ({dropped} with missing values left out)" if dropped else ""
    )
    console.print(
        Text(
            f"{case.formula}   {case.criterion}   {rows}{', groups: ' + groups if groups else ''}",
            style="bold",
        ),
        soft_wrap=True,
    )
    console.print()
    first = [one for one in case.comparisons if one.setting == "default"]
    for table in _side_by_side(console, case, first, versions):
        console.print(table)
    beside = {e for c in first if c.differences for e in (c.engine, c.reference)}
    for fit in case.fits:
        if fit.setting == "default" and fit.engine not in beside:
            _print_alone(console, fit)
    explained: set[str] = set()
    for one in told(case):
        if one.setting == "default":
            _print_verdict(console, one, explained, named=len(case.engines) > 2)
    known = load_known()
    if any(known[key].remedy for key in explained):
        console.print(Text("  to try is not run here: lmm-parity diagnose runs what may help"))
    for note in examples(case):
        text = (
            f"  note     {known[note.cause].title}: {_what(note)} {note.engine} "
            f"{number(note.value)}, {case.reference} "
            f"{'none' if note.reference is None else number(note.reference)}"
        )
        if note.like_for_like is not None:
            text += f", referee at {whose(note.engine)} point {number(note.like_for_like)}"
        console.print(Text(f"{text} ({note.cause})"))
    for fit in case.fits:
        for message in fit.messages:
            if fit.setting == "default" and message.kind != "note":
                console.print(Text(f"  said     {fit.engine}: {' '.join(message.text.split())}"))
    for remark in case.notes:
        console.print(Text(f"  note     {remark}"))


def _what(note: DefinitionNote) -> str:
    return note.item or words.QUANTITIES.get(note.quantity, note.quantity.upper())


def _print_verdict(console: Console, one: Told, explained: set[str], *, named: bool) -> None:
    """Print a verdict with its causes; what one is and what often helps, the first time only."""
    who = Text(f"{one.engine}  " if named else "", style="bold")
    console.print(Text.assemble(who, _verdict_text(one.verdict), f"  {one.sentence}"))
    known = load_known()
    for evidence in one.evidence:
        cause = known[evidence.cause]
        title = "" if evidence.cause in explained else f" {cause.title}."
        console.print(Text(f"  cause    {evidence.cause}:{title} {sentence(evidence)}"))
        if cause.remedy and evidence.cause not in explained:
            console.print(Text(f"  to try   {cause.remedy}"))
        explained.add(evidence.cause)


def _print_alone(console: Console, fit: Fit | Failure) -> None:
    if isinstance(fit, Failure):
        console.print(Text(f"{fit.engine}: no fit ({fit.reason}): {fit.text}"))
        return
    shown = ", ".join(f"{c.name} {number(c.estimate)}" for c in fit.coefficients)
    loglik = "" if fit.loglik is None else f"logLik {number(fit.loglik)}, "
    console.print(
        Text(f"{fit.engine}: {loglik}{shown}, residual variance {number(fit.residual_variance)}")
    )


def _side_by_side(
    console: Console, case: CaseRecord, comparisons: Sequence[Comparison], versions: dict[str, str]
) -> Iterator[Table]:
    """Yield the table of all engines; where it is too wide, one for each of them."""
    numbers = number_table(case, comparisons)
    if numbers is None:
        return
    whole = _table(numbers, versions)
    if _width(console, whole) <= console.width:
        yield whole
        return
    for one in numbers.comparisons:
        alone = number_table(case, [one])
        if alone is not None:
            wide = _table(alone, versions)
            fits = _width(console, wide) <= console.width
            yield wide if fits else _table(alone, versions, narrow=True)


def _width(console: Console, table: Table) -> int:
    """Return how wide a table is that no line of is broken, however narrow the console."""
    return Measurement.get(console, console.options.update(max_width=1000), table).maximum


def _table(numbers: NumberTable, versions: dict[str, str], *, narrow: bool = False) -> Table:
    """Lay out numbers; ``narrow`` puts versions on a line of their own, and columns closer."""
    table = Table(box=None, pad_edge=False, padding=(0, 1 if narrow else 2, 0, 0))
    table.add_column("")
    table.add_column("")
    for column in numbers.columns:
        version = "" if column.referee else versions.get(column.engine, "")
        lines = ("referee at", whose(column.engine), "point")
        printed = ("\n" if narrow else " ").join((column.engine, version))
        head = "\n".join(lines) if column.referee else printed
        table.add_column(head.strip(), justify="right", no_wrap=True)
    several = len(numbers.comparisons) > 1
    for one in numbers.comparisons:
        head = f"{one.engine}\ndiffers by" if several else "difference"
        table.add_column(head, justify="right", no_wrap=True)
        table.add_column("digits", justify="right", no_wrap=True)
    shown = ""
    for row in numbers.rows:
        item = row.item if row.quantity not in ("random_effect", "fitted") else "largest"
        item = item if item != shown or row.quantity == "estimate" else ""
        shown = row.item
        cells: list[str | Text] = ["" if cell is None else cell.text for cell in row.numbers()]
        for difference in row.differences:
            cells += _difference(difference)
        label = words.LONG.get(row.quantity) or words.QUANTITIES.get(row.quantity, row.quantity)
        table.add_row(Text(item), label, *cells)
    return table


def _difference(difference: Difference | None) -> list[str | Text]:
    if difference is None:
        return ["", ""]
    unit = {"SE": " SE", "log10": " log10"}.get(difference.unit, "")
    return [
        f"{difference.difference:.1e}{unit}" if difference.difference else "0",
        Text.assemble(
            digits_of_agreement(difference.digits),
            ("  " if difference.within else " !", "bold red"),
        ),
    ]
