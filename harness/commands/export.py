"""``lmm-parity export``: records as a flat table, for analysis elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from harness.base.files import require_writable
from harness.commands import options

# Names only: the tables themselves need numpy, and --help is to answer at once.
TABLE_NAMES = (
    "verdicts",
    "comparisons",
    "judgements",
    "fits",
    "coefficients",
    "audits",
    "listings",
    "properties",
)


@click.command()
@click.argument("records", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="A name ending in .parquet (needs pyarrow) or .csv.",
)
@click.option(
    "--table",
    type=click.Choice(TABLE_NAMES),
    default=TABLE_NAMES[0],
    show_default=True,
    help="What a row is: see docs/records.md.",
)
@options.as_json
@options.quiet
def export(records: Path, target: Path, table: str, as_json: bool, quiet: bool) -> None:
    """Write the RECORDS of a run, finished or not, as one flat table.

    \b
    lmm-parity export reports/parity.jsonl --to comparisons.parquet --table comparisons
    """
    import json

    from harness.commands.progress import progress
    from harness.page.record_export import export as write

    require_writable(target, seeks=target.suffix.lower() == ".parquet")
    with progress("Exporting", 0, hidden=quiet or as_json):
        done = write(records, target, table)
    if as_json:
        about = {
            "file": str(target),
            "table": table,
            "rows": done.rows,
            "cases": done.cases,
            "properties": done.properties,
            "finished": done.finished,
        }
        click.echo(json.dumps(about, ensure_ascii=False))
        return
    if quiet:
        return
    click.echo(f"{target}: {done.rows} rows of {table}, from {done.cases} cases", nl=False)
    click.echo(f" and {done.properties} properties" if done.properties else "")
    if not done.finished:
        torn = "; its last line broke off and is left out" if done.torn else ""
        click.echo(f"the run in {records} did not finish{torn}")
