"""``lmm-parity ladder``: list the rungs, or run the tutorial's seven on a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands import options
from harness.commands.execution import run_and_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.data.rungs import Rung


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="CSV",
    help="Run the tutorial's seven rungs on this table.",
)
@click.option("--outcome", metavar="COLUMN", help="Numeric column.")
@click.option("--predictor", metavar="COLUMN", help="Numeric column.")
@click.option("--group", metavar="COLUMN", help="Grouping factor.")
@options.out
@options.reading
@options.fitting
def ladder(
    data: Path | None,
    outcome: str | None,
    predictor: str | None,
    group: str | None,
    out: Path,
    jobs: int | None,
    cached: bool,
    engine_names: tuple[str, ...],
    reference_name: str,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """List the rungs or, with --data, run the tutorial's seven on your own table."""
    from harness.campaign.sources import Rungs
    from harness.data.ladder import every_rung
    from harness.data.seven_rungs import seven_rungs

    columns = {"--outcome": outcome, "--predictor": predictor, "--group": group}
    if data is None:
        given = [option for option, value in columns.items() if value is not None]
        if given:
            raise click.UsageError(f"{given[0]} needs --data")
        _list_rungs(every_rung(), as_json=as_json, quiet=quiet)
        return
    missing = [option for option, value in columns.items() if value is None]
    if missing:
        raise click.UsageError(f"--data needs {', '.join(missing)}")
    assert outcome is not None
    assert predictor is not None
    assert group is not None
    dataset = options.own_dataset(data)
    with options.hinted(dataset, (outcome, predictor)):
        rungs, left_out = seven_rungs(dataset, outcome, predictor, group, prefix="ladder")
    for why in left_out if not quiet else ():
        click.echo(f"left out: {why}", err=True)
    chosen = {"data": str(data), "outcome": outcome, "predictor": predictor, "group": group}
    missing_texts, comment = options.reading_given()
    chosen |= {"na": " ".join(missing_texts)} if missing_texts else {}
    chosen |= {"comment": comment} if comment else {}
    run_and_report(
        Rungs(rungs, f"The tutorial's ladder on {data.name}", chosen),
        out,
        engine_names,
        reference_name,
        timeout=timeout,
        jobs=jobs,
        cached=cached,
        as_json=as_json,
        quiet=quiet,
    )


def _list_rungs(rungs: Sequence[Rung], *, as_json: bool, quiet: bool) -> None:
    import json

    from harness.page.listing_layout import rungs_page
    from harness.page.terminal_page import print_page
    from harness.spelling.lme4_spelling import lme4_formula

    if as_json:
        for rung in rungs:
            case = rung.case
            about = {
                "id": case.id,
                "title": rung.title,
                "group": rung.group,
                "formula": lme4_formula(case.model),
                "residual": "" if case.model.residual is None else case.model.residual.text(),
                "criterion": case.model.criterion,
                "data": rung.data.name,
                "rows": case.table.n_rows,
                "focus": rung.focus,
            }
            click.echo(json.dumps(about, ensure_ascii=False))
    elif not quiet:
        print_page(rungs_page(rungs))
