"""``lmm-parity report``: the ladder in all engines."""

from __future__ import annotations

from pathlib import Path

import click

from harness.campaign.fork_server import start_server
from harness.commands import options
from harness.commands.execution import render, run_and_report


@click.command()
@options.out
@click.option(
    "--rung",
    "wanted",
    multiple=True,
    metavar="ID",
    help="Only this rung, or those under it (repeatable).",
)
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="Render the report of an existing record file; fit nothing.",
)
@click.option(
    "--case",
    "cases",
    multiple=True,
    metavar="ID",
    help="With --from: only this case, or those under it (repeatable).",
)
@options.fitting
def report(
    out: Path,
    wanted: tuple[str, ...],
    source: Path | None,
    cases: tuple[str, ...],
    jobs: int | None,
    cached: bool,
    engine_names: tuple[str, ...],
    reference_name: str,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit the whole ladder in all engines and write the parity report."""
    if source is not None:
        render(source, out / "parity.html", wanted=cases, as_json=as_json, quiet=quiet)
        return
    if cases:
        raise click.UsageError("--case chooses from a record file: give --from as well")
    start_server()  # it imports beside this process

    from harness.campaign.sources import Ladder

    ladder = Ladder(wanted)
    len(ladder)  # an unknown rung is refused here
    run_and_report(
        ladder,
        out,
        engine_names,
        reference_name,
        timeout=timeout,
        jobs=jobs,
        cached=cached,
        as_json=as_json,
        quiet=quiet,
    )
