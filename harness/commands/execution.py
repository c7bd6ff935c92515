"""What commands that fit share: engines opened, records and report written, the exit code."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import BadInput, exit_code_of
from harness.base.files import growing_place, require_folder, require_writable, write_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.campaign.setup import Setup
    from harness.campaign.sources import Source
    from harness.engines.engine import Engine
    from harness.page.page import Page
    from harness.page.run_summary import Summary


def exit_code(summary: Summary) -> int:
    """Return how a command ends that has shown a run."""
    return exit_code_of(
        unexplained=summary.unexplained,
        no_engine=summary.environment,
        nothing=not summary.cases and not summary.properties,
    )


@contextmanager
def open_engines(
    names: Sequence[str], reference: str, timeout: float
) -> Iterator[tuple[Engine, ...]]:
    """Give engines and, as the last, their reference; closed at the end.

    Raises
    ------
    BadInput, EnvironmentProblem
        As :func:`chosen_engines`.
    """
    from harness.engines.registry import open_engine

    with ExitStack() as opened:
        # The last first: what starts R in the background is the reference, as a rule.
        found = [
            opened.enter_context(open_engine(name, timeout=timeout))
            for name in reversed(chosen_engines(names, reference))
        ]
        yield tuple(reversed(found))


def require_engines(*names: str) -> None:
    """Refuse engines that are not known, the same as each other, or cannot run here."""
    from harness.engines.registry import require_engine

    if len(set(names)) < len(names):
        raise BadInput(f"{names[0]!r} would be compared with itself; name another --reference")
    for name in names:
        require_engine(name)


def chosen_engines(names: Sequence[str], reference: str) -> tuple[str, ...]:
    """Return all engines that a campaign runs, the reference last.

    Raises
    ------
    BadInput, EnvironmentProblem
        When one is named twice, is not known or cannot run here, or there is only the reference.
    """
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadInput(f"--engine {twice[0]} is there twice")
    engines = (*(name for name in names if name != reference), reference)
    require_engines(*(engines if len(engines) > 1 else (reference, reference)))
    return engines


def run_and_report(
    source: Source,
    out: Path,
    engine_names: Sequence[str],
    reference_name: str,
    *,
    timeout: float,
    jobs: int | None,
    cached: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a source, write ``parity.jsonl`` and ``parity.html`` into ``out``, and exit."""
    from harness.campaign.campaign_file import Campaign, run_to_file
    from harness.campaign.watchers import watching

    engines = chosen_engines(engine_names, reference_name)  # before a folder is made for nothing
    require_folder(out)
    path, page = out / "parity.jsonl", out / "parity.html"
    require_writable(page)
    growing_place(path)
    campaign = Campaign(
        source,
        case_setup(engines, timeout=timeout, cached=cached),
        command=shlex.join(["lmm-parity", *sys.argv[1:]]),
        jobs=jobs,
    )
    with watching(quiet=quiet or as_json) as watcher:
        run_to_file(campaign, path, watcher=watcher)
    render(path, page, as_json=as_json, quiet=quiet)


def case_setup(
    engines: tuple[str, ...],
    *,
    timeout: float,
    cached: bool,
    memory_mb: int | None = 4096,
) -> Setup:
    """Return the setup of a run whose every task is a case; the last engine is the reference."""
    from harness.campaign.case_task import case_task, unfinished_case
    from harness.campaign.setup import Setup
    from harness.store.shelf import default_root

    return Setup(
        engines,
        engines[-1],
        case_task,
        unfinished_case,
        timeout=timeout,
        memory_mb=memory_mb,
        store=str(default_root()) if cached else None,
    )


def render(
    source: Path, page: Path, *, wanted: Sequence[str] = (), as_json: bool, quiet: bool
) -> None:
    """Write the report of a record file, say the same on the terminal, and exit."""
    from harness.page.excerpt_layout import excerpt_page, written
    from harness.page.html.parity_report import report_file
    from harness.page.terminal_page import print_page

    excerpt = report_file(source, page, wanted=wanted)
    if as_json:
        with source.open(encoding="utf-8") as lines:
            for line in lines:
                click.echo(line, nl=False)
    elif not quiet:
        print_page(excerpt_page(excerpt, written(source, page)), answer_last=True)
    sys.exit(exit_code(excerpt.summary))


def show_answer(
    page: Page, answer: object, out: Path | None, *, as_json: bool, quiet: bool
) -> None:
    """Write a page as HTML, and print it or, as one line of JSON, what it shows."""
    from harness.base.json import encode
    from harness.page.html.html_page import render_page
    from harness.page.terminal_page import print_page

    if out is not None:
        write_file(out, render_page(page))
    if as_json:
        click.echo(encode(answer).decode())
    elif not quiet:
        print_page(page)
        if out is not None:
            click.echo(f"\nwritten: {out}")
