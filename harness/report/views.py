"""Records as rows: the summary, the ladder table, the printed table and the heat map.

The templates only lay out what stands here; every choice of what to show is made in this module and
in :mod:`harness.report.cards`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from harness.campaign.records import CaseRecord, Printed, Run
from harness.engines.base import Coefficient, Failure, Fit, Setting
from harness.report import words
from harness.report.format import (
    DF_DIGITS,
    ESTIMATE_DIGITS,
    SE_DIGITS,
    Number,
    align,
    count,
    digits_of_agreement,
    number,
    pair,
    pair_of_p,
    short,
)
from harness.report.format import seconds as duration
from harness.verdicts.comparison import Comparison
from harness.verdicts.verdict import Verdict

# Quantities of the row's own coefficient: what the ladder's "digits" column is the least of.
INFERENCE = ("loglik", "estimate", "se", "df", "statistic", "p")

# Column of a coefficient table behind a publication's number, and the definition that may account
# for an engine's printing another one. It is tested by match_state, never assumed.
BY_DEFINITION = {
    "table.Stat": ("statistic", "se-joint-hessian"),
    "table.Pval": ("p", "z-for-t"),
    "statistic": ("statistic", "se-joint-hessian"),
    "p": ("p", "z-for-t"),
    "se": ("se", "se-joint-hessian"),
}


@dataclass(frozen=True)
class Link:
    """A word and the place on the page that it leads to."""

    text: str
    href: str


@dataclass(frozen=True)
class Badge:
    """A verdict as shown: icon, class, engines and causes."""

    label: str
    plain: str
    family: str
    icon: str
    engines: str
    causes: tuple[Link, ...]
    setting: str


@dataclass(frozen=True)
class Line:
    """One engine's line of a row: its numbers, or why it has none."""

    engine: str
    rank: int
    cells: tuple[Markup, ...]
    note: str = ""


@dataclass(frozen=True)
class LadderRow:
    """One case in the ladder table."""

    anchor: str
    title: str
    formula: str
    criterion: str
    focus: str
    lines: tuple[Line, ...]
    printed: str
    matches: tuple[tuple[str, str], ...]
    digits: str
    digits_sort: float
    digits_in: str
    badge: Badge
    others: tuple[Badge, ...]
    group: str
    search: str


@dataclass(frozen=True)
class HeatCell:
    """The least digits of agreement of one quantity in one setting."""

    text: str
    css: str
    hint: str
    outside: bool = False


@dataclass(frozen=True)
class HeatRow:
    """One case in the heat map."""

    anchor: str
    title: str
    criterion: str
    badge: Badge
    cells: tuple[HeatCell, ...]
    group: str


@dataclass(frozen=True)
class HeatMap:
    """Case by quantity, a block of columns for each setting."""

    settings: tuple[str, ...]
    quantities: tuple[str, ...]
    rows: tuple[HeatRow, ...]


@dataclass(frozen=True)
class TallyRow:
    """How many cases have a verdict; ``start`` and ``width`` are its part of the bar."""

    label: str
    plain: str
    family: str
    icon: str
    count: int
    start: float
    width: float


@dataclass(frozen=True)
class PrintedTable:
    """A publication's own table, with what the engines give now under each printed number."""

    source: str
    columns: tuple[str, ...]
    rows: tuple[PrintedRow, ...]
    matched: int
    total: int
    by_definition: int


@dataclass(frozen=True)
class PrintedRow:
    """One model of the publication's table: a line for print, one for each engine."""

    anchor: str
    title: str
    lines: tuple[tuple[str, int, tuple[PrintedCell, ...]], ...]


@dataclass(frozen=True)
class PrintedCell:
    """A number and how it stands to the printed one: printed, match, definition, mismatch."""

    text: Markup
    state: str = ""
    cause: Link | None = None


@dataclass(frozen=True)
class Context:
    """What every view needs to know about the run: engine order and link targets."""

    engines: tuple[str, ...]
    reference: str
    settings: tuple[Setting, ...]
    anchors: dict[str, str]
    titles: dict[str, str]
    causes: dict[str, Link] = field(default_factory=dict)

    def rank(self, engine: str) -> int:
        """Return the engine's place; the reference is last, as it is drawn at the back."""
        return self.engines.index(engine) if engine in self.engines else len(self.engines)

    def cause(self, key: str) -> Link:
        """Return the link to a cause's explanation."""
        return self.causes.get(key, Link(key, "#" + words.anchor("cause", key)))

    def badge(self, verdict: Verdict) -> Badge:
        """Return a verdict as shown."""
        shown = words.VERDICTS[verdict.verdict]
        return Badge(
            label=shown.label,
            plain=shown.plain,
            family=shown.family,
            icon=shown.icon,
            engines=words.join(verdict.engines) if verdict.engines else "",
            causes=tuple(self.cause(key) for key in verdict.causes),
            setting=verdict.setting,
        )


