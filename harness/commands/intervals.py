"""``lmm-parity intervals``: confidence intervals of every parameter of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.files import require_writable
from harness.commands import options
from harness.commands.execution import show_answer
from harness.judge.df_rule import DF_RULES, DfRule

if TYPE_CHECKING:
    from harness.judge.parameter_intervals import Kind


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("formula")
@click.option(
    "--kind",
    type=click.Choice(["profile", "wald"]),
    default="profile",
    show_default=True,
    help="By the profile of the likelihood, or by standard errors.",
)
@click.option(
    "--df",
    metavar="RULE",
    type=click.Choice(DF_RULES),
    default="satterthwaite",
    show_default=True,
    help="With --kind wald: rule of degrees of freedom (docs/degrees-of-freedom.md).",
)
@options.level
@options.ml
@options.factors
@options.levels
@options.written
@options.reading
@options.page
@options.as_json
@options.quiet
def intervals(
    data: Path,
    formula: str,
    kind: Kind,
    df: DfRule,
    level: float,
    ml: bool,
    factors: tuple[str, ...],
    levels: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Give intervals of the fixed effects, SDs, correlations and variances of FORMULA on DATA.

    \b
    lmm-parity intervals sleep.csv "Reaction ~ Days + (Days | Subject)"
    lmm-parity intervals sleep.csv "Reaction ~ Days + (Days | Subject)" --ml       (lme4's confint)
    lmm-parity intervals sleep.csv "Reaction ~ Days + (1 | Subject)" --kind wald --df kenward-roger
    """
    from harness.base.errors import BadInput
    from harness.campaign import provenance
    from harness.commands.progress import progress
    from harness.judge.evaluated_model import DfUndefined
    from harness.judge.parameter_intervals import intervals as of_model
    from harness.page.intervals_layout import intervals_page
    from harness.referee.kenward_roger import KenwardRogerUndefined

    options.require_with(kind == "wald", "df", "--kind wald")
    if out is not None:
        require_writable(out, seeks=True)
    rung = options.own_rung(data, formula, ml=ml, factors=factors, levels=levels)
    with progress("Intervals", 0, hidden=quiet or as_json) as told:
        told(rung.case.model.formula.text)
        try:
            found = of_model(
                options.whole_formula(formula),
                rung.data.frame,
                kind=kind,
                df=df,
                level=level,
                ml=ml,
                factors=factors,
                levels=options.parse_levels(levels),
                residual=options.residual_given(),
            )
        except (DfUndefined, KenwardRogerUndefined) as error:
            raise BadInput(f"--df {df}: {error}") from error
    page = intervals_page(
        found, options.asked_formula(formula), len(rung.case.design.y), provenance.now()
    )
    show_answer(page, found.as_dict(), out, as_json=as_json, quiet=quiet)
