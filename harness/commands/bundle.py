"""``lmm-parity bundle``: a folder that shows one case to anyone, without this program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_UNEXPLAINED, BadInput
from harness.base.files import require_writable, write_file
from harness.commands import options
from harness.commands.execution import open_engines

if TYPE_CHECKING:
    from harness.data.anonymisation import Key
    from harness.page.bundle.bundle_folder import Bundle, ScriptRun

_folder = click.argument("folder", type=click.Path(path_type=Path))


@click.group()
def bundle() -> None:
    """Write and re-run a folder that shows a case: data, a script for each engine, issue."""


@bundle.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("formula")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The folder to write; a new one."
)
@options.ml
@options.factors
@options.levels
@options.written
@options.reading
@options.engine
@options.reference
@click.option(
    "--anonymise",
    is_flag=True,
    help="Hide names, labels, units and origins as far as the verdict stays the same.",
)
@click.option("--shuffle", is_flag=True, help="With --anonymise: put the rows in another order.")
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path),
    help="With --anonymise: where to write what was changed (otherwise it is not kept).",
)
@options.timeout
@options.as_json
@options.quiet
def make(
    data: Path,
    formula: str,
    out: Path,
    ml: bool,
    factors: tuple[str, ...],
    levels: tuple[str, ...],
    engine_name: str,
    reference_name: str,
    anonymise: bool,
    shuffle: bool,
    key_file: Path | None,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit FORMULA (lme4 syntax) to the table DATA and write its reproduction bundle.

    \b
    lmm-parity bundle make sleep.csv "Reaction ~ Days + (Days | Subject)" --out sleep-issue
    """
    from harness.base.json import encode
    from harness.campaign.serial import Plan, run
    from harness.commands.progress import progress
    from harness.page.bundle.bundle_folder import require_free, write_bundle

    if not anonymise and (shuffle or key_file is not None):
        raise click.UsageError(f"{'--shuffle' if shuffle else '--key'} needs --anonymise")
    if key_file is not None:
        _require_apart(key_file, out)
    require_free(out)
    rung = options.own_rung(data, formula, ml=ml, factors=factors, levels=levels)
    with open_engines((engine_name,), reference_name, timeout) as engines:
        plan = Plan("bundle", [rung], engines)
        with progress("Fitting and running the scripts", 2, hidden=quiet or as_json) as advance:
            record = next(run(plan))
            advance(record.id)
            made = write_bundle(out, rung, record, plan, anonymise=anonymise, shuffle=shuffle)
            advance(record.id)
    if key_file is not None and made.key is not None:
        _write_key(key_file, made.key)
    if as_json:
        click.echo(encode(made.manifest).decode())
    elif not quiet:
        _print_made(made, key_file)


@bundle.command("run")
@_folder
@options.as_json
@options.quiet
def run_again(folder: Path, as_json: bool, quiet: bool) -> None:
    """Run the scripts of a bundle again and say whether they still show the same.

    Exit codes: 0 they do, 1 one of them does not, 2 not a bundle, 3 one could not be run.
    """
    from harness.base.json import encode
    from harness.page.bundle.rerun import rerun

    found = rerun(folder)
    if as_json:
        for entry in found:
            click.echo(encode(entry).decode())
    elif not quiet:
        width = max(14, *(len(entry.script) for entry in found))
        for entry in found:
            click.echo(f"{entry.script:<{width}} {entry.sentence}")
        click.echo(_summary({entry.state for entry in found}))
    states = {entry.state for entry in found}
    if "other" in states:
        sys.exit(EXIT_UNEXPLAINED)
    sys.exit(EXIT_ENVIRONMENT if "not run" in states else EXIT_OK)


@bundle.command()
@_folder
@click.option("--open", "opening", is_flag=True, help="Open it in the program for such files.")
@options.quiet
def show(folder: Path, opening: bool, quiet: bool) -> None:
    """Print the issue text of a bundle."""
    from harness.page.bundle.bundle_folder import ISSUE, read_manifest

    read_manifest(folder)
    path = folder / ISSUE
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
    if opening:
        if click.launch(str(path)) != 0:
            raise BadInput(f"{path}: no program opens it here; leave --open out to print it")
    elif not quiet:
        click.echo(text, nl=False)


def _summary(states: set[str]) -> str:
    if "other" in states:
        return "They no longer show the same."
    if "not run" in states:
        return "Not every script could be run."
    if "close" in states:
        return "They show the same; the last digits differ."
    return "They show the same."


def _print_made(made: Bundle, key_file: Path | None) -> None:
    from harness.judge.case_verdict import main_verdict

    first = main_verdict(made.record)
    click.echo(f"{first.verdict.replace('_', ' ')}  {first.sentence}")
    if made.key is not None:
        kept = f"; the key is in {key_file}, keep it to yourself" if key_file else ""
        click.echo(f"anonymised     {made.key.strength}; verdict and causes stay the same{kept}")
        unchanged = [
            name
            for name, new in made.key.columns.items()
            if name not in {*made.key.values, *made.key.labels, *made.key.mixed}
        ]
        if unchanged:
            click.echo(f"               values kept as they are: {', '.join(unchanged)}")
    print_scripts(made)


def print_scripts(made: Bundle) -> None:
    """Say what the scripts of a bundle gave, and where it is."""
    width = max(14, *(len(entry.script) for entry in made.manifest.scripts))
    for entry in made.manifest.scripts:
        click.echo(f"{entry.script:<{width}} {_state(made, entry)}")
    click.echo(f"bundle         {made.directory}")
    click.echo(f"               lmm-parity bundle show {made.directory}")


def _state(made: Bundle, entry: ScriptRun) -> str:
    from harness.engines.engine import Failure

    if entry.problem:
        return f"written, not run: {entry.problem}"
    if made.record.fit(entry.engine) is None:
        return f"for comparison: {entry.engine} was not part of the run"
    if entry.unlike_record:
        return f"against the record: {'; '.join(entry.unlike_record)}"
    if isinstance(made.record.fit(entry.engine), Failure):
        return "says why there is no fit, as the record does"
    return "prints the record's numbers to 15 digits"


def _require_apart(key_file: Path, out: Path) -> None:
    if out.resolve() in key_file.resolve().parents:
        raise BadInput(f"{key_file}: the key would be inside the bundle; put it elsewhere")
    if key_file.exists():
        raise BadInput(f"{key_file}: there is a file of that name")
    require_writable(key_file)


def _write_key(path: Path, key: Key) -> None:
    import msgspec

    from harness.base.json import encode

    write_file(path, msgspec.json.format(encode(key), indent=2) + b"\n")
