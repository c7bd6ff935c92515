"""The scoreboard laid out: engines by criteria, and for each engine its faults by cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.conformance.fit_times import Speed
from harness.conformance.scoreboard import (
    CRITERIA,
    Cell,
    Criterion,
    EngineScore,
    Fault,
    Scoreboard,
)
from harness.conformance.suite_result import titled
from harness.engines.engine import Failure
from harness.judge.causes.entries import load_known
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.sentence import sentences
from harness.page.appearance import Look
from harness.page.case_layout import case_page
from harness.page.numbers import number, plain, seconds, share
from harness.page.page import (
    Block,
    Details,
    Facts,
    Heading,
    Items,
    Page,
    Paragraph,
    Section,
)
from harness.page.page_line import Code, Dim, Line, Link, Piece, Sign
from harness.page.page_table import Column, Row, Table, one_group

SCORES: dict[str, Look] = {
    "all": Look("right in all", "agree", "check", "✓"),
    "some": Look("wrong in some", "differ", "warning", "!"),
    "many": Look("wrong in more than a tenth", "unexplained", "cross", "✗"),
    "none": Look("nothing to judge", "silent", "bar", "–"),
}
"""How often an engine is right by a criterion."""

MANY = 0.1
"""Share of wrong answers from which they are many."""


@dataclass(frozen=True)
class Reproduction:
    """Where what reproduces a fault lies.

    Attributes
    ----------
    fit : str
        The command that fits the case by the engine.
    check : str
        The one that checks the property again that failed; empty where the fit shows it.
    """

    folder: str
    fit: str
    check: str


def scoreboard_page(
    board: Scoreboard,
    speeds: Sequence[Speed],
    history: Sequence[tuple[str, str, str]],
    *,
    alone: bool = False,
) -> Page:
    """Lay out the table of engines.

    Parameters
    ----------
    history : sequence of (date, engine with version, in words)
        Earlier boards, the latest first.
    alone : bool
        Without pages beside it: the faults of each engine stand below.
    """
    header = board.header
    sections = [
        Section("engines", "Engines by criterion", tuple(_table(board, alone=alone)), "Engines"),
        Section("coverage", "What they fit", (_coverage(board),), "Coverage"),
    ]
    if speeds:
        sections.append(Section("speed", "Time of a fit", tuple(_speed(speeds)), "Speed"))
    sections.append(Section("how", "How they are judged", tuple(_how(board)), "How"))
    if alone:
        sections += [
            Section(
                engine_key(score.name),
                f"{score.name} {header.versions.get(score.name, '')}".strip(),
                tuple(_faults_in_short(score)),
                # Twelve engines' names do not fit into the bar; the table leads to each.
                "" if i else "Faults",
            )
            for i, score in enumerate(board.engines)
        ]
    if history:
        rows = [Row(date, (who, said)) for date, who, said in history]
        columns = [
            Column("date"),
            Column("engine", text=True),
            Column("right, by criterion", text=True),
        ]
        table = Table("Earlier boards", columns, one_group(rows))
        sections.append(Section("history", "Earlier versions", (table,), "History"))
    return Page(
        kind="Scoreboard",
        title="Scoreboard of mixed-model software",
        made_by=header.program,
        made=header.created,
        answer=tuple(_answer(board)),
        about=f"{header.planned} cases, seed {header.seed}",
        warning=""
        if board.finished
        else "This run did not finish: the cases that are left are not in it.",
        sections=sections,
    )


def _answer(board: Scoreboard) -> Iterator[str]:
    engines, cases = len(board.engines), len(board.verdicts)
    yield f"{engines} engines on the same {cases} cases, in the order of their names."
    yield (
        "Each is judged alone, by an independent referee that proves the optimum: what is not "
        "supported is no fault, and no engine is measured by another."
    )


def _table(board: Scoreboard, *, alone: bool) -> Iterator[Block]:
    versions = board.header.versions
    rows = [
        Row(
            (_link(score.name, score.name, alone), Dim(versions.get(score.name, ""))),
            (
                plain(share(score.fitted, score.cases)),
                *(_cell(score, criterion, alone) for criterion in CRITERIA),
            ),
        )
        for score in board.engines
    ]
    columns = [Column("engine"), Column("fits"), *(Column(c.title) for c in CRITERIA)]
    yield Table("Share of answers that are right", columns, one_group(rows))
    yield Paragraph(
        _legend(),
        dim=True,
    )
    yield Items([f"{c.title}: {c.about}" for c in CRITERIA])
    if not alone:
        yield Paragraph((Link("Every case, all engines side by side", page=CASES),))


def _legend() -> tuple[Piece, ...]:
    looks = list(SCORES.values())
    ends = [";"] * (len(looks) - 1) + ["."]
    return tuple(
        piece
        for look, end in zip(looks, ends, strict=True)
        for piece in (Sign(look), f"{look.label}{end}")
    )


def _link(text: str, engine: str, alone: bool, key: str = "") -> Link:
    """Return a link to an engine's faults: on this page, or on its own."""
    return Link(text, engine_key(engine)) if alone else Link(text, key, page=engine_file(engine))


