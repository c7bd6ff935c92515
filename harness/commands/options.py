"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click

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
    help="Seconds that a fit may take, in any engine, and the referee with a case.",
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
    help="What is compared: an engine's name, or module:attribute.",
)
engines = click.option(
    "--engine",
    "engine_names",
    multiple=True,
    metavar="NAME",
    default=("statsmodels",),
    show_default=True,
    help="What is compared: an engine's name, or module:attribute (repeatable).",
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


def fitting(command: Callable[..., None]) -> Callable[..., None]:
    """Add what every command that fits many cases takes."""
    for option in (quiet, as_json, timeout, reference, engines, cached, jobs):
        command = option(command)
    return command


def own_dataset(path: Path) -> Any:
    """Read the user's table as a data set."""
    from harness.data.datasets import Dataset, read_csv

    return Dataset(path.name, read_csv(path), str(path))


def own_rung(
    path: Path, formula: str, *, ml: bool, factors: tuple[str, ...], levels: tuple[str, ...]
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
    parse_model(formula, criterion)  # before the file is read
    order = parse_levels(levels)
    return bound(path.name, own_dataset(path), formula, criterion, factors=factors, levels=order)


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
