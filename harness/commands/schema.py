"""``lmm-parity schema``: the form of a record."""

from __future__ import annotations

import click


@click.command()
@click.argument("of", type=click.Choice(["records", "diagnosis"]), default="records")
def schema(of: str) -> None:
    """Print the JSON Schema of a line of a record file, or of a diagnosis."""
    import json

    from harness.diagnose import diagnosis
    from harness.judge import records

    found = records.json_schema() if of == "records" else diagnosis.json_schema()
    click.echo(json.dumps(found, indent=2))
