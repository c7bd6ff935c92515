"""What the terminal shows: the same as the report, in the same order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.commands.installation import Check
from harness.data.rungs import Rung
from harness.engines.engine import Failure, Fit
from harness.judge.causes.entries import load_known
from harness.judge.comparison import Comparison
from harness.judge.records import CaseRecord
from harness.judge.verdict import VerdictClass
from harness.page.excerpt import Excerpt
from harness.page.html.words import headline_of, headline_of_properties
from harness.spelling.calls import lme4_formula

_MARKS: dict[VerdictClass, tuple[str, str]] = {
    "AGREE": ("=", "green"),
    "TOLERANCE": ("~", "green"),
    "DEFINITION": ("d", "cyan"),
    "CODING": ("c", "cyan"),
    "WRONG_OPTIMUM": ("!", "yellow"),
    "DIFFERENT_MODEL": ("!", "yellow"),
    "DATA_MISMATCH": ("!", "red"),
    "UNSUPPORTED": ("-", "bright_black"),
    "FAILED": ("x", "yellow"),
    "ENVIRONMENT": ("x", "red"),
    "UNEXPLAINED": ("?", "red"),
}

_LABELS = {
    "loglik": "logLik",
    "estimate": "estimate",
    "se": "SE",
    "df": "df (Satt.)",
    "statistic": "t",
    "p": "p",
    "variance": "variance",
    "residual_variance": "residual variance",
    "random_effect": "random effects",
    "fitted": "fitted",
}


MOST_LINES = 20
"""Cases of a large run that the terminal lists."""


def _console() -> Console:
    console = Console(highlight=False)
    # A pipe or a file has no width; 80 columns would cut what a reader of a log wants to see.
    return console if console.is_terminal else Console(highlight=False, width=120)


def _verdict_text(verdict: VerdictClass) -> Text:
    mark, style = _MARKS[verdict]
    return Text(f"{mark} {verdict.replace('_', ' ')}", style=style)


def print_excerpt(excerpt: Excerpt, records: Path, page: Path) -> None:
    """Print a line per case shown, the sentence that sums up, and where the report is."""
    console = _console()
    cases = excerpt.run.cases[:MOST_LINES] if excerpt.large else excerpt.run.cases
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("case", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("cause", overflow="fold")
    table.add_column("digits", justify="right", no_wrap=True)
    table.add_column("tight", justify="right", no_wrap=True)
    for case in cases:
        first = case.verdicts[0]
        table.add_row(
            Text(case.id),
            _verdict_text(first.verdict),
            ", ".join(first.causes),
            _least_digits(case, "default"),
            _least_digits(case, "tight"),
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


def _least_digits(case: CaseRecord, setting: str) -> str:
    found = [
        c.digits
        for c in case.comparisons
        if c.setting == setting and c.quantity in ("estimate", "se", "df", "p")
    ]
    return _digits(min(found)) if found and not any(map(math.isnan, found)) else ""


def _digits(value: float) -> str:
    if math.isnan(value):
        return "nan"
    # 15.95 digits is all that a double holds.
    return "equal" if value > 15.9 else f"{max(value, 0.0):.1f}"


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
    """Print both fits of one case side by side, the verdict, and what differs by definition."""
    console = _console()
    left, right = case.fits[0], case.fits[1]
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
    rows_of = [c for c in case.comparisons if c.setting == "default"]
    if rows_of:
        console.print(_side_by_side(rows_of, left, right, versions))
    else:
        _print_alone(console, left)
        _print_alone(console, right)
    verdict = case.verdicts[0]
    console.print(Text.assemble(_verdict_text(verdict.verdict), f"  {verdict.sentence}"))
    known = load_known()
    for cause, evidence in zip(verdict.causes, verdict.evidence, strict=True):
        console.print(Text(f"  cause    {cause}: {known[cause].title}. {evidence}"))
        if known[cause].remedy:
            console.print(Text(f"  remedy   {known[cause].remedy}"))
    for definition in sorted({d.cause for d in case.definitions}):
        example = next(d for d in case.definitions if d.cause == definition)
        focus = [d for d in case.definitions if d.cause == definition and d.item == case.focus]
        example = focus[0] if focus else example
        text = (
            f"  note     {known[definition].title}: {example.item} "
            f"{_number(example.left)} there, "
            f"{'nothing' if example.right is None else _number(example.right)} in R"
        )
        if example.like_for_like is not None:
            text += f", {_number(example.like_for_like)} like for like"
        console.print(Text(f"{text} ({definition})"))
    for fit in (left, right):
        for message in fit.messages:
            if message.kind != "note":
                console.print(Text(f"  said     {fit.engine}: {' '.join(message.text.split())}"))
    for note in case.notes:
        console.print(Text(f"  note     {note}"))


def _print_alone(console: Console, fit: Fit | Failure) -> None:
    if isinstance(fit, Failure):
        console.print(Text(f"{fit.engine}: no fit ({fit.reason}): {fit.text}"))
        return
    shown = ", ".join(f"{c.name} {_number(c.estimate)}" for c in fit.coefficients)
    loglik = "" if fit.loglik is None else f"logLik {_number(fit.loglik)}, "
    console.print(
        Text(f"{fit.engine}: {loglik}{shown}, residual variance {_number(fit.residual_variance)}")
    )


def _side_by_side(
    rows: Sequence[Comparison], left: Fit | Failure, right: Fit | Failure, versions: dict[str, str]
) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("")
    for fit in (left, right):
        table.add_column(f"{fit.engine} {versions.get(fit.engine, '')}".strip(), justify="right")
    table.add_column("difference", justify="right")
    table.add_column("digits", justify="right")
    table.add_column("")
    shown = ""
    for row in rows:
        item = row.item if row.quantity not in ("random_effect", "fitted") else "largest"
        item = item if item != shown or row.quantity == "estimate" else ""
        shown = row.item
        unit = {"SE": " SE", "log10": " log10"}.get(row.unit, "")
        table.add_row(
            Text(item),
            _LABELS[row.quantity],
            *_pair(row.left, row.right),
            f"{row.difference:.1e}{unit}" if row.difference else "0",
            _digits(row.digits),
            Text("" if row.within else "!", style="bold red"),
        )
    return table


def _pair(left: float, right: float) -> tuple[str, str]:
    """Write two values with the same number of decimals, seven digits of the larger."""
    size = max(abs(left), abs(right))
    if not (math.isfinite(left) and math.isfinite(right)) or size >= 1e7 or 0.0 < size < 1e-4:
        return _number(left), _number(right)
    decimals = 6 if size < 1.0 else 6 - math.floor(math.log10(size))
    return f"{left:.{decimals}f}", f"{right:.{decimals}f}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    if value != 0.0 and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3e}"
    return f"{value:.7g}" if abs(value) >= 1.0 else f"{value:.6f}"
