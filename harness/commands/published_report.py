"""``lmm-parity report --published``: who printed how many right digits."""

from __future__ import annotations

from pathlib import Path

import click

from harness.base.files import require_folder, require_writable, write_file


def report_published(
    wanted: tuple[str, ...], page_path: Path, *, as_json: bool, quiet: bool
) -> None:
    """Judge published cases, write their page and show it.

    Raises
    ------
    BadInput
        For a case that is not there, and a folder that cannot be written.
    """
    from harness.base.json import encode
    from harness.campaign import provenance
    from harness.data.published_cases import published_cases, select_published
    from harness.judge.published_verdict import judge_published
    from harness.page.html.html_page import render_page
    from harness.page.published_layout import published_page
    from harness.page.terminal_page import print_page

    cases = select_published(published_cases(), wanted)
    require_folder(page_path.parent)
    require_writable(page_path, seeks=True)
    verdicts = tuple(judge_published(case) for case in cases)
    page = published_page(verdicts, provenance.now())
    write_file(page_path, render_page(page))
    if as_json:
        for one in verdicts:
            click.echo(encode(one).decode())
    elif not quiet:
        print_page(page)
        click.echo(f"\nwritten: {page_path}")
