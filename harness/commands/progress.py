"""Progress on stderr: a bar on a terminal, gone when done; in a log a line every few seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from harness.base.heartbeat import heartbeat


@contextmanager
def progress(what: str, total: int, *, hidden: bool) -> Iterator[Callable[[str], None]]:
    """Show progress on stderr, and give a function to be told what is done now.

    Work that ends within a few seconds leaves no line in a log.

    Parameters
    ----------
    total : int
        Steps; 0 for an unknown number.
    hidden : bool
        Show nothing.
    """
    if hidden:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(what, total) as advance:
            yield advance
    else:
        begun: list[str] = []

        def beat(seconds: float) -> None:
            count = f" {len(begun)}/{total}" if total > 1 else ""
            doing = f": {begun[-1]}" if begun else ""
            click.echo(f"{what}{count}{doing} ({seconds:.0f} s)", err=True)

        told = begun.append

        with heartbeat(beat):
            yield told


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}")]
    if total > 1:
        columns += [BarColumn(), TextColumn("{task.completed}/{task.total}")]
    columns += [TimeElapsedColumn(), TextColumn("{task.fields[now]}", markup=False)]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total or None, now="")

        def advance(now: str) -> None:
            bar.update(task, advance=1, now=now)

        yield advance
