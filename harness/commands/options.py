"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import click
from click.core import ParameterSource

quiet = click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON lines instead of text.")
out = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reports"),
    show_default=True,
    help="Folder for parity.html and parity.jsonl.",
)
timeout = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=120.0,
    show_default=True,
    help="Seconds that a fit may take, in any engine, and the referee with a case; the whole "
    "has no limit.",
)
whole_timeout = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=600.0,
    show_default=True,
    help="Seconds that all may take: what would take longer is left out, what does is stopped.",
)
engine = click.option(
    "--engine",
    "engine_name",
    metavar="NAME",
    default="statsmodels",
    show_default=True,
    help="What is compared: an engine's name, NAME=COMMAND for a program, or module:attribute.",
)
engines = click.option(
    "--engine",
    "engine_names",
    multiple=True,
    metavar="NAME",
    default=("statsmodels",),
    show_default=True,
    help="What is compared: an engine's name, NAME=COMMAND for a program, or module:attribute "
    "(repeatable).",
)
reference = click.option(
    "--reference",
    "reference_name",
    metavar="NAME",
    default="lme4",
    show_default=True,
    help="What it is compared with.",
)
jobs = click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    metavar="N",
    help="Workers at a time; as many as there are processors without it.",
)
cached = click.option(
    "--cache/--no-cache",
    "cached",
    default=True,
    show_default=True,
    help="Look up what was fitted before (lmm-parity cache says where).",
)
page = click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it as one HTML file, too.",
)
level = click.option(
    "--level",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Confidence level.",
)
ml = click.option("--ml", is_flag=True, help="Maximum likelihood instead of REML.")
factors = click.option(
    "--factor",
    "factors",
    multiple=True,
    metavar="COLUMN",
    help="Treat a numeric column as a factor (repeatable).",
)
levels = click.option(
    "--levels",
    "levels",
    multiple=True,
    metavar="COLUMN=A,B,C",
    help="Level order of a factor; the first is the reference (repeatable).",
)


def written(command: Callable[..., None]) -> Callable[..., None]:
    """Add what may be said of a model beside its formula.

    :func:`whole_formula` writes it; the covariance of the residuals is
    :func:`residual_given`.
    """

    def kept(context: click.Context, option: click.Parameter, value: Any) -> None:
        context.meta[f"{__name__}.{option.name}"] = value

    for option in (
        click.option(
            "--residual",
            metavar="STRUCTURE",
            default="",
            expose_value=False,
            callback=kept,
            help="Covariance of the residuals: 'ar1(visit | subject)', car1, cs, toep, corr or us, "
            "and 'het(sex)' for variances by a factor, joined by '+'.",
        ),
        click.option(
            "--offset",
            metavar="COLUMN",
            default="",
            expose_value=False,
            callback=kept,
            help="Column with a known part of the outcome: + offset(COLUMN) in the formula.",
        ),
        click.option(
            "--weights",
            metavar="COLUMN",
            default="",
            expose_value=False,
            callback=kept,
            help="Column of weights, the residual variance of a row being s2 / w: "
            "+ weights(COLUMN) in the formula.",
        ),
        click.option(
            "--contrasts",
            multiple=True,
            metavar="COLUMN=CODING",
            expose_value=False,
            callback=kept,
            help="Coding of a factor: sum, helmert, poly, SAS, or treatment:LEVEL with the level "
            "as the reference (repeatable).",
        ),
    ):
        command = option(command)
    return command


def whole_formula(formula: str) -> str:
    """Return a formula with what ``--contrasts``, ``--weights`` and ``--offset`` say."""
    from harness.spelling.formula_options import formula_with

    return formula_with(formula, **_said())


def asked_formula(formula: str) -> str:
    """Return a formula as it was given, and after it what the options say of the model."""
    from harness.spelling.formula_options import as_asked

    return as_asked(formula, **_said(), residual=residual_given())


def _said() -> dict[str, Any]:
    context = click.get_current_context(silent=True)
    meta = context.meta if context is not None else {}
    contrasts = {}
    for item in meta.get(f"{__name__}.contrasts", ()):
        column, equals, coding = item.rpartition("=")
        if not equals or not column or not coding:
            raise click.UsageError(f"--contrasts {item!r}: write COLUMN=CODING, as in f=sum")
        contrasts[column] = coding
    return {
        "contrasts": contrasts,
        "weights": meta.get(f"{__name__}.weights", ""),
        "offset": meta.get(f"{__name__}.offset", ""),
    }


