"""The command line: ``lmm-parity``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import __version__, numerics
from harness.certify_command import certify
from harness.errors import (
    EXIT_ENVIRONMENT,
    EXIT_OK,
    EXIT_UNEXPLAINED,
    BadInput,
    EnvironmentProblem,
    HarnessError,
)

# Everything numeric is imported inside the commands: after the environment is pinned, and so that
# --help answers at once.
if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.campaign.records import CaseRecord
    from harness.cases.ladder import Rung
    from harness.cases.model import Criterion
    from harness.engines.lme4 import Lme4Engine

EXIT_INTERRUPTED = 130

_quiet = click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON lines instead of text.")
_out = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reports"),
    show_default=True,
    help="Folder for parity.html and parity.jsonl.",
)
_timeout = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=120.0,
    show_default=True,
    help="Seconds an R fit may take.",
)

_engine = click.option(
    "--engine",
    "engine_name",
    type=click.Choice(["statsmodels", "referee"]),
    default="statsmodels",
    show_default=True,
    help="What is compared with lme4.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lmm-parity")
def cli() -> None:
    """Fit the same linear mixed model in Python (statsmodels) and in R (lme4, lmerTest).

    Find out whether they agree and, where they do not, which one is wrong and why.

    Exit codes: 0 all agreed or explained, 1 an unexplained disagreement, 2 usage or bad input,
    3 environment.
    """


def main() -> None:
    """Run the command line; every expected error becomes one clear line and its exit code."""
    numerics.pin()
    try:
        cli.main(standalone_mode=False)
    except HarnessError as error:
        click.echo(f"lmm-parity: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        command = context.command_path if context is not None else "lmm-parity"
        message = " ".join(error.format_message().split())
        click.echo(f"lmm-parity: {message} ({command} --help says more)", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("lmm-parity: interrupted; no report was written", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)


@cli.command()
@_out
@click.option(
    "--rung",
    "wanted",
    multiple=True,
    metavar="ID",
    help="Only this rung, or those under it (repeatable).",
)
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="Render the report of an existing record file; fit nothing.",
)
@_engine
@_timeout
@_json
@_quiet
def report(
    out: Path,
    wanted: tuple[str, ...],
    source: Path | None,
    engine_name: str,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit the whole ladder in both engines and write the parity report."""
    from harness.cases.ladder import full_ladder, select

    if source is not None:
        _render(source, out / "parity.html", as_json=as_json, quiet=quiet)
        return
    rungs: Sequence[Rung] = full_ladder()
    if wanted:
        rungs = select(rungs, wanted)
    options = {"rungs": " ".join(wanted) or "all", "timeout": f"{timeout:g}"}
    title = "The ladder"
    _run_and_report(title, rungs, out, engine_name, options, timeout, as_json=as_json, quiet=quiet)


