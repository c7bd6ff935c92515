"""``lmm-parity diagnose``: why programs disagree on a table, and what to do."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import EXIT_ENVIRONMENT, EXIT_INTERRUPTED, EXIT_OK, EXIT_UNEXPLAINED
from harness.base.files import require_folder, require_writable
from harness.commands import options

SOON = 1.5
"""Seconds of the first fits and their judging above which who is right is told before remedies."""

if TYPE_CHECKING:
    from harness.data.rungs import Rung
    from harness.diagnose.diagnosis import Diagnosis
    from harness.diagnose.pipeline import Stage
    from harness.diagnose.user_engines import Opened
    from harness.page.bundle.bundle_folder import Bundle
    from harness.page.page import Page


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("formula")
@options.ml
@options.factors
@options.levels
@options.written
@options.reading
@click.option(
    "--engine",
    "engines",
    metavar="NAME",
    multiple=True,
    help="What is diagnosed (repeatable): statsmodels, lme4, referee, another engine's name, or "
    "module:attribute. statsmodels and lme4 without it; one alone is judged by the referee.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Level at which a p value decides a conclusion.",
)
@click.option("--quick", is_flag=True, help="Leave out the table of all optimizers.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for diagnosis.html, with pictures, and diagnosis.json.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    help="Folder to write, a new one, for an issue: data, a script for each language, the record "
    "and the diagnosis.",
)
@click.option(
    "--anonymise",
    is_flag=True,
    help="With --bundle: other names, labels and units, checked to leave the diagnosis what it is.",
)
@options.whole_timeout
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the diagnosis as one line of JSON (lmm-parity schema diagnosis says what is in "
    "it).",
)
@options.quiet
def diagnose(
    data: Path,
    formula: str,
    ml: bool,
    factors: tuple[str, ...],
    levels: tuple[str, ...],
    engines: tuple[str, ...],
    alpha: float,
    quick: bool,
    out: Path | None,
    bundle: Path | None,
    anonymise: bool,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say whether Python and R agree on FORMULA for the table DATA, who is right, and what to do.

    \b
    lmm-parity diagnose sleep.csv "Reaction ~ Days + (Days | Subject)"

    Exit codes: 0 agreed or explained, 1 an unexplained disagreement or a crash, 2 usage, bad
    input, or data that cannot be anonymised (no bundle is written then), 3 environment.
    """
    from harness.base.deadline import Deadline
    from harness.base.json import encode
    from harness.commands.progress import progress
    from harness.diagnose.user_engines import USER_ENGINES, opened, r_begun
    from harness.judge.case_verdict import unexplained

    _require_places(out, bundle, anonymise=anonymise)
    deadline = Deadline(timeout)
    wanted = tuple(dict.fromkeys(engines)) or USER_ENGINES
    pictures, spoken = out is not None or bundle is not None, not (quiet or as_json)
    with r_begun(wanted, timeout=timeout) as session, ExitStack() as stack:
        with progress("Diagnosing", 0, hidden=quiet) as advance:
            advance("reading the data")
            rung = options.own_rung(data, formula, ml=ml, factors=factors, levels=levels)
            advance("starting the engines")
            ready = stack.enter_context(opened(wanted, timeout=timeout, session=session))
            from harness.diagnose.diagnosis_cost import refuse_or_size
            from harness.diagnose.pipeline import completed, examined, steps
            from harness.diagnose.pipeline import diagnose as again
            from harness.page.diagnosis_layout import diagnosis_page

            for check in refuse_or_size(rung.case).checks:
                if spoken:
                    click.echo(check.sentence, err=True)
            first = examined(
                rung,
                ready,
                alpha=alpha,
                command=shlex.join(["lmm-parity", *sys.argv[1:]]),
                deadline=deadline,
                advance=advance,
            )
        early = _answered(first, hidden=quiet, spoken=spoken)
        total = steps(rung, ready, quick=quick, pictures=pictures)
        with progress("Completing", total, hidden=quiet) as advance:
            found = completed(early, quick=quick, pictures=pictures, advance=advance)
        page = _written(found, out)
        if as_json:
            click.echo(encode(found).decode())
        if spoken:
            _print(diagnosis_page(found), diagnosis_page(early.found))
            if page is not None:
                click.echo(f"\nwritten: {page}")
        if bundle is not None:

            def diagnosed(case: Rung) -> Diagnosis:
                with progress("Diagnosing anonymised", total, hidden=quiet) as advance:
                    return again(
                        case,
                        ready,
                        alpha=alpha,
                        quick=quick,
                        pictures=pictures,
                        deadline=deadline,
                        advance=advance,
                    )

            try:
                written = _bundle(
                    bundle, rung, found, ready, diagnosed if anonymise else None, hidden=quiet
                )
            except KeyboardInterrupt:
                click.echo("lmm-parity: interrupted; no bundle was written", err=True)
                sys.exit(EXIT_INTERRUPTED)
            if spoken:
                _print_bundle(written)
    if found.case.verdict == "ENVIRONMENT":
        sys.exit(EXIT_ENVIRONMENT)
    sys.exit(EXIT_UNEXPLAINED if unexplained(found.case) else EXIT_OK)


