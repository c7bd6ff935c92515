"""Records to one HTML file that needs nothing else: no network, no scripts, no fonts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from markupsafe import Markup

from harness.base.files import require_writable, write_file
from harness.judge.causes.entries import load_known
from harness.judge.records import Run
from harness.judge.verdict import VerdictClass
from harness.page import appearance
from harness.page.excerpt import Excerpt, read_excerpt, whole
from harness.page.excerpt_layout import excerpt_page
from harness.page.html import cause_section as causes
from harness.page.html.cards import card
from harness.page.html.cause_section import Explanation
from harness.page.html.certified_section import certified_map, who_is_closer
from harness.page.html.conformance_section import conformance
from harness.page.html.context import context
from harness.page.html.drawn_section import drawn
from harness.page.html.heat import heat_map
from harness.page.html.html_environment import asset, csp_hash, environment
from harness.page.html.ladder_section import ladder
from harness.page.html.overview import overview
from harness.page.html.printed_section import printed_tables
from harness.page.html.summary_section import tally, tally_of

PAGE_BYTES = 4_500_000
"""Size that the page of a large run stays under; cases that do not fit are left out.

A page of this size opens in a second or two.
"""


def render(run: Run, *, known: Mapping[str, Explanation] | None = None) -> str:
    """Return the report of a run as HTML, with all its cases.

    Parameters
    ----------
    run : Run
        A record file as read; equal records give equal pages, byte for byte.
    known : mapping, optional
        Explanations by cause; those of known_differences.toml unless given.
    """
    return render_excerpt(whole(run), known=known)


def render_excerpt(excerpt: Excerpt, *, known: Mapping[str, Explanation] | None = None) -> str:
    """Return the report of a run as HTML, as much of it as the excerpt shows.

    Equal excerpts give equal pages, byte for byte. The page of a large run is kept under
    :data:`PAGE_BYTES` by leaving out the cases least worth showing.
    """
    explanations: Mapping[str, Explanation] = load_known() if known is None else known
    page = _page(excerpt, explanations)
    while excerpt.large and (size := len(page.encode())) > PAGE_BYTES and excerpt.run.cases:
        fitting = int(0.95 * len(excerpt.run.cases) * PAGE_BYTES / size)
        excerpt = excerpt.fewer(fitting)
        page = _page(excerpt, explanations)
    return page


def _page(excerpt: Excerpt, explanations: Mapping[str, Explanation]) -> str:
    run, summary = excerpt.run, excerpt.summary
    if excerpt.large:
        # Chosen in turn from every kind; read from the gravest on.
        cases = sorted(run.cases, key=appearance.severity, reverse=True)
        run = msgspec.structs.replace(run, cases=tuple(cases))
        excerpt = replace(excerpt, run=run)
    ctx = context(run)
    ctx.causes.update(causes.cause_links(summary, explanations))
    definitions, other_causes = causes.causes(excerpt, ctx, explanations)
    style, script = asset("report.css"), asset("report.js")
    verdicts: Counter[VerdictClass] = Counter()
    for (verdict, _), number in summary.blamed.items():
        verdicts[verdict] += number
    differing = sum(
        n for v, n in verdicts.items() if appearance.VERDICTS[v].family in ("differ", "unexplained")
    )
    only_properties = not summary.cases and bool(summary.properties)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            header=run.header,
            excerpt=excerpt,
            summary=summary,
            ctx=ctx,
            page=excerpt_page(excerpt),
            only_properties=only_properties,
            tally=tally(verdicts),
            differing_cases=differing,
            shown_tally=tally_of(run.cases),
            overview=overview(excerpt, ctx, explanations) if excerpt.large else None,
            drawn=drawn(excerpt),
            conformance=conformance(summary, ctx),
            ladder=ladder(run, ctx),
            printed_tables=() if excerpt.large else printed_tables(run, ctx),
            heat=heat_map(run, ctx),
            certified=certified_map(run, ctx),
            closer=() if excerpt.large else who_is_closer(run, ctx),
            cards=[
                card(case, ctx, place if excerpt.large else None)
                for place, case in enumerate(run.cases)
            ],
            definitions=definitions,
            other_causes=other_causes,
            style=Markup(style),
            script=Markup(script),
            style_hash=csp_hash(style),
            script_hash=csp_hash(script),
        )
    )


def report_file(
    source: Path,
    path: Path,
    *,
    wanted: Sequence[str] = (),
    known: Mapping[str, Explanation] | None = None,
) -> Excerpt:
    """Write the report of a record file of any size, finished or not; memory is bounded.

    Parameters
    ----------
    source : Path
        The record file.
    path : Path
        The page; it changes only when the whole page is written.
    wanted : sequence of str
        Ids of cases, or beginnings of ids up to a slash; all where there are none.

    Returns
    -------
    Excerpt
        What the page was made from.

    Raises
    ------
    BadInput
        When ``source`` is not a record file or has no case that is wanted, or ``path`` cannot be
        written.
    """
    require_writable(path)
    excerpt = read_excerpt(source, wanted)
    write_file(path, render_excerpt(excerpt, known=known))
    return excerpt
