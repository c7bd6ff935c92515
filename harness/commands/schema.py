"""``lmm-parity schema``: the form of a record, a diagnosis, of messages to an engine."""

from __future__ import annotations

import click


@click.command()
@click.argument("of", type=click.Choice(["records", "diagnosis", "engine"]), default="records")
def schema(of: str) -> None:
    """Print the JSON Schema of a record, a diagnosis, or of the messages to an engine."""
    import json

    from harness.diagnose import diagnosis
    from harness.engines import protocol
    from harness.judge import records

    schemas = {
        "records": records.json_schema,
        "diagnosis": diagnosis.json_schema,
        "engine": protocol.json_schema,
    }
    click.echo(json.dumps(schemas[of](), indent=2))
