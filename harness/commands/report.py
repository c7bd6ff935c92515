"""``lmm-parity report``: the ladder in all engines."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from harness.campaign.fork_server import start_server
from harness.commands import options
from harness.commands.execution import render, run_and_report
from harness.commands.published_report import report_published


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
    help="With --from or --published: only this case, or those under it (repeatable).",
)
@click.option(
    "--published",
    is_flag=True,
    help="Judge the numbers that papers, manuals and programs' pages print, and write "
    "published.html; fits nothing.",
)
@options.fitting
def report(
    out: Path,
    wanted: tuple[str, ...],
    source: Path | None,
    cases: tuple[str, ...],
    published: bool,
    jobs: int | None,
    cached: bool,
    engine_names: tuple[str, ...],
    reference_name: str,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit the whole ladder in all engines and write the parity report."""
    if published:
        _alone("published", "out", "cases", "as_json", "quiet")
        report_published(cases, out / "published.html", as_json=as_json, quiet=quiet)
        return
    if source is not None:
        render(source, out / "parity.html", wanted=cases, as_json=as_json, quiet=quiet)
        return
    if cases:
        raise click.UsageError(
            "--case chooses from a record file or a publication: give --from or --published"
        )
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


def _alone(*fitting: str) -> None:
    """Refuse options that the first one has no use for."""
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "")
        if given is ParameterSource.COMMANDLINE and parameter.name not in fitting:
            raise click.UsageError(f"--{fitting[0]} takes no {parameter.opts[0]}")
