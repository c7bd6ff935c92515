"""``lmm-parity engine``: engines in other processes, installed, listed, checked and served."""

from __future__ import annotations

import os
import sys

import click

from harness.base.errors import EXIT_OK, EXIT_UNEXPLAINED, BadInput
from harness.commands import options


@click.group()
def engine() -> None:
    """Install, list and check engines that are programs of their own, or offer one as a program."""


@engine.command()
@click.argument("name", metavar="ENGINE")
@options.timeout
@options.as_json
@options.quiet
def check(name: str, timeout: float, as_json: bool, quiet: bool) -> None:
    """Ask an engine what has a known answer, to see that its adapter is sound.

    ENGINE is a name, NAME=COMMAND, COMMAND, or module:attribute. Exit code 0 when all is well, 1
    when something is not, 3 when the program cannot be started.

    \b
    lmm-parity engine check "python my_engine.py"
    """
    from harness.base.errors import EXIT_ENVIRONMENT
    from harness.base.json import encode
    from harness.commands.progress import progress
    from harness.diagnose.engine_check import check_engine
    from harness.engines.registry import open_engine, require_engine
    from harness.page.listing_layout import checks_page
    from harness.page.terminal_page import print_page

    try:
        require_engine(name)
    except BadInput:
        if " " not in name.strip() or "=" in name:
            raise
        name = f"engine={name}"
        require_engine(name)
    with (
        open_engine(name, timeout=timeout, start=False) as opened,
        progress("Checking", 0, hidden=quiet or as_json) as advance,
    ):
        checks = []
        for found in check_engine(opened):
            advance(found.name)
            checks.append(found)
    if as_json:
        for found in checks:
            click.echo(encode(found).decode())
    elif not quiet:
        print_page(checks_page(checks))
    if checks and checks[0].name == "starts" and not checks[0].ok:
        sys.exit(EXIT_ENVIRONMENT)
    sys.exit(EXIT_OK if all(found.ok for found in checks) else EXIT_UNEXPLAINED)


@engine.command()
@click.argument("name", metavar="ENGINE")
@options.timeout
def serve(name: str, timeout: float) -> None:
    """Offer an engine of this program to another one: messages on stdin, answers on stdout."""
    from harness.engines.registry import open_engine
    from harness.engines.served_engine import serve as answer

    # What an engine prints is for a person, not for who asks.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with open_engine(name, timeout=timeout) as opened:
        answer(opened, sys.stdin.buffer, answers)


@engine.command("list")
@options.as_json
def listed(as_json: bool) -> None:
    """List the engines that can be named: which are here, and what the ready ones express."""
    import json

    from harness.engines import environments
    from harness.engines.registry import engine_names

    ready = environments.programs()
    names = engine_names()
    width = max(map(len, names))
    for name in names:
        program = ready.get(name)
        if as_json:
            about: dict[str, object] = {"engine": name, "ready": program is not None}
            if program is not None:
                about |= {
                    "installed": environments.installed(name),
                    "packages": program.packages,
                    "expresses": program.expresses,
                    "tried": program.tried,
                }
            click.echo(json.dumps(about, ensure_ascii=False))
            continue
        here = program is None or environments.installed(name)
        words = "" if program is None else program.expresses
        tried = "" if program is None or program.tried else " (never tried)"
        click.echo(f"{name:<{width}}  {'here' if here else '-':<4}  {words}{tried}".rstrip())


@engine.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@options.quiet
def install(names: tuple[str, ...], quiet: bool) -> None:
    """Make the environments of ready engines, each with exactly its pinned packages.

    They lie outside this program's own: in $LMM_PARITY_ENGINES, or the user's data folder. Exit
    code 3 when one cannot be made.

    \b
    lmm-parity engine install statsmodels-0.14 glmm
    """
    from harness.commands.progress import progress
    from harness.engines import environments

    for name in names:
        environments.program(name)
    with progress("Installing", len(names), hidden=quiet) as advance:
        for name in names:
            environments.make(name)
            advance(name)


@engine.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def remove(names: tuple[str, ...]) -> None:
    """Remove the environments of ready engines."""
    from harness.engines import environments

    for name in names:
        environments.program(name)
    for name in names:
        if not environments.remove(name):
            click.echo(f"{name} was not installed", err=True)