def context(run: Run) -> Context:
    """Return the engine order (reference last) and a unique anchor for every case."""
    named = list(
        dict.fromkeys([*run.header.engines, *(f.engine for c in run.cases for f in c.fits)])
    )
    reference = run.header.reference
    order = [e for e in named if e != reference] + [e for e in named if e == reference]
    anchors: dict[str, str] = {}
    for case in run.cases:
        anchors[case.id] = words.anchor("case", case.id, set(anchors.values()))
    used = {f.setting for c in run.cases for f in c.fits} | set(run.header.settings)
    settings: tuple[Setting, ...] = ("default", "tight")
    return Context(
        engines=tuple(order),
        reference=reference,
        settings=tuple(s for s in settings if s in used),
        anchors=anchors,
        titles=_titles(run),
    )


def _titles(run: Run) -> dict[str, str]:
    """Return titles that tell cases apart: a shared one gets the last part of the id."""
    shared = Counter((case.title, case.criterion) for case in run.cases)
    return {
        case.id: case.title
        if shared[case.title, case.criterion] == 1
        else f"{case.title}, {case.id.rpartition('/')[2]}"
        for case in run.cases
    }


def tally(run: Run) -> tuple[TallyRow, ...]:
    """Return the counts by verdict, as parts of a bar 100 units long."""
    counts = Counter(words.main_verdict(case).verdict for case in run.cases)
    start, rows = 0.0, []
    for verdict, shown in words.VERDICTS.items():
        if not counts[verdict]:
            continue
        width = 100.0 * counts[verdict] / len(run.cases)
        rows.append(
            TallyRow(
                shown.label, shown.plain, shown.family, shown.icon, counts[verdict], start, width
            )
        )
        start += width
    return tuple(rows)


def ladder(run: Run, ctx: Context) -> tuple[LadderRow, ...]:
    """Return the ladder table, with every column lined up over all rows."""
    blocks = [_ladder_numbers(case, ctx) for case in run.cases]
    filled = [cells for block in blocks for _, cells, _ in block if cells]
    columns = [align(column) for column in zip(*filled, strict=True)]
    aligned = iter(zip(*columns, strict=True))
    return tuple(
        _ladder_row(
            case,
            ctx,
            tuple(
                Line(engine, ctx.rank(engine), tuple(next(aligned)) if cells else (), note)
                for engine, cells, note in block
            ),
        )
        for case, block in zip(run.cases, blocks, strict=True)
    )


def _ladder_row(case: CaseRecord, ctx: Context, lines: tuple[Line, ...]) -> LadderRow:
    worst = least_digits(
        c
        for c in case.comparisons
        if c.setting == "default"
        and c.quantity in INFERENCE
        and (c.quantity == "loglik" or not case.focus or c.item == case.focus)
    )
    printed = [
        p
        for p in case.printed
        if p.quantity in ("table.Coef", "estimate") and p.item in ("", case.focus)
    ]
    # The same number is often printed twice; the form with most digits is the stronger test.
    text = max((p.printed for p in printed), key=len, default="")
    held = [p for p in printed if p.printed == text]
    badge = ctx.badge(words.main_verdict(case))
    return LadderRow(
        anchor=ctx.anchors[case.id],
        title=ctx.titles[case.id],
        formula=case.formula,
        criterion=case.criterion,
        focus=_focus(case),
        lines=lines,
        printed=text,
        matches=tuple(
            (engine, "match" if any(p.matches for p in held if p.engine == engine) else "mismatch")
            for engine in dict.fromkeys(p.engine for p in held)
        ),
        digits=digits_of_agreement(worst.digits if worst else None),
        digits_sort=_sortable(worst.digits) if worst else 99.0,
        digits_in=words.QUANTITIES.get(worst.quantity, worst.quantity)
        if worst and not math.isinf(worst.digits)
        else "",
        badge=badge,
        # A verdict of another setting is worth a line only where it is not a milder one.
        others=tuple(
            ctx.badge(v)
            for v in case.verdicts
            if words.VERDICTS[v.verdict].family not in ("agree", badge.family)
        ),
        group=case.group,
        search=" ".join(
            [case.id, case.title, case.formula, case.criterion, badge.label, badge.engines]
            + [cause.text for cause in badge.causes]
        ).lower(),
    )


