"""``lmm-parity diagnose``: why two programs disagree on a table, and what to do."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from harness.commands import options
from harness.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_UNEXPLAINED


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("formula")
@options.ml
@options.factors
@options.levels
@click.option(
    "--engine",
    "engines",
    type=click.Choice(["statsmodels", "lme4"]),
    multiple=True,
    help="Only this program, judged by the referee; both without it.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Level at which a p value decides a conclusion.",
)
@click.option("--quick", is_flag=True, help="Leave out the table of all optimizers.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for diagnosis.html, with pictures, and diagnosis.json.",
)
@options.timeout
@options.as_json
@options.quiet
def diagnose(
    data: Path,
    formula: str,
    ml: bool,
    factors: tuple[str, ...],
    levels: tuple[str, ...],
    engines: tuple[str, ...],
    alpha: float,
    quick: bool,
    out: Path | None,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    r"""Say whether Python and R agree on FORMULA for the table DATA, who is right, and what to do.

    \b
    lmm-parity diagnose sleep.csv "Reaction ~ Days + (Days | Subject)"
    """
    from harness.diagnose.in_terminal import print_diagnosis
    from harness.diagnose.pipeline import USER_ENGINES, opened, steps
    from harness.diagnose.pipeline import diagnose as run
    from harness.numbers import encode
    from harness.progress import progress

    rung = options.own_rung(data, formula, ml=ml, factors=factors, levels=levels)
    wanted = tuple(dict.fromkeys(engines)) or USER_ENGINES
    with opened(wanted, timeout=timeout) as ready:
        total = steps(rung, ready, quick=quick, pictures=out is not None)
        with progress("Diagnosing", total, hidden=quiet or as_json) as advance:
            found = run(
                rung,
                ready,
                alpha=alpha,
                quick=quick,
                pictures=out is not None,
                command=shlex.join(["lmm-parity", *sys.argv[1:]]),
                advance=advance,
            )
    if out is not None:
        from harness.report.diagnosis import write_diagnosis

        page = write_diagnosis(found, out)
    if as_json:
        click.echo(encode(found).decode())
    elif not quiet:
        print_diagnosis(found)
        if out is not None:
            click.echo(f"\nwritten: {page}")
    verdict = found.case.verdicts[0]
    if verdict.verdict == "ENVIRONMENT":
        sys.exit(EXIT_ENVIRONMENT)
    sys.exit(EXIT_UNEXPLAINED if verdict.verdict == "UNEXPLAINED" else EXIT_OK)
