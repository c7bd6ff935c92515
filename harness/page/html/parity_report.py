"""Records to one HTML file that needs nothing else: no network, no scripts, no fonts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from harness.base.files import require_writable, write_file
from harness.judge.causes.entries import KnownDifference, load_known
from harness.judge.records import Run
from harness.page.appearance import VERDICTS, Look
from harness.page.excerpt import Excerpt, read_excerpt, whole
from harness.page.html.case_pictures import case_pictures
from harness.page.html.digits_picture import digits_picture
from harness.page.html.html_environment import asset, csp_hash, environment
from harness.page.page import Page
from harness.page.page_table import Table
from harness.page.report.report_page import Pencil, report_page

PAGE_BYTES = 4_500_000
"""Size that the page of a large run stays under; cases that do not fit are left out.

A page of this size opens in a second or two.
"""


def render(run: Run, *, known: Mapping[str, KnownDifference] | None = None) -> str:
    """Return the report of a run as HTML, with all its cases.

    Parameters
    ----------
    run : Run
        A record file as read; equal records give equal pages, byte for byte.
    known : mapping, optional
        Explanations by cause; those of known_differences.toml unless given.
    """
    return render_excerpt(whole(run), known=known)


def render_excerpt(excerpt: Excerpt, *, known: Mapping[str, KnownDifference] | None = None) -> str:
    """Return the report of a run as HTML, as much of it as the excerpt shows.

    Equal excerpts give equal pages, byte for byte. The page of a large run is kept under
    :data:`PAGE_BYTES` by leaving out the cases least worth showing.
    """
    explanations = load_known() if known is None else known
    page = _page(excerpt, explanations)
    while excerpt.large and (size := len(page.encode())) > PAGE_BYTES and excerpt.run.cases:
        fitting = int(0.95 * len(excerpt.run.cases) * PAGE_BYTES / size)
        excerpt = excerpt.fewer(fitting)
        page = _page(excerpt, explanations)
    return page


def _page(excerpt: Excerpt, explanations: Mapping[str, KnownDifference]) -> str:
    page = report_page(excerpt, explanations, Pencil(case_pictures, digits_picture))
    style, script = asset("report.css") + asset("picture.css"), asset("report.js")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            command=excerpt.run.header.command,
            chips=_looks(page),
            style=Markup(style),
            script=Markup(script),
            style_hash=csp_hash(style),
            script_hash=csp_hash(script),
        )
    )


def _looks(page: Page) -> list[Look]:
    """Return what the groups of the ladder come to, each look once, by which readers filter."""
    ladder = next((s for s in page.sections if s.key == "ladder"), None)
    tables = [b for b in (ladder.blocks if ladder else ()) if isinstance(b, Table)]
    used = {g.look for table in tables for g in table.groups}
    return [look for look in VERDICTS.values() if look in used]


def report_file(
    source: Path,
    path: Path,
    *,
    wanted: Sequence[str] = (),
    known: Mapping[str, KnownDifference] | None = None,
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