def _ladder_numbers(case: CaseRecord, ctx: Context) -> list[tuple[str, tuple[Number, ...], str]]:
    """Return for each engine its four numbers, or none and a note that says why."""
    found: dict[str, Coefficient] = {}
    notes: dict[str, str] = {}
    for engine in ctx.engines:
        outcome = case.fit(engine)
        if isinstance(outcome, Failure):
            notes[engine] = reason(outcome)
        elif outcome is not None:
            source = coefficients(case, engine, "default")
            row = next((c for c in source if c.name == _focus(case)), None)
            if row is None:
                notes[engine] = f"has no coefficient {_focus(case)!r}"
            else:
                found[engine] = row
        else:
            notes[engine] = "not run"
    columns = [
        pair(_compared(case, ctx, "estimate", found), ESTIMATE_DIGITS),
        pair(_compared(case, ctx, "se", found), SE_DIGITS),
        pair(_compared(case, ctx, "df", found), DF_DIGITS),
        pair_of_p(_compared(case, ctx, "p", found)),
    ]
    by_engine = {engine: tuple(column[i] for column in columns) for i, engine in enumerate(found)}
    return [(e, by_engine.get(e, ()), notes.get(e, "")) for e in ctx.engines]


def _compared(
    case: CaseRecord, ctx: Context, quantity: str, found: dict[str, Coefficient]
) -> list[float | None]:
    """Return the values that the verdict rests on, else those of the referee."""
    if tuple(found) == ctx.engines and len(found) == 2:
        for c in case.comparisons:
            if (c.setting, c.quantity, c.item) == ("default", quantity, _focus(case)):
                return [c.left, c.right]
    return [getattr(row, quantity) for row in found.values()]


def coefficients(case: CaseRecord, engine: str, setting: Setting) -> tuple[Coefficient, ...]:
    """Return like-for-like coefficients, or the engine's own where nothing was audited."""
    audit, outcome = case.audit(engine, setting), case.fit(engine, setting)
    if audit is not None:
        return audit.coefficients
    return outcome.coefficients if isinstance(outcome, Fit) else ()


def reason(failure: Failure) -> str:
    """Return why an engine has no answer, in a line."""
    return f"{words.REASONS.get(failure.reason, failure.reason)}: {failure.text}"


def _focus(case: CaseRecord) -> str:
    if case.focus:
        return case.focus
    for outcome in case.fits:
        if isinstance(outcome, Fit) and outcome.coefficients:
            return outcome.coefficients[-1].name
    return ""


def least_digits(comparisons: Iterable[Comparison]) -> Comparison | None:
    """Return the comparison with the fewest digits of agreement; a NaN has fewer than any."""
    return min(comparisons, key=lambda c: _sortable(c.digits), default=None)


def _sortable(digits: float) -> float:
    return -1.0 if math.isnan(digits) else min(digits, 99.0)


def heat_map(run: Run, ctx: Context) -> HeatMap:
    """Return the least digits of agreement by case, quantity and setting."""
    present = {c.quantity for case in run.cases for c in case.comparisons}
    known = [q for q in words.QUANTITIES if q in present]
    quantities = tuple(known + sorted(present - set(known)))
    settings = tuple(
        s for s in ctx.settings if any(c.setting == s for k in run.cases for c in k.comparisons)
    )
    rows = []
    for case in run.cases:
        cells = tuple(
            _heat_cell(
                [c for c in case.comparisons if c.setting == setting and c.quantity == quantity]
            )
            for setting in settings
            for quantity in quantities
        )
        badge = ctx.badge(words.main_verdict(case))
        rows.append(
            HeatRow(
                ctx.anchors[case.id], ctx.titles[case.id], case.criterion, badge, cells, case.group
            )
        )
    return HeatMap(
        settings,
        tuple(words.SHORT.get(q, words.QUANTITIES.get(q, q)) for q in quantities),
        tuple(rows),
    )


