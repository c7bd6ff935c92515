"""``lmm-parity run``: many cases, in parallel, nothing lost."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from harness.base.errors import EXIT_INTERRUPTED, BadInput, EnvironmentProblem, Stop
from harness.base.files import growing_place, require_folder
from harness.campaign.fork_server import start_server
from harness.commands import options
from harness.commands.execution import case_setup, chosen_engines

if TYPE_CHECKING:
    from harness.campaign.campaign_file import Campaign
    from harness.campaign.sources import Source
    from harness.campaign.watchers import Counting

EXIT_TERMINATED = 143


@click.command()
@click.option("--ladder", is_flag=True, help="The rungs of the ladder.")
@click.option(
    "--rung",
    "rungs",
    multiple=True,
    metavar="ID",
    help="Only this rung, or those under it (repeatable).",
)
@click.option(
    "--cases",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="A folder of CSV files with cases.toml.",
)
@click.option(
    "--recipes", type=click.Path(path_type=Path), metavar="FILE", help="A file of recipes."
)
@click.option(
    "--generate", type=click.IntRange(min=1), metavar="N", help="N cases drawn by Hypothesis."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="For --generate.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The record file; it grows as FILE.partial.",
)
@click.option("--resume", is_flag=True, help="Go on with an unfinished file, if there is one.")
@click.option("--shard", metavar="I/N", help="Every N-th case from the I-th; merge joins them.")
@click.option("--dask", metavar="ADDRESS", help="Run on a Dask cluster.")
@click.option(
    "--memory",
    type=click.IntRange(min=100),
    default=4096,
    show_default=True,
    metavar="MB",
    help="Megabytes a fit may allocate.",
)
@options.fitting
def run(
    ladder: bool,
    rungs: tuple[str, ...],
    cases: Path | None,
    recipes: Path | None,
    generate: int | None,
    seed: int,
    out: Path,
    resume: bool,
    shard: str | None,
    dask: str | None,
    memory: int,
    jobs: int | None,
    cached: bool,
    engine_names: tuple[str, ...],
    reference_name: str,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit many cases with all engines and append their records to a file.

    Nothing that is done is lost: after Ctrl-C, a crash or a full disk, --resume goes on.

    \b
    lmm-parity run --ladder --out ladder.jsonl
    lmm-parity run --cases trials/ --out trials.jsonl --jobs 8
    lmm-parity run --generate 1000 --seed 7 --out night.jsonl --resume
    """
    if dask is not None and jobs is not None:
        raise click.UsageError("--jobs is for this machine; a Dask cluster has its own workers")
    if dask is None:
        start_server()  # it imports beside this process

    from harness.campaign.campaign_file import Campaign
    from harness.campaign.sources import ALL, Shard
    from harness.campaign.watchers import Events, watching

    part = ALL if shard is None else Shard.parse(shard)
    out = growing_place(out)
    if resume and out.is_file() and not out.with_name(out.name + ".partial").exists():
        _end_finished(out, as_json=as_json, quiet=quiet)
    source = _source(ladder, rungs, cases, recipes, generate, seed)
    engines = chosen_engines(engine_names, reference_name)
    _require_free(out, resume=resume)
    setup = case_setup(engines, timeout=timeout, cached=cached, memory_mb=memory)
    campaign = Campaign(
        source,
        setup,
        shard=part,
        command=shlex.join(["lmm-parity", *sys.argv[1:]]),
        seed=seed if generate is not None else 0,
        jobs=jobs,
    )
    with ExitStack() as stack:
        if dask is not None:
            from harness.campaign.dask_executor import dask_place

            campaign = stack.enter_context(dask_place(dask)).running(campaign)
        watcher: Counting = (
            Events(click.echo) if as_json else stack.enter_context(watching(quiet=quiet))
        )
        code = _run(campaign, out, watcher, resume=resume)
    if not as_json and not quiet:
        _say_end(watcher, out)
    sys.exit(code)


