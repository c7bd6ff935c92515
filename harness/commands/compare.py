"""``lmm-parity compare``: a likelihood ratio test of two nested models."""

from __future__ import annotations

from pathlib import Path

import click

from harness.base.files import require_writable
from harness.commands import options
from harness.commands.execution import show_answer


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("small")
@click.argument("large")
@options.ml
@click.option(
    "--simulations",
    type=click.IntRange(min=0),
    metavar="N",
    help="Outcomes drawn from SMALL, to each of which both are fitted; 400 without it where the "
    "null distribution is not known, else none.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="For the simulation.")
@options.factors
@options.levels
@options.written
@options.reading
@click.option(
    "--small-residual",
    metavar="STRUCTURE",
    help="Covariance of the residuals of SMALL, where it is not that of --residual: 'none' for "
    "independent ones. Of equal formulas SMALL has none.",
)
@options.page
@options.as_json
@options.quiet
def compare(
    data: Path,
    small: str,
    large: str,
    ml: bool,
    simulations: int | None,
    seed: int,
    factors: tuple[str, ...],
    levels: tuple[str, ...],
    small_residual: str | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Test the formula SMALL against LARGE, which holds it, on the table DATA.

    p is by the mixture of chi-squares where a variance is tested. Models with other fixed effects
    are compared by --ml. Options are of both models, --residual of LARGE alone where the formulas
    are the same.

    \b
    lmm-parity compare sleep.csv "y ~ x + (1 | g)" "y ~ x + (x | g)"
    lmm-parity compare sleep.csv "y ~ 1 + (1 | g)" "y ~ x + (1 | g)" --ml
    lmm-parity compare sleep.csv "y ~ x + (1 | g)" "y ~ x + (1 | g)" --residual "ar1(x | g)"
    """
    from harness.campaign import provenance
    from harness.commands.progress import progress
    from harness.judge.model_comparison import compare as of_models
    from harness.page.comparison_layout import comparison_page

    if out is not None:
        require_writable(out, seeks=True)
    rung = options.own_rung(data, large, ml=ml, factors=factors, levels=levels)
    with progress("Comparing", 0, hidden=quiet or as_json) as told:
        told("fitting both models")
        found = of_models(
            options.whole_formula(small),
            options.whole_formula(large),
            rung.data.frame,
            ml=ml,
            factors=factors,
            levels=options.parse_levels(levels),
            residual=_residuals(small_residual),
            simulations=simulations,
            seed=seed,
        )
    page = comparison_page(found, len(rung.case.design.y), provenance.now())
    show_answer(page, found.as_dict(), out, as_json=as_json, quiet=quiet)


def _residuals(small: str | None) -> str | tuple[str, str]:
    """Return the residual covariance of the larger model, or of both."""
    large = options.residual_given()
    return large if small is None else ("" if small.strip() == "none" else small, large)