def _cell(score: EngineScore, criterion: Criterion, alone: bool) -> Line:
    cell = score.cells[criterion.key]
    look = SCORES[_standing(cell)]
    if not cell.judged:
        return (Sign(look),)
    said = share(cell.right, cell.judged)
    return (Sign(look), _link(said, score.name, alone, "criteria"))


def _standing(cell: Cell) -> str:
    if not cell.judged:
        return "none"
    if not cell.wrong:
        return "all"
    return "many" if cell.wrong > MANY * cell.judged else "some"


def _coverage(board: Scoreboard) -> Table:
    columns = [
        Column("engine"),
        Column("cases"),
        Column("fitted"),
        Column("not supported"),
        Column("data refused"),
        Column("errors, crashes, time limits"),
    ]
    rows = [
        Row(
            s.name,
            tuple(plain(str(n)) for n in (s.cases, s.fitted, s.unsupported, s.refused, s.failed)),
        )
        for s in board.engines
    ]
    return Table("What each engine gave", columns, one_group(rows))


def _speed(speeds: Sequence[Speed]) -> Iterator[Block]:
    names = sorted({s.engine for s in speeds}, key=str.casefold)
    sizes = sorted({s.rows for s in speeds})
    taken = {(s.engine, s.rows): s.seconds for s in speeds}
    measured = [n for n in names if all(taken.get((n, r)) for r in sizes)]
    base = "lme4" if "lme4" in measured else next(iter(measured), "")
    rows = []
    for name in names:
        cells: list[Line] = []
        for size in sizes:
            own, other = taken.get((name, size)), taken.get((base, size))
            if own is None:
                cells.append("no fit")
            elif other:
                cells.append((plain(f"{number(own / other, 2)} x"), Dim(seconds(own))))
            else:
                cells.append(plain(seconds(own)))
        rows.append(Row(name, cells))
    columns = [Column("engine"), *(Column(f"{size:,} rows") for size in sizes)]
    caption = f"Time of a fit, beside that of {base}" if base else "Time of a fit"
    yield Table(caption, columns, one_group(rows))
    yield Paragraph(
        "A random intercept, groups of ten rows, the quickest of three fits in turn, as the "
        "engines state their seconds; one process and one thread each."
    )


def _how(board: Scoreboard) -> Iterator[Block]:
    yield Items(_RULES)
    yield Facts((("made by", Code(board.header.command)),))


def engine_page(
    board: Scoreboard, score: EngineScore, reproductions: Mapping[tuple[str, str], Reproduction]
) -> Page:
    """Lay out what was found of an engine; reproductions by kind and case."""
    header = board.header
    kinds = [(kind, found) for kind, found in score.faults.items() if found]
    worst = f"{len(kinds)} kinds of fault" if len(kinds) != 1 else "one kind of fault"
    version = header.versions.get(score.name, "")
    answer = [
        f"{score.name} {version}".strip()
        + (f": {worst}, each with its smallest case." if kinds else ": no fault was found."),
        f"It fits {score.fitted} of {score.cases} cases; {score.unsupported} are not supported.",
    ]
    sections = [
        Section("criteria", "By criterion", (_criteria(score),), "Criteria"),
        *(
            Section(f"fault-{i}", titled(kind), tuple(_fault(board, found, reproductions)), "")
            for i, (kind, found) in enumerate(kinds)
        ),
    ]
    return Page(
        kind="Scoreboard",
        title=f"{score.name} on the scoreboard",
        made_by=header.program,
        made=header.created,
        answer=answer,
        about="",
        sections=(Section("back", "", (Paragraph((Link("All engines", page=INDEX),)),)), *sections),
    )


