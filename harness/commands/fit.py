"""``lmm-parity fit``: one model on one table, side by side."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.commands import options
from harness.commands.execution import exit_code, open_engines


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("formula")
@options.ml
@options.factors
@options.levels
@options.engines
@options.reference
@options.timeout
@options.as_json
@options.quiet
def fit(
    data: Path,
    formula: str,
    ml: bool,
    factors: tuple[str, ...],
    levels: tuple[str, ...],
    engine_names: tuple[str, ...],
    reference_name: str,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit FORMULA (lme4 syntax) to the table DATA in every engine, side by side.

    \b
    lmm-parity fit sleep.csv "Reaction ~ Days + (Days | Subject)"
    """
    from harness.base.json import encode
    from harness.campaign.serial import Plan, run
    from harness.commands.progress import progress
    from harness.page.run_summary import summarize
    from harness.page.terminal import print_case

    rung = options.own_rung(data, formula, ml=ml, factors=factors, levels=levels)
    with open_engines(engine_names, reference_name, timeout) as engines:
        plan = Plan("fit", [rung], engines)
        with progress("Fitting in every engine", 1, hidden=quiet or as_json) as advance:
            record = next(run(plan))
            advance(record.id)
        versions = {e.name: e.versions().get(e.name, "") for e in plan.engines}
    if as_json:
        click.echo(encode(record).decode())
    elif not quiet:
        print_case(record, versions)
    sys.exit(exit_code(summarize([(None, record)])))
