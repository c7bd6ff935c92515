"""``lmm-parity scoreboard``: many engines on the same cases, as a site of plain files."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import EXIT_OK, BadInput
from harness.base.files import growing_place, require_folder, require_writable, write_file
from harness.commands import options

if TYPE_CHECKING:
    from harness.campaign.worker_process import Done
    from harness.conformance.fit_times import Speed
    from harness.conformance.suite import Suite
    from harness.data.rungs import Rung
    from harness.engines.engine import Engine
    from harness.judge.records import Header

RECORDS, SPEEDS = "scoreboard.jsonl", "speed.json"


@click.command()
@click.option(
    "--engine",
    "engine_names",
    multiple=True,
    metavar="NAME",
    help="An engine's name, NAME=COMMAND for a program, or module:attribute (repeatable).",
)
@click.option(
    "--engines",
    "listed",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A TOML file with a table [tool.lmm-parity.engines] of programs.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("scoreboard"),
    show_default=True,
    help="Folder of the site.",
)
@click.option(
    "--max-examples",
    type=click.IntRange(min=1),
    metavar="N",
    help="Generated cases, instead of the 30 of profile pr.",
)
@click.option("--seed", type=click.IntRange(min=0), help="What they are drawn from.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes; one a core.")
@click.option("--shard", metavar="I/N", default="1/1", help="Only every N-th case, from the I-th.")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Make the site of existing records (merged shards, for one); fit nothing.",
)
@click.option(
    "--history",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder of earlier boards: shown on the page, and this one is added.",
)
@click.option(
    "--page",
    "alone",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the board as one page too, to be handed on without the rest.",
)
@click.option("--no-speed", is_flag=True, help="Do not measure times.")
@click.option("--no-cache", is_flag=True, help="Fit everything anew, and store nothing.")
@click.option("--resume", is_flag=True, help="Go on with an unfinished run in --out.")
@options.timeout
@options.quiet
def scoreboard(
    engine_names: tuple[str, ...],
    listed: Path | None,
    out: Path,
    max_examples: int | None,
    seed: int | None,
    jobs: int | None,
    shard: str,
    source: Path | None,
    history: Path | None,
    alone: Path | None,
    no_speed: bool,
    no_cache: bool,
    resume: bool,
    timeout: float,
    quiet: bool,
) -> None:
    """Judge many engines on the same generated cases, and write a site of it.

    Each engine is judged alone by the referee: what is not supported is no fault, and no engine is
    measured by another. Exit code 0 when the board was made, whatever is on it.

    \b
    lmm-parity scoreboard --engine statsmodels --engine lme4 --engines engines.toml --out board
    """
    from harness.campaign.sources import Shard
    from harness.commands.execution import open_engines, require_engines
    from harness.conformance.scoreboard import read_scoreboard
    from harness.engines.engine_spec import engines_in
    from harness.page.scoreboard_site import write_site
    from harness.store.shelf import default_root

    programs = {} if listed is None else engines_in(listed)
    specs = (*engine_names, *(spec.written(name) for name, spec in programs.items()))
    wanted = Shard.parse(shard)
    require_folder(out)
    require_writable(out / "index.html")
    if history is not None:
        require_folder(history)
    if alone is not None:
        require_writable(alone, seeks=True)
    records = out / RECORDS if source is None else source
    if source is None:
        if not specs:
            raise click.UsageError("name engines by --engine or --engines")
        require_engines(*specs, "referee")
        growing_place(records)
        suite = _suite(
            specs,
            max_examples,
            seed,
            timeout=timeout,
            jobs=jobs,
            shard=wanted,
            store=None if no_cache else str(default_root()),
        )
        _checked(suite, records, resume=resume, quiet=quiet)
        if wanted.count > 1:
            _said(f"one part of {wanted.count}: merge them, then --from", quiet=quiet)
            sys.exit(EXIT_OK)
    board = read_scoreboard(records)
    with open_engines(specs, "referee", timeout) if specs else nullcontext(()) as engines:
        measured = not no_speed and source is None
        page = write_site(
            board,
            _speeds(engines[:-1], out / SPEEDS, measured=measured, resume=resume, quiet=quiet),
            records,
            out,
            rungs=_rungs(board.header),
            specs=specs,
            engines=engines,
            history=history,
            alone=alone,
        )
    _said(f"scoreboard  {page}", quiet=quiet)


def _said(text: str, *, quiet: bool) -> None:
    if not quiet:
        click.echo(text)


def _suite(
    specs: tuple[str, ...],
    examples: int | None,
    seed: int | None,
    **more: object,
) -> Suite:
    from dataclasses import replace

    from harness.conformance.scoreboard import PROPERTIES
    from harness.conformance.suite import suite_of

    suite = suite_of(specs, "referee", "pr", examples=examples, seed=seed, properties=PROPERTIES)
    more = {key: value for key, value in more.items() if value is not None or key == "store"}
    return replace(
        suite,
        generated_only=True,
        settings=("default",),
        command=shlex.join(["lmm-parity", *sys.argv[1:]]),
        **more,  # type: ignore[arg-type]
    )


def _checked(suite: Suite, records: Path, *, resume: bool, quiet: bool) -> None:
    from harness.commands.progress import progress
    from harness.conformance.suite import run_suite

    with progress("Checking", suite.shard.size(len(suite.checks())), hidden=quiet) as advance:

        def told(done: Done) -> None:
            advance(done.id)

        run_suite(suite, records, told=told, resume=resume)


def _rungs(header: Header) -> dict[str, Rung]:
    """Build the cases of a run again, by their ids."""
    from harness.conformance.suite import suite_of
    from harness.data.recipes.shapes import build

    examples = int(header.options.get("examples", "0") or 0)
    if header.seed is None or not examples:
        return {}
    suite = suite_of((), header.reference, "pr", examples=examples, seed=header.seed)
    return {recipe.id: build(recipe) for recipe in suite.checks().recipes}


def _speeds(
    engines: Sequence[Engine], path: Path, *, measured: bool, resume: bool, quiet: bool
) -> tuple[Speed, ...]:
    """Measure times, or read those that were measured with the same board."""
    import msgspec

    from harness.base.json import decode, encode
    from harness.commands.progress import progress
    from harness.conformance.fit_times import Speed, measure

    if path.is_file() and (resume or not measured):
        try:
            return tuple(decode(path.read_bytes(), tuple[Speed, ...]))
        except msgspec.DecodeError as error:
            raise BadInput(f"{path}: no times of a scoreboard ({error}); delete it") from error
    if not measured:
        return ()
    with progress("Timing", 0, hidden=quiet) as advance:
        found = measure(engines, told=advance)
    write_file(path, encode(list(found)) + b"\n")
    return found