def residual_given() -> str:
    """Return the value of ``--residual``."""
    context = click.get_current_context(silent=True)
    return "" if context is None else str(context.meta.get(f"{__name__}.residual", ""))


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """Add how a user's table is written, which :func:`own_dataset` looks up by itself."""

    def kept(context: click.Context, option: click.Parameter, value: Any) -> None:
        context.meta[f"{__name__}.{option.name}"] = value

    for option in (
        click.option(
            "--comment",
            metavar="TEXT",
            default="",
            expose_value=False,
            callback=kept,
            help="Leave out the lines of the table that begin with this.",
        ),
        click.option(
            "--na",
            multiple=True,
            metavar="TEXT",
            expose_value=False,
            callback=kept,
            help="What stands for a missing value, beside nothing, NA, NaN, NULL and the like "
            "(repeatable).",
        ),
    ):
        command = option(command)
    return command


def reading_given() -> tuple[tuple[str, ...], str]:
    """Return the values of ``--na`` and ``--comment``."""
    context = click.get_current_context(silent=True)
    meta = context.meta if context is not None else {}
    return meta.get(f"{__name__}.na", ()), meta.get(f"{__name__}.comment", "")


def require_with(holds: bool, option: str, other: str) -> None:
    """Refuse an option that has no use where ``other`` is not given."""
    context = click.get_current_context()
    given = context.get_parameter_source(option) is ParameterSource.COMMANDLINE
    if given and not holds:
        raise click.UsageError(f"--{option} is for {other}")


def fitting(command: Callable[..., None]) -> Callable[..., None]:
    """Add what every command that fits many cases takes."""
    for option in (quiet, as_json, timeout, reference, engines, cached, jobs):
        command = option(command)
    return command


def own_dataset(path: Path) -> Any:
    """Read the user's table as ``--na`` and ``--comment`` say; what is noted goes to stderr."""
    from harness.data.datasets import Dataset, Reading, missing_hints, read_table

    frame, note = read_table(path, Reading(*reading_given()))
    if note:
        _note(note)
    return Dataset(path.name, frame, str(path), hints=missing_hints(frame))


def _note(text: str) -> None:
    context = click.get_current_context(silent=True)
    if context is None or not context.params.get("quiet"):
        click.echo(f"note: {text}", err=True)


@contextmanager
def hinted(dataset: Any, columns: Iterable[str]) -> Iterator[None]:
    """Say of ``columns`` that are read as text why: with the error where there is one."""
    from harness.base.errors import BadInput

    hints = [dataset.hints[c] for c in columns if c in dataset.hints]
    try:
        yield
    except BadInput as error:
        if not hints or "\n" in str(error):
            raise
        raise BadInput("; ".join([str(error), *hints])) from None
    for hint in hints:
        _note(hint)


def own_rung(
    path: Path,
    formula: str,
    *,
    ml: bool,
    factors: tuple[str, ...],
    levels: tuple[str, ...],
) -> Any:
    """Bind a formula to the user's table; what cannot be fitted at all is refused.

    Raises
    ------
    BadInput
        For a file, formula or option that cannot be used, or no row left for a residual variance.
    """
    from harness.data.own_table import own_rung as bound
    from harness.model.model import parse_model

    criterion: Literal["REML", "ML"] = "ML" if ml else "REML"
    formula = whole_formula(formula)
    residual = residual_given()
    model = parse_model(formula, criterion, residual)  # before the file is read
    order = parse_levels(levels)
    dataset = own_dataset(path)
    factors_said = {*factors, *order, *(n.name for n in model.names() if n.as_factor)}
    numbers = dict.fromkeys(n.name for n in model.names() if n.name not in factors_said)
    with hinted(dataset, numbers):
        return bound(
            path.name,
            dataset,
            formula,
            criterion,
            factors=factors,
            levels=order,
            residual=residual,
        )


def parse_levels(given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Read ``--levels COLUMN=A,B,C``."""
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
