"""What commands that fit share: engines opened, records and report written, the exit code."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import BadInput, exit_code_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.campaign.setup import Setup
    from harness.campaign.sources import Source
    from harness.engines.engine import Engine
    from harness.page.run_summary import Summary


def exit_code(summary: Summary) -> int:
    """Return how a command ends that has shown a run."""
    return exit_code_of(
        unexplained=summary.unexplained,
        no_engine=summary.environment,
        nothing=not summary.cases and not summary.properties,
    )


@contextmanager
def open_both(
    engine_name: str, reference_name: str, timeout: float
) -> Iterator[tuple[Engine, Engine]]:
    """Give the engine and its reference, closed at the end.

    Raises
    ------
    BadInput
        For a name that no engine has, or the same one twice.
    EnvironmentProblem
        When what an engine needs (R) is not there.
    """
    from harness.engines.registry import open_engine

    require_engines(engine_name, reference_name)
    with (
        open_engine(reference_name, timeout=timeout) as reference,
        open_engine(engine_name, timeout=timeout) as engine,
    ):
        yield engine, reference


def require_engines(*names: str) -> None:
    """Refuse engines that are not known, the same as each other, or cannot run here."""
    from harness.engines.registry import require_engine

    if len(set(names)) < len(names):
        raise BadInput(f"{names[0]!r} would be compared with itself; name another --reference")
    for name in names:
        require_engine(name)


def run_and_report(
    source: Source,
    out: Path,
    engine_name: str,
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

    require_engines(engine_name, reference_name)  # before a folder is made for nothing
    require_writable(out)
    path = out / "parity.jsonl"
    campaign = Campaign(
        source,
        case_setup(engine_name, reference_name, timeout=timeout, cached=cached),
        command=shlex.join(["lmm-parity", *sys.argv[1:]]),
        jobs=jobs,
    )
    with watching(quiet=quiet or as_json) as watcher:
        run_to_file(campaign, path, watcher=watcher)
    render(path, out / "parity.html", as_json=as_json, quiet=quiet)


def case_setup(
    engine_name: str,
    reference_name: str,
    *,
    timeout: float,
    cached: bool,
    memory_mb: int | None = 4096,
) -> Setup:
    """Return the setup of a run whose every task is a case."""
    from harness.campaign.case_task import case_task, unfinished_case
    from harness.campaign.setup import Setup
    from harness.store.shelf import default_root

    return Setup(
        engine_name,
        reference_name,
        case_task,
        unfinished_case,
        timeout=timeout,
        memory_mb=memory_mb,
        store=str(default_root()) if cached else None,
        records=1,
    )


def require_writable(out: Path) -> None:
    """Make the folder, and refuse one that cannot be written into."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".lmm-parity"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise BadInput(f"{out}: cannot be written: {error.strerror or error}") from error


def render(
    source: Path, page: Path, *, wanted: Sequence[str] = (), as_json: bool, quiet: bool
) -> None:
    """Write the report of a record file, say the same on the terminal, and exit."""
    from harness.page.html.parity_report import report_file
    from harness.page.terminal import print_excerpt

    excerpt = report_file(source, page, wanted=wanted)
    if as_json:
        with source.open(encoding="utf-8") as lines:
            for line in lines:
                click.echo(line, nl=False)
    elif not quiet:
        print_excerpt(excerpt, source, page)
    sys.exit(exit_code(excerpt.summary))
