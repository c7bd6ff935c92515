"""``lmm-parity fit``: one model on one table, side by side."""

from __future__ import annotations

import sys
from contextlib import ExitStack
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
@options.written
@options.reading
@options.engines
@options.reference
@options.whole_timeout
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
    lmm-parity fit sleep.csv "Reaction ~ Days" --residual "ar1(Days | Subject)" --engine nlme
    """
    from harness.base.deadline import Deadline
    from harness.base.json import encode
    from harness.base.text import listed
    from harness.campaign.serial import Plan, run, settings_of
    from harness.commands.progress import progress
    from harness.engines.engine import Fit
    from harness.page.case_layout import case_page
    from harness.page.run_summary import summarize
    from harness.page.terminal_page import print_page

    deadline = Deadline(timeout)
    with ExitStack() as stack:
        with progress("Fitting", 0, hidden=quiet) as told:
            told("reading the data")
            rung = options.own_rung(data, formula, ml=ml, factors=factors, levels=levels)
            engines = stack.enter_context(open_engines(engine_names, reference_name, timeout))
            told(f"{listed([e.name for e in engines])}, and judging")
            plan = Plan("fit", [rung], engines, settings_of(rung.case))
            record = next(run(plan, deadline))
            # What did not end in time may be at its fit still, and would answer after it only.
            fitted = [e for e in engines if isinstance(record.fit(e.name), Fit)]
            versions = {e.name: e.versions().get(e.name, "") for e in fitted}
        # Shown before engines are closed: one that is only starting is waited for.
        if as_json:
            click.echo(encode(record).decode())
        elif not quiet:
            print_page(case_page(record, versions))
        sys.stdout.flush()
    sys.exit(exit_code(summarize([(None, record)])))
