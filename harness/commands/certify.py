"""``lmm-parity certify``: certified values of rungs, or of any model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import EXIT_UNEXPLAINED, BadInput, EnvironmentProblem
from harness.base.files import require_folder, require_writable, write_file
from harness.commands import options

if TYPE_CHECKING:
    from harness.data.rungs import Rung
    from harness.model.case import Case


@dataclass(frozen=True)
class _Task:
    """A case, what is known of its data, and the command that certifies it."""

    case: Case
    data: dict[str, str | int]
    command: str


@click.command()
@click.argument("wanted", nargs=-1, metavar="[RUNG]...")
@click.option("--data", type=click.Path(path_type=Path), metavar="CSV", help="A table of your own.")
@click.option("--formula", metavar="F", help="Model for --data, in lme4's syntax.")
@click.option("--ml", is_flag=True, help="Maximum likelihood instead of REML, for --data.")
@click.option(
    "--factor",
    "factors",
    multiple=True,
    metavar="COLUMN",
    help="Treat a numeric column of --data as a factor (repeatable).",
)
@options.written
@options.reading
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write one file per model into this folder instead of printing.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Compare with the stored files (those in --out, where it is given); write nothing.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors and differences.")
def certify(
    wanted: tuple[str, ...],
    data: Path | None,
    formula: str | None,
    ml: bool,
    factors: tuple[str, ...],
    out: Path | None,
    check: bool,
    quiet: bool,
) -> None:
    """Certify the optimum of rungs (all without RUNG) or of a model of your own.

    Computes estimates, standard errors, Satterthwaite and Kenward-Roger degrees of freedom,
    variances and the log-likelihood at 150 digits by two independent routes, proves that the
    optimum is one, and writes 20 digits. Needs the extra: pip install 'lmm-parity[certify]'.

    \b
    lmm-parity certify sleepstudy/slope
    lmm-parity certify --data sleep.csv --formula "Reaction ~ Days + (Days | Subject)"
    """
    from harness.commands.progress import progress

    if data is not None and wanted:
        raise click.UsageError("give rungs or --data, not both")
    if (data is None) != (formula is None):
        raise click.UsageError("--data and --formula go together")
    if data is None and (ml or factors):
        raise click.UsageError(f"{'--ml' if ml else '--factor'} needs --data")
    if check and data is not None and out is None:
        raise click.UsageError("--check of --data needs --out, where its file is")
    if data is not None and formula is not None:
        tasks = iter([_own_task(data, formula, ml, factors)])
    else:
        tasks = _rung_tasks(wanted)
    if out is not None and not check:
        require_folder(out)
    differing = []
    with progress("Certifying", 0, hidden=quiet) as advance:
        for task in tasks:
            advance(task.case.id)
            if not _run(task, out, check=check, quiet=quiet):
                differing.append(task.case.id)
    if differing:
        click.echo(f"lmm-parity: certify: {', '.join(differing)}", err=True)
        sys.exit(EXIT_UNEXPLAINED)


def _run(task: _Task, out: Path | None, *, check: bool, quiet: bool) -> bool:
    """Certify one case; False when it could not be, or the stored file says otherwise."""
    try:
        import flint  # noqa: F401
        import mpmath  # noqa: F401
    except ImportError as error:
        raise EnvironmentProblem(
            f"{error.name} is not installed: pip install 'lmm-parity[certify]'"
        ) from None
    from harness.certify.ball_likelihood import NotCertified
    from harness.certify.certification import certified_text
    from harness.certify.certification import certify as certify_case
    from harness.data.certified_values import file_name

    path = None if out is None or check else out / file_name(task.case.id)
    if path is not None:
        require_writable(path)
    try:
        certification = certify_case(task.case)
    except NotCertified as error:
        click.echo(f"{task.case.id}: not certified: {error}", err=True)
        return False
    text = certified_text(task.case, certification, task.data, task.command)
    digits = f"{certification.agreement} digits by both routes"
    if check:
        stored = _stored(out, file_name(task.case.id))
        differences = list(_differences(stored, text))
        for line in differences:
            click.echo(f"{task.case.id}: {line}", err=True)
        if not quiet and not differences:
            click.echo(f"{task.case.id}: as stored, {digits}")
        return not differences
    if path is None:
        click.echo(text)
        return True
    write_file(path, text)
    if not quiet:
        click.echo(f"{task.case.id}: {digits}, {path}")
    return True


def _stored(folder: Path | None, name: str) -> str | None:
    from harness.base.resources import fixture

    try:
        path = fixture("certified", name) if folder is None else folder / name
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


_VERSIONS = ("program = ", "libraries = ", "#", "gradient = ", "box = ", "error = ")
"""Lines that may change with a version of this program or of a library; values may not."""


def _differences(stored: str | None, made: str) -> Iterator[str]:
    """Lines in which a stored file is not what is made now."""
    if stored is None:
        yield "no file is stored"
        return
    old, new = (
        [line for line in text.splitlines() if not line.startswith(_VERSIONS)]
        for text in (stored, made)
    )
    design = [line for line in old if line.startswith("design_sha256")]
    if design and design[0] not in new:
        # Every value would differ, and the reason is not the arithmetic of this program.
        yield "the stored values belong to other data or another design (design_sha256 differs)"
        return
    if len(old) != len(new):
        yield f"{len(old)} lines are stored, {len(new)} are made"
    for was, now in zip(old, new, strict=False):
        if was != now:
            yield f"stored {was!r}, now {now!r}"


def _rung_tasks(wanted: tuple[str, ...]) -> Iterator[_Task]:
    from harness.data.certified_values import load_certified
    from harness.data.ladder import every_rung, full_ladder
    from harness.data.rungs import select

    # Without a choice those that have certified values: models with weights have none.
    known = {rung.case.id for rung in full_ladder()}
    certified = [r for r in every_rung() if r.case.id in known or load_certified(r.case.id)]
    for rung in select(every_rung(), wanted) if wanted else certified:
        yield _Task(rung.case, _provenance(rung), f"lmm-parity certify {rung.case.id}")


def _provenance(rung: Rung) -> dict[str, str | int]:
    """Name, file and checksum of a rung's data; some are made from a fixture by the ladder."""
    import hashlib
    import tomllib

    from harness.base.resources import fixture

    name, _, derived = rung.data.name.partition(", ")
    described = tomllib.loads(fixture("datasets.toml").read_text(encoding="utf-8"))
    file = described[name]["file"]
    content = fixture(*Path(file).parts).read_bytes()
    out: dict[str, str | int] = {"data": name}
    if derived:
        out["derived"] = derived
    return {**out, "file": file, "file_sha256": hashlib.sha256(content).hexdigest()}


