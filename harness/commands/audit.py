"""``lmm-parity audit``: are the numbers that a program or a paper printed right."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import EXIT_OK, EXIT_UNEXPLAINED, BadInput
from harness.base.files import growing_place, require_writable, write_file
from harness.commands import options
from harness.commands.execution import show_answer

if TYPE_CHECKING:
    from harness.judge.listing_source import ListingSource


def _source(
    data: Path, formula: str, factors: tuple[str, ...], levels: tuple[str, ...]
) -> ListingSource:
    """Return the table, read once, and the formula."""
    from harness.judge.listing_source import ListingSource
    from harness.model.model import parse_model

    asked = options.asked_formula(formula)
    formula = options.whole_formula(formula)
    residual = options.residual_given()
    model = parse_model(formula, "REML", residual)  # before the file is read
    dataset = options.own_dataset(data)
    order = options.parse_levels(levels)
    source = ListingSource(dataset, formula, factors, order, residual=residual, asked=asked)
    factors_said = {*factors, *source.levels, *(n.name for n in model.names() if n.as_factor)}
    numbers = dict.fromkeys(n.name for n in model.names() if n.name not in factors_said)
    with options.hinted(dataset, numbers):
        source.rung()
    return source


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("formula")
@click.argument("numbers", type=click.Path(path_type=Path, allow_dash=True), required=False)
@options.factors
@options.levels
@options.written
@options.reading
@click.option("--program", default="", help="What printed the numbers; else as the file says.")
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Level at which a p value decides a conclusion; else that of the file, 1 less the level "
    "of its intervals, or 0.05.",
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the audit as one HTML file, too.",
)
@click.option(
    "--records",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write its record, too, for report --from, export and diff.",
)
@click.option(
    "--junit",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write JUnit XML, too: a test case for each printed number.",
)
@click.option("--stdin", is_flag=True, help="Read NUMBERS from standard input, as - does.")
@click.option(
    "--template", is_flag=True, help="Print a form with the rows of this model, and do no more."
)
@options.as_json
@options.quiet
def audit(
    data: Path,
    formula: str,
    numbers: Path | None,
    factors: tuple[str, ...],
    levels: tuple[str, ...],
    program: str,
    alpha: float | None,
    out: Path | None,
    records: Path | None,
    junit: Path | None,
    stdin: bool,
    template: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Judge the NUMBERS that a program printed for FORMULA on the table DATA.

    NUMBERS is a TOML or CSV file, or - for standard input. In TOML what is printed is quoted: its
    digits count.

    With --residual, and of structured random terms, all is judged at the optimum.

    \b
    lmm-parity audit trial.csv "y ~ treatment + (1 | subject)" --template > listing.toml
    lmm-parity audit trial.csv "y ~ treatment + (1 | subject)" listing.toml

    Exit codes: 0 all right, 1 a number is wrong, 2 usage or bad input.
    """
    from harness.campaign import provenance
    from harness.campaign.listing_file import write_listing
    from harness.judge.listing import read_listing
    from harness.judge.listing_match import template as form
    from harness.judge.listing_record import listing_record
    from harness.judge.listing_verdict import judge_listing
    from harness.page.audit_junit import audit_junit
    from harness.page.audit_layout import audit_page

    if out is not None:
        require_writable(out, seeks=True)
    if records is not None:
        records = growing_place(records)
    if junit is not None:
        require_writable(junit, seeks=False)
    if template:
        rung = options.own_rung(data, formula, ml=False, factors=factors, levels=levels)
        click.echo(form(rung), nl=False)
        return
    if stdin:
        if numbers not in (None, Path("-")):
            raise click.UsageError("NUMBERS are in a file or, with --stdin, on standard input")
        numbers = Path("-")
    if numbers is None:
        raise click.UsageError("name the file of printed NUMBERS; --template prints a form for it")
    try:
        text = sys.stdin.read() if str(numbers) == "-" else numbers.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{numbers} cannot be read: {error}") from error
    listing = read_listing(text)
    if program:
        listing = replace(listing, program=program)
    source = _source(data, formula, factors, levels)
    found = judge_listing(listing, source, alpha=alpha)
    record = listing_record(listing, found, source)
    made = provenance.now()
    page = audit_page(found, made)
    if records is not None:
        write_listing(record, records, shlex.join(["lmm-parity", *sys.argv[1:]]))
    if junit is not None:
        write_file(junit, audit_junit(found, source.rung().case.id, made))
    show_answer(page, record, out, as_json=as_json, quiet=quiet)
    if records is not None and not (as_json or quiet):
        click.echo(f"records  {records}")
        click.echo(f"report   lmm-parity report --from {shlex.quote(str(records))}")
    sys.exit(EXIT_OK if found.right else EXIT_UNEXPLAINED)
