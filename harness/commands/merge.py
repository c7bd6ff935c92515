"""``lmm-parity merge``: the shards of a run in one file."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands import options


@click.command()
@click.argument("shards", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write.",
)
@options.quiet
def merge(shards: tuple[Path, ...], out: Path, quiet: bool) -> None:
    """Put the files of all SHARDS of a run (run --shard i/n) together, in the order of one run.

    \b
    lmm-parity merge part-*.jsonl --out all.jsonl
    """
    from harness.campaign.shards import merge as put_together

    footer = put_together(shards, out)
    if not quiet:
        click.echo(f"{footer.cases} cases of {len(shards)} shards in {out}")
