"""``lmm-parity merge``: the shards of a run, or audits, in one file."""

from __future__ import annotations

import shlex
import sys
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

    Or those of audits (audit --records, audit --json), in the order in which they are named.

    \b
    lmm-parity merge part-*.jsonl --out all.jsonl
    lmm-parity merge table1.jsonl table2.jsonl --out audits.jsonl
    """
    from harness.campaign.listing_file import audits_in, join_audits
    from harness.campaign.shards import merge as put_together

    if audits_in(shards[0]):
        footer = join_audits(shards, out, shlex.join(["lmm-parity", *sys.argv[1:]]))
        if not quiet:
            click.echo(f"{footer.cases} audits of {len(shards)} files in {out}")
        return
    footer = put_together(shards, out)
    if not quiet:
        click.echo(f"{footer.cases} cases of {len(shards)} shards in {out}")