@cli.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="CSV",
    help="Run the tutorial's seven rungs on this table.",
)
@click.option("--outcome", metavar="COLUMN", help="Numeric column.")
@click.option("--predictor", metavar="COLUMN", help="Numeric column.")
@click.option("--group", metavar="COLUMN", help="Grouping factor.")
@_out
@_engine
@_timeout
@_json
@_quiet
def ladder(
    data: Path | None,
    outcome: str | None,
    predictor: str | None,
    group: str | None,
    out: Path,
    engine_name: str,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """List the rungs or, with --data, run the tutorial's seven on your own table."""
    from harness.cases.ladder import full_ladder, seven_rungs

    columns = {"--outcome": outcome, "--predictor": predictor, "--group": group}
    if data is None:
        given = [option for option, value in columns.items() if value is not None]
        if given:
            raise click.UsageError(f"{given[0]} needs --data")
        _list_rungs(full_ladder(), as_json=as_json, quiet=quiet)
        return
    missing = [option for option, value in columns.items() if value is None]
    if missing:
        raise click.UsageError(f"--data needs {', '.join(missing)}")
    assert outcome is not None
    assert predictor is not None
    assert group is not None
    rungs = seven_rungs(_own_dataset(data), outcome, predictor, group, prefix="ladder")
    options = {"data": str(data), "outcome": outcome, "predictor": predictor, "group": group}
    title = f"The tutorial's ladder on {data.name}"
    _run_and_report(title, rungs, out, engine_name, options, timeout, as_json=as_json, quiet=quiet)


@cli.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("formula")
@click.option("--ml", is_flag=True, help="Maximum likelihood instead of REML.")
@click.option(
    "--factor",
    "factors",
    multiple=True,
    metavar="COLUMN",
    help="Treat a numeric column as a factor (repeatable).",
)
@click.option(
    "--levels",
    "levels",
    multiple=True,
    metavar="COLUMN=A,B,C",
    help="Level order of a factor; the first is the reference (repeatable).",
)
@_engine
@_timeout
@_json
@_quiet
def fit(
    data: Path,
    formula: str,
    ml: bool,
    factors: tuple[str, ...],
    levels: tuple[str, ...],
    engine_name: str,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    r"""Fit FORMULA (lme4 syntax) to the table DATA in both engines, side by side.

    \b
    lmm-parity fit sleep.csv "Reaction ~ Days + (Days | Subject)"
    """
    from harness.campaign.run import Plan, run
    from harness.cases.case import Case
    from harness.cases.ladder import Rung
    from harness.cases.model import bind, parse_model
    from harness.engines.registry import PYTHON_ENGINES
    from harness.numbers import encode
    from harness.progress import progress
    from harness.terminal import print_case

    criterion: Criterion = "ML" if ml else "REML"
    model = parse_model(formula, criterion)
    dataset = _own_dataset(data)
    order = _parse_levels(levels)
    _require_used([*factors, *order], {name.name for name in model.names()})
    table = bind(model, dataset.frame, factors=factors, levels=order)
    case = Case(data.name, model, table)
    rows, columns = case.design.x.shape
    if rows <= columns:
        counts = f"{rows} complete row{'s' if rows > 1 else ''} for {columns} fixed effects"
        raise BadInput(f"{counts}: nothing is left for a residual variance")
    names = case.design.x_names
    focus = names[1] if len(names) > 1 and names[0] == "Intercept" else names[0]
    rung = Rung(case, data.name, "", focus, dataset)
    with _r_engine(timeout) as reference:
        plan = Plan("fit", [rung], PYTHON_ENGINES[engine_name](), reference)
        with progress("Fitting in both engines", 1, hidden=quiet or as_json) as advance:
            record = next(run(plan))
            advance(record.id)
        versions = {e.name: e.versions().get(e.name, "") for e in plan.engines}
    if as_json:
        click.echo(encode(record).decode())
    elif not quiet:
        print_case(record, versions)
    sys.exit(exit_code([record]))


@cli.command()
@_json
@_quiet
def doctor(as_json: bool, quiet: bool) -> None:
    """Check R, rpy2, packages and BLAS, and fit ten rows whose right answer is known."""
    from harness.doctor import examine_environment
    from harness.numbers import encode
    from harness.progress import progress
    from harness.rbridge import RSession
    from harness.terminal import print_checks

    with RSession(timeout=60) as session:
        session.start()
        with progress("Looking", 0, hidden=quiet or as_json) as advance:
            checks = []
            for check in examine_environment(session):
                advance(check.name)
                checks.append(check)
    if as_json:
        for check in checks:
            click.echo(encode(check).decode())
    elif not quiet:
        print_checks(checks)
    sys.exit(EXIT_OK if all(check.ok for check in checks) else EXIT_ENVIRONMENT)


cli.add_command(certify)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of a line of a record file."""
    import json

    from harness.campaign.records import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def exit_code(cases: Sequence[CaseRecord]) -> int:
    """Return 0 when every case agreed or has its cause, 1 for one without, 3 for no engine.

    A failure whose only cause is the engine's own error is not explained by it.
    """
    verdicts = [case.verdicts[0] for case in cases]
    if any(v.verdict == "ENVIRONMENT" for v in verdicts):
        return EXIT_ENVIRONMENT
    unexplained = any(
        v.verdict in ("UNEXPLAINED", "DATA_MISMATCH")
        or (v.verdict == "FAILED" and set(v.causes) <= {"engine-error"})
        for v in verdicts
    )
    return EXIT_UNEXPLAINED if unexplained else EXIT_OK


def _own_dataset(path: Path) -> Any:
    from harness.cases.datasets import Dataset, read_csv

    return Dataset(path.name, read_csv(path), str(path))


def _parse_levels(given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    order = {}
    for item in given:
        column, equals, listed = item.partition("=")
        levels = tuple(part.strip() for part in listed.split(","))
        if not equals or not column or len(levels) < 2 or not all(levels):
            raise click.UsageError(f"--levels {item!r}: write COLUMN=first,second,...")
        if len(set(levels)) < len(levels):
            raise click.UsageError(f"--levels {item!r}: a level is there twice")
        order[column] = levels
    return order


def _require_used(columns: list[str], used: set[str]) -> None:
    for column in columns:
        if column not in used:
            raise BadInput(f"column {column!r} is not in the formula")


def _require_r() -> None:
    from harness.rbridge import RFailure
    from harness.rbridge.environment import find_r

    try:
        find_r()
    except RFailure as failure:
        raise EnvironmentProblem(f"{failure} (lmm-parity doctor says more)") from None


@contextmanager
def _r_engine(timeout: float) -> Iterator[Lme4Engine]:
    """Give the R engine, R starting in the background; no R is an environment problem."""
    from harness.engines.lme4 import Lme4Engine
    from harness.rbridge import RSession

    _require_r()
    with RSession(timeout=timeout) as session:
        session.start()
        yield Lme4Engine(session)


def _run_and_report(
    title: str,
    rungs: Sequence[Rung],
    out: Path,
    engine_name: str,
    options: dict[str, str],
    timeout: float,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    from harness.campaign.run import Plan, run_to_file
    from harness.engines.registry import PYTHON_ENGINES
    from harness.progress import progress

    path = out / "parity.jsonl"
    _require_r()  # before a folder is made for nothing
    _require_writable(out)
    with _r_engine(timeout) as reference:
        plan = Plan(
            title=title,
            rungs=rungs,
            engine=PYTHON_ENGINES[engine_name](),
            reference=reference,
            command=shlex.join(["lmm-parity", *sys.argv[1:]]),
            options=tuple({"engine": engine_name, **options}.items()),
        )
        with progress("Fitting", len(rungs), hidden=quiet or as_json) as advance:
            run_to_file(plan, path, lambda record: advance(record.id))
    _render(path, out / "parity.html", as_json=as_json, quiet=quiet)


def _require_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".lmm-parity"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise BadInput(f"{out}: cannot be written: {error.strerror or error}") from error


def _render(source: Path, page: Path, *, as_json: bool, quiet: bool) -> None:
    from harness.campaign.records import read_records
    from harness.report.build import write_report
    from harness.terminal import print_run

    run = read_records(source, allow_unfinished=True)
    _require_writable(page.parent)
    write_report(run, page)
    if as_json:
        click.echo(source.read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        print_run(run, source, page)
    sys.exit(exit_code(run.cases) if run.cases else EXIT_UNEXPLAINED)


def _list_rungs(rungs: Sequence[Rung], *, as_json: bool, quiet: bool) -> None:
    import json

    from harness.cases.spelling import lme4_formula
    from harness.terminal import print_rungs

    if as_json:
        for rung in rungs:
            case = rung.case
            about = {
                "id": case.id,
                "title": rung.title,
                "group": rung.group,
                "formula": lme4_formula(case.model),
                "criterion": case.model.criterion,
                "data": rung.data.name,
                "rows": case.table.n_rows,
                "focus": rung.focus,
            }
            click.echo(json.dumps(about, ensure_ascii=False))
    elif not quiet:
        print_rungs(rungs)