def _require_places(out: Path | None, bundle: Path | None, *, anonymise: bool) -> None:
    """Refuse folders that cannot be written before anything is fitted."""
    if anonymise and bundle is None:
        raise click.UsageError("--anonymise needs --bundle")
    if bundle is not None:
        from harness.page.bundle.bundle_folder import require_free

        require_free(bundle)
        if out is not None and bundle.resolve() in (out.resolve(), *out.resolve().parents):
            raise click.UsageError(
                "--bundle has the diagnosis already; name another folder for --out"
            )
    if out is not None:
        from harness.page.html.diagnosis_page import diagnosis_files

        require_folder(out)
        for path in diagnosis_files(out):
            require_writable(path)


def _answered(first: Stage, *, hidden: bool, spoken: bool) -> Stage:
    """Complete the answer and print it; who is right before, where remedies will take long."""
    from harness.commands.progress import progress
    from harness.diagnose.pipeline import answered
    from harness.page.diagnosis_layout import diagnosis_page

    # Remedies fit again, several times.
    shown = _head(first.found) if first.judged.seconds > SOON else None
    if spoken and shown is not None:
        _print(shown)
    with progress("Looking for causes and remedies", 0, hidden=hidden) as advance:
        early = answered(first, advance=advance)
    if spoken:
        _print(diagnosis_page(early.found), shown)
    return early


def _head(found: Diagnosis) -> Page:
    """Lay out who is right and what that changes, before causes are known."""
    from harness.page.diagnosis_layout import diagnosis_page

    page = diagnosis_page(found)
    kept = tuple(s for s in page.sections if s.key in ("sides", "conclusions"))
    return replace(page, sections=kept)


def _print(page: Page, shown: Page | None = None) -> None:
    """Print a page, or what it has besides what was ``shown`` of it."""
    from harness.page.terminal_page import print_page, print_rest

    if shown is None:
        print_page(page)
    else:
        print_rest(page, shown)
    sys.stdout.flush()


def _written(found: Diagnosis, out: Path | None) -> Path | None:
    """Write the HTML page and its JSON, where a folder is named for them."""
    if out is None:
        return None
    from harness.page.html.diagnosis_page import write_diagnosis

    return write_diagnosis(found, out)


def _bundle(
    folder: Path,
    rung: Rung,
    found: Diagnosis,
    ready: Opened,
    again: Callable[[Rung], Diagnosis] | None,
    *,
    hidden: bool,
) -> Bundle:
    """Write the bundle; anonymised where ``again`` is given, which makes another diagnosis."""
    from harness.commands.progress import progress
    from harness.diagnose.anonymous import hidden as other
    from harness.page.html.diagnosis_bundle import write_diagnosis_bundle

    key = None
    if again is not None:
        anonymised = other(rung, found, ready, again)
        rung, found, key = anonymised.rung, anonymised.found, anonymised.key
    with progress("Running the scripts", 1, hidden=hidden) as advance:
        advance(folder.name)
        return write_diagnosis_bundle(folder, rung, found, ready, key=key)


def _print_bundle(made: Bundle) -> None:
    from harness.commands.bundle import print_scripts

    click.echo()
    if made.key is not None:
        click.echo(f"anonymised     {made.key.strength}; the diagnosis is the same")
    print_scripts(made)
