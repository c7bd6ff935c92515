"""``lmm-parity schema``: the form of a record."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of a line of a record file."""
    import json

    from harness.campaign.records import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
