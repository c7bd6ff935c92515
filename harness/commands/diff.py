"""``lmm-parity diff``: what changed between two record files, or differs between two engines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import EXIT_OK, EXIT_UNEXPLAINED
from harness.commands import options

if TYPE_CHECKING:
    from harness.page.record_diff import Change, Diff


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path), required=False)
@click.option(
    "--engines",
    nargs=2,
    metavar="A B",
    help="Set engine A of OLD beside engine B of NEW, or of OLD where that is the only file.",
)
@options.as_json
@options.quiet
def diff(
    old: Path, new: Path | None, engines: tuple[str, str] | None, as_json: bool, quiet: bool
) -> None:
    """Compare two record files of the same cases: what got worse, what got better.

    Exit code 1 when anything got worse: a verdict, a defect that appeared, digits lost beyond the
    tolerance, a property that no longer holds, a case that is no longer there. Where each file has
    an engine that the other has not, these two are set beside each other, and so are the two named
    by --engines: two engines differ, and neither is worse for that (exit code 0).

    \b
    lmm-parity diff before.jsonl after.jsonl
    lmm-parity diff run.jsonl --engines statsmodels-0.14 statsmodels
    """
    from harness.base.json import encode
    from harness.page.record_diff import diff as compare

    if new is None and engines is None:
        raise click.UsageError("name a second file, or by --engines two engines of this one")
    found = compare(old, new or old, engines)
    if as_json:
        click.echo(encode(found).decode())
    elif not quiet:
        _print(found)
    sys.exit(EXIT_UNEXPLAINED if found.worse else EXIT_OK)


_HEADINGS = {
    "differs": "differs",
    "worse": "got worse",
    "other": "changed",
    "better": "got better",
}
_STYLES = {"differs": "", "worse": "red", "other": "", "better": "green"}


def _print(found: Diff) -> None:
    from rich.text import Text

    from harness.page.terminal_page import terminal

    console = terminal()
    if found.engines:
        console.print(Text(" beside ".join(found.engines)), soft_wrap=True)
    for name, was, now in found.versions:
        console.print(Text(f"{name:<14} {was or '-'} -> {now or '-'}"), soft_wrap=True)
    if not found.versions and not found.engines:
        console.print("versions       the same")
    console.print(f"cases in both  {found.both}")
    for direction, heading in _HEADINGS.items():
        changes = [c for c in found.changes if c.direction == direction]
        if not changes:
            continue
        console.print()
        console.print(Text(f"{heading} ({len(changes)})", style=f"bold {_STYLES[direction]}"))
        for change in changes:
            console.print(Text(f"  {_line(change)}", style=_STYLES[direction]), soft_wrap=True)
            if change.sentence and direction != "better":
                console.print(Text(f"      {change.sentence}"), soft_wrap=True)
    if not found.changes:
        console.print("nothing differs" if found.engines else "nothing changed")


def _line(change: Change) -> str:
    was, now, where = change.old, change.new, change.where
    of_case = change.engine and change.kind != "property" and change.direction != "differs"
    what = f"{change.engine}, {change.what}" if of_case else change.what
    match change.kind:
        case "case" if change.direction == "differs":
            return f"{where}: only there in the {'second' if now else 'first'}"
        case "case":
            return f"{where}: {'new' if now else 'no longer there'}"
        case "data":
            return f"{where}: other data than before; not compared"
        case "engine":
            return f"engines: {was} -> {now}"
        case "cause" if change.direction == "differs":
            return f"{where} ({what}): {now or was} of the {'second' if now else 'first'} alone"
        case "cause":
            return f"{where} ({what}): {now or was} {'appeared' if now else 'is gone'}"
        case "digits":
            return f"{where}: digits of {what}: {was} -> {now}"
        case _:
            return f"{where} ({what}): {was or 'not checked'} -> {now or 'not checked'}"