def _faults_in_short(score: EngineScore) -> Iterator[Block]:
    """Yield each kind of fault: how often, and what was found on the smallest case."""
    if not score.faults:
        yield Paragraph("No fault was found.")
    for kind, found in score.faults.items():
        first = found[0]
        said: list[Line] = [] if first.outcome is None else list(_evidence(first.outcome))
        yield Details(
            f"{titled(kind)}, {_times(found)}",
            (
                Paragraph(("Smallest case:", Code(first.case), Dim(f"{first.rows} rows"))),
                Paragraph(first.sentence),
                *((Items(said),) if said else ()),
            ),
        )


def _evidence(outcome: PropertyOutcome) -> tuple[str, ...]:
    return (*sentences(outcome.evidence), *outcome.notes)[:6]


def _times(found: Sequence[Fault]) -> str:
    return f"{len(found)} time{'s' if len(found) > 1 else ''}"


def _criteria(score: EngineScore) -> Table:
    rows = []
    for criterion in CRITERIA:
        cell = score.cells[criterion.key]
        look = SCORES[_standing(cell)]
        said = share(cell.right, cell.judged) if cell.judged else ""
        smallest = cell.first
        where: Line = ""
        if smallest is not None:
            where = (Code(smallest.case), Dim(f"{smallest.rows} rows: {smallest.kind}"))
        rows.append(
            Row(
                criterion.title,
                (look, plain(said), plain(str(cell.judged)), plain(str(cell.defined or "")), where),
            )
        )
    columns = (
        Column("criterion"),
        Column("", text=True),
        Column("right"),
        Column("answers judged"),
        Column("by another definition"),
        Column("smallest failure", text=True),
    )
    return Table(f"{score.name} by criterion", columns, one_group(rows))


def _fault(
    board: Scoreboard, found: Sequence[Fault], reproductions: Mapping[tuple[str, str], Reproduction]
) -> Iterator[Block]:
    first = found[0]
    yield Paragraph(
        (f"Found {_times(found)}; smallest case:", Code(first.case), Dim(f"{first.rows} rows"))
    )
    yield Paragraph(first.sentence)
    if first.outcome is not None and (said := _evidence(first.outcome)):
        yield Items(said)
    known = load_known().get(first.kind)
    upstream = () if known is None else known.upstream
    # An issue of another project says nothing of this engine.
    own = [issue for issue in upstream if first.engine.startswith(issue.partition("#")[0])]
    if own:
        yield Paragraph(f"Known upstream: {', '.join(own)}", dim=True)
    case = board.cases.get(first.case)
    if case is not None:
        fit = case.fit(first.engine)
        if isinstance(fit, Failure):
            yield Paragraph((Dim("It said:"), f"{fit.reason}: {fit.text}"))
        page = case_page(case, board.header.versions)
        yield Details(
            f"What every engine printed for this case, beside the referee: {case.formula}",
            tuple(block for section in page.sections for block in section.blocks),
        )
    there = reproductions.get((first.kind, first.case))
    if there is not None:
        yield Heading("To reproduce it")
        rows: list[tuple[str, Line]] = [("the fit", Code(there.fit))]
        rows += [("the check", Code(there.check))] if there.check else []
        yield Facts((*rows, ("data and text", Link(there.folder, page=f"{there.folder}README.md"))))


_RULES = (
    "Cases are generated from a seed, so that nobody chose them: balanced and unbalanced, one or "
    "two grouping factors, slopes, factors, singular and ill-scaled ones, REML and ML.",
    "Estimates and variances are held against the best point known: the referee starts from every "
    "engine's answer too, and proves its optimum by first and second derivatives.",
    "Log-likelihood, SE, df, t and p are held against the referee's value at the engine's own "
    "point, under the definition that the engine declares: a z test, containment df or the SE of "
    "the joint Hessian are definitions, not faults.",
    "A failure that is laid to the reference, or to the data, is not counted.",
)

INDEX, CASES = "index.html", "cases.html"


def engine_key(name: str) -> str:
    """Return what leads to an engine on a page of all."""
    return f"engine-{name}"


def engine_file(name: str) -> str:
    """Return the name of an engine's page."""
    return f"{engine_key(name)}.html"
