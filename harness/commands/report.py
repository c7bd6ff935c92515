"""``lmm-parity report``: the ladder in both engines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands import options
from harness.commands.running import render, run_and_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.cases.ladder import Rung


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
@options.engine
@options.reference
@options.timeout
@options.as_json
@options.quiet
def report(
    out: Path,
    wanted: tuple[str, ...],
    source: Path | None,
    engine_name: str,
    reference_name: str,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit the whole ladder in both engines and write the parity report."""
    from harness.cases.ladder import full_ladder, select

    if source is not None:
        render(source, out / "parity.html", as_json=as_json, quiet=quiet)
        return
    rungs: Sequence[Rung] = full_ladder()
    if wanted:
        rungs = select(rungs, wanted)
    chosen = {"rungs": " ".join(wanted) or "all", "timeout": f"{timeout:g}"}
    title = "The ladder"
    run_and_report(
        title,
        rungs,
        out,
        engine_name,
        reference_name,
        chosen,
        timeout,
        as_json=as_json,
        quiet=quiet,
    )