def _own_task(data: Path, formula: str, ml: bool, factors: tuple[str, ...]) -> _Task:
    import hashlib
    import shlex

    from harness.model.case import Case
    from harness.model.model import bind, parse_model

    formula = options.whole_formula(formula)
    model = parse_model(formula, "ML" if ml else "REML", options.residual_given())
    if model.formula.weights is not None:
        raise BadInput("models with weights are not certified: roots of weights are no rationals")
    if model.structured is not None:
        raise BadInput("structured random terms are not certified: the two routes do not have them")
    dataset = options.own_dataset(data)
    unused = [c for c in factors if c not in {name.name for name in model.names()}]
    if unused:
        raise BadInput(f"column {unused[0]!r} is not in the formula")
    with options.hinted(dataset, [n.name for n in model.names() if not n.as_factor]):
        table = bind(model, dataset.frame, factors=factors)
    case = Case(f"{data.stem}/{model.criterion}", model, table)
    command = ["lmm-parity", "certify", "--data", str(data), "--formula", formula]
    command += [*(["--ml"] if ml else []), *(f"--factor={name}" for name in factors)]
    residual = options.residual_given()
    command += [f"--residual={residual}"] if residual else []
    missing, comment = options.reading_given()
    command += [
        *(f"--na={text}" for text in missing),
        *([f"--comment={comment}"] if comment else []),
    ]
    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    return _Task(case, {"file": data.name, "file_sha256": digest}, shlex.join(command))
