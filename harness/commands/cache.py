"""``lmm-parity cache``: what is kept of earlier runs, and how to be rid of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

import click

from harness.base.errors import BadInput
from harness.commands import options

if TYPE_CHECKING:
    from harness.store.shelf import Shelf, StoreInfo

_UNITS = ("bytes", "kB", "MB", "GB")


@click.group()
def cache() -> None:
    """Results kept on disk, so that a second run costs reading.

    They are in $LMM_PARITY_CACHE or, without it, in the user's cache folder.
    """


@cache.command()
@click.option("--check", is_flag=True, help="Read every entry and remove those that are damaged.")
@options.as_json
def info(check: bool, as_json: bool) -> None:
    """Show where the cache is and what it holds, by engine and versions."""
    from harness.base.json import encode
    from harness.store.shelf import Store

    found = Store().info(check=check)
    if as_json:
        click.echo(encode(found).decode())
    else:
        click.echo(_text(found))


@cache.command()
@click.option("--engine", "engine_name", metavar="NAME", help="Only the fits of this engine.")
@click.option(
    "--older-than",
    "days",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="DAYS",
    help="Only what was not used for so many days.",
)
@options.as_json
@options.quiet
def clear(engine_name: str | None, days: float | None, as_json: bool, quiet: bool) -> None:
    """Remove what is kept. Runs that are under way fit again what they miss."""
    from harness.base.json import encode
    from harness.store.shelf import Store
    from harness.store.stored_engine import engine_namespace

    store = Store()
    under = "" if engine_name is None else engine_namespace(engine_name)
    if under and not store.namespaces(under):
        have = sorted({_engine_of(name) for name in store.namespaces()})
        raise BadInput(
            f"nothing is kept of {engine_name!r} in {store.root}; "
            + (f"there is {', '.join(have)}" if have else "it is empty")
        )
    try:
        removed = store.clear(under, unused_days=days or 0.0)
    except OSError as error:
        raise BadInput(f"{store.root}: cannot be cleared: {error.strerror or error}") from error
    if as_json:
        click.echo(encode(removed).decode())
    elif not quiet:
        size = _size(removed.bytes)
        click.echo(f"{_counted(removed.entries)}, {size}, removed from {removed.root}")


def _text(found: StoreInfo) -> str:
    lines = [found.root, f"  {_counted(found.entries)}, {_size(found.bytes)}"]
    for shelf in found.shelves:
        versions = shelf.description.get("versions")
        engine = _engine_of(shelf.namespace)
        version = str(versions.get(engine, "")) if isinstance(versions, dict) else ""
        parts = [_counted(shelf.entries), _size(shelf.bytes), _used(shelf)]
        if version:
            parts.append(f"{engine} {version}")
        lines.append(f"  {shelf.namespace}  {', '.join(filter(None, parts))}")
    if found.unfinished:
        lines.append(f"  {found.unfinished} being written, or left by a run that was killed")
    if found.corrupt is not None:
        damaged = f"{found.corrupt} damaged, removed" if found.corrupt else "none is damaged"
        lines.append(f"  every entry was read: {damaged}")
    return "\n".join(lines)


def _used(shelf: Shelf) -> str:
    """Say how long ago entries were used: ``"used today"``, ``"used 3 to 40 days ago"``."""
    if shelf.oldest is None or shelf.newest is None:
        return ""
    now = time.time()
    last, first = (max(0, int((now - t) // 86_400)) for t in (shelf.newest, shelf.oldest))
    if first == 0:
        return "used today"
    days = f"{first} {'day' if first == 1 else 'days'} ago"
    return f"used {days}" if last == first else f"used {last or 'today'} to {days}"


def _engine_of(namespace: str) -> str:
    return unquote(namespace.partition("/")[0])


def _counted(entries: int) -> str:
    return f"{entries:,} {'entry' if entries == 1 else 'entries'}"


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} {_UNITS[-1]}"
