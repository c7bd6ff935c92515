"""Progress bars, on stderr and gone when done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress(what: str, total: int, *, hidden: bool) -> Iterator[Callable[[str], None]]:
    """Show a progress bar on stderr; ``total`` 0 for an unknown number of steps."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}")]
    if total > 1:
        columns += [BarColumn(), TextColumn("{task.completed}/{task.total}")]
    columns += [TimeElapsedColumn(), TextColumn("{task.fields[now]}")]
    console = Console(stderr=True)
    # In a pipe or a log a bar that erases itself leaves empty lines.
    hidden = hidden or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(what, total=total or None, now="")

        def advance(now: str) -> None:
            bar.update(task, advance=1, now=now)

        yield advance