def _end_finished(out: Path, *, as_json: bool, quiet: bool) -> NoReturn:
    """Say of a run that is finished how it ended: a batch job may be started once too often."""
    from harness.campaign.tally import tally_of

    tally = tally_of(out)
    if not as_json and not quiet:
        click.echo(f"{out} is finished: {tally.line()}")
    sys.exit(tally.exit_code)


def _source(
    ladder: bool,
    rungs: tuple[str, ...],
    cases: Path | None,
    recipes: Path | None,
    generate: int | None,
    seed: int,
) -> Source:
    from harness.campaign.case_folder import CaseFolder
    from harness.campaign.sources import Generated, Ladder, Recipes

    given = [
        name
        for name, value in (
            ("--ladder", ladder or bool(rungs)),
            ("--cases", cases is not None),
            ("--recipes", recipes is not None),
            ("--generate", generate is not None),
        )
        if value
    ]
    if len(given) != 1:
        what = " and ".join(given) if given else "none"
        raise click.UsageError(
            f"give one of --ladder (or --rung), --cases, --recipes, --generate; there is {what}"
        )
    if cases is not None:
        return CaseFolder.of(cases)
    if recipes is not None:
        return Recipes.of(recipes)
    if generate is not None:
        return Generated.of(generate, seed)
    source = Ladder(rungs)
    len(source)  # an unknown rung is refused here
    return source


def _require_free(out: Path, *, resume: bool) -> None:
    if out.is_dir():
        raise BadInput(f"{out}: is a folder")
    partial = out.with_name(out.name + ".partial")
    if not resume and partial.exists() and partial.stat().st_size:
        raise BadInput(f"{partial}: holds an unfinished run; go on with --resume, or remove it")
    require_folder(out.parent)


def _run(campaign: Campaign, out: Path, watcher: Counting, *, resume: bool) -> int:
    from harness.campaign.campaign_file import run_to_file
    from harness.campaign.watchers import Events

    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        footer = run_to_file(campaign, out, watcher=watcher, resume=resume)
    except (KeyboardInterrupt, _Terminated) as ended:
        code = EXIT_TERMINATED if isinstance(ended, _Terminated) else EXIT_INTERRUPTED
        _say_interrupted(watcher, out)
        sys.exit(code)
    except EnvironmentProblem as error:
        raise EnvironmentProblem(f"{error}{_how_to_go_on(watcher, out)}") from error
    finally:
        signal.signal(signal.SIGTERM, before)
    tally = watcher.tally
    if isinstance(watcher, Events):
        watcher.event(
            "finish",
            path=str(out),
            cases=footer.cases,
            verdicts=footer.verdicts,
            seconds=footer.seconds,
            exit_code=tally.exit_code,
        )
    return tally.exit_code


class _Terminated(Stop):
    """SIGTERM, which a batch system sends some time before SIGKILL."""


def _terminated(signum: int, frame: object) -> NoReturn:  # noqa: ARG001
    raise _Terminated


def _how_to_go_on(watcher: Counting, out: Path) -> str:
    partial = out.with_name(out.name + ".partial")
    if not partial.exists() or not watcher.tally.planned:
        return ""
    tally = watcher.tally
    return f"; {tally.done} of {tally.planned} cases are in {partial}: go on with --resume"


def _say_interrupted(watcher: Counting, out: Path) -> None:
    hint = _how_to_go_on(watcher, out) or "; nothing was written"
    click.echo(f"lmm-parity: interrupted{hint}", err=True)


def _say_end(watcher: Counting, out: Path) -> None:
    from harness.campaign.tally import duration

    tally = watcher.tally
    seconds = duration(time.monotonic() - tally.began)
    click.echo(f"{tally.done} cases in {seconds}: {tally.line().partition('; ')[2]}")
    click.echo(f"records  {out}")
    click.echo(f"report   lmm-parity report --from {shlex.quote(str(out))}")