def _heat_cell(comparisons: Sequence[Comparison]) -> HeatCell:
    # What is outside its tolerance is what a reader looks for, even when another item has fewer
    # digits but is within (a variance next to zero, for one).
    outside = [c for c in comparisons if not c.within]
    worst = least_digits(outside or comparisons)
    if worst is None:
        return HeatCell("", "none", "")
    text = digits_of_agreement(worst.digits)
    item = f" of {worst.item}" if worst.item else ""
    hint = (
        f"{worst.quantity}{item}: {number(worst.left)} and {number(worst.right)}; difference "
        f"{short(worst.difference)} {worst.unit}, tolerance {short(worst.tolerance)}"
    )
    if outside:
        return HeatCell(text, "out", hint, outside=True)
    level = 5 if math.isinf(worst.digits) else max(0, min(5, int(max(worst.digits, 0) // 2.5)))
    return HeatCell(text, f"in{level}", hint)


def printed_tables(run: Run, ctx: Context) -> tuple[PrintedTable, ...]:
    """Return each publication's own table (quantities ``table.*``) with the engines' numbers."""
    tables: dict[str, list[tuple[CaseRecord, list[Printed]]]] = {}
    for case in run.cases:
        by_source: dict[str, list[Printed]] = {}
        for entry in case.printed:
            if entry.quantity.startswith("table."):
                by_source.setdefault(entry.source, []).append(entry)
        for source, entries in by_source.items():
            tables.setdefault(source, []).append((case, entries))
    return tuple(_printed_table(source, rows, ctx) for source, rows in tables.items())


def _printed_table(
    source: str, found: Sequence[tuple[CaseRecord, list[Printed]]], ctx: Context
) -> PrintedTable:
    columns = tuple(dict.fromkeys(p.quantity for _, entries in found for p in entries))
    engines = [e for e in ctx.engines if any(p.engine == e for _, es in found for p in es)]
    states: Counter[str] = Counter()
    lines: list[tuple[CaseRecord, str, list[tuple[Number, str, Link | None]]]] = []
    for case, entries in found:
        text = {p.quantity: p.printed for p in entries}
        lines.append(
            (case, "printed", [(_plain(text.get(q, "")), "printed", None) for q in columns])
        )
        for engine in engines:
            held = {p.quantity: p for p in entries if p.engine == engine}
            cells: list[tuple[Number, str, Link | None]] = []
            for quantity in columns:
                if quantity not in held:
                    cells.append((_plain(""), "", None))
                    continue
                state, cause = match_state(case, held[quantity], ctx)
                states[state] += 1
                cells.append((_plain(_like_printed(held[quantity])), state, cause))
            lines.append((case, engine, cells))
    aligned = [align(cells[i][0] for _, _, cells in lines) for i in range(len(columns))]
    rows: dict[str, list[tuple[str, int, tuple[PrintedCell, ...]]]] = {}
    for place, (case, engine, cells) in enumerate(lines):
        shown = tuple(
            PrintedCell(aligned[i][place], state, cause)
            for i, (_, state, cause) in enumerate(cells)
        )
        rows.setdefault(case.id, []).append((engine, ctx.rank(engine), shown))
    return PrintedTable(
        source,
        tuple(c.removeprefix("table.") for c in columns),
        tuple(
            PrintedRow(ctx.anchors[case.id], ctx.titles[case.id], tuple(rows[case.id]))
            for case, _ in found
        ),
        states["match"],
        sum(states.values()),
        states["definition"],
    )


def _plain(text: str) -> Number:
    return Number(text, len(text))


def match_state(case: CaseRecord, entry: Printed, ctx: Context) -> tuple[str, Link | None]:
    """Return whether a number matches print, and if not, whether a definition explains it.

    It does when the printed number is another engine's own, and computed like for like at that
    engine's estimates it becomes this engine's number, but for a twentieth of the difference.
    """
    if entry.matches:
        return "match", None
    if entry.quantity not in BY_DEFINITION:
        return "mismatch", None
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
            return "definition", ctx.causes.get(cause)
    return "mismatch", None


def _like_printed(entry: Printed) -> str:
    """Return a value with as many decimals as its printed form has."""
    mantissa, _, exponent = entry.printed.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    if not math.isfinite(entry.value):
        return number(entry.value)
    if exponent:
        return f"{entry.value:.{decimals}e}"
    return f"{entry.value:.{decimals}f}"


def provenance(run: Run) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Return what ran, where and on which data, as titled lists of facts."""
    header, footer = run.header, run.footer
    facts = [
        ("program", header.program),
        ("started", header.created),
        ("finished", footer.finished if footer else "the run did not finish"),
        ("took", duration(footer.seconds) if footer else "unknown"),
        ("cases", f"{len(run.cases)} of {header.planned} planned"),
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
