"""``lmm-parity conformance``: the properties of an engine, on kept and on generated cases."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import EXIT_OK, EXIT_UNEXPLAINED
from harness.base.files import growing_place, require_folder, require_writable, write_file
from harness.commands import options

if TYPE_CHECKING:
    from harness.campaign.worker_process import Done
    from harness.conformance.expectations import Expectation
    from harness.conformance.suite import Suite
    from harness.conformance.suite_result import SuiteResult
    from harness.judge.records import Header

RECORDS, PAGE = "conformance.jsonl", "conformance.html"


@click.command()
@options.engines
@options.reference
@click.option(
    "--profile",
    type=click.Choice(["pr", "nightly", "debug", "visits"]),
    default="pr",
    show_default=True,
    help="pr: fixed and small; nightly: random and large; debug: a few cases, all told; visits: "
    "weights and residual covariances.",
)
@click.option(
    "--max-examples",
    type=click.IntRange(min=0),
    metavar="N",
    help="Generated cases, instead of the profile's number.",
)
@click.option("--seed", type=click.IntRange(min=0), help="What they are drawn from.")
@click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="GLOB",
    help="Only properties whose name matches (repeatable).",
)
@click.option("--list", "listing", is_flag=True, help="List the properties and check nothing.")
@click.option(
    "--expectations",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What is known to fail, in TOML.",
)
@click.option("--strict", is_flag=True, help="An expectation that no longer fits is a failure.")
@click.option(
    "--replay", is_flag=True, help="Look fits of the reference up in --stored; R is not needed."
)
@click.option(
    "--verify-stored",
    is_flag=True,
    help="Check as well that the reference still gives what is stored.",
)
@click.option(
    "--stored",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Packed fits of the reference; those that come with the program by default.",
)
@click.option(
    "--pack",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the fits of the reference that this run makes to a file for --stored.",
)
@click.option(
    "--regressions",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default=Path("regressions"),
    show_default=True,
    help="Kept cases, checked first; unexpected failures are made smaller and added.",
)
@click.option("--no-keep", is_flag=True, help="Do not keep failures.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes; one a core.")
@click.option("--shard", metavar="I/N", default="1/1", help="Only every N-th case, from the I-th.")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Judge existing records (merged shards, for one); check nothing.",
)
@options.out
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="JUnit XML.")
@click.option("--summary", type=click.Path(path_type=Path), metavar="FILE", help="Markdown.")
@click.option("--badge", type=click.Path(path_type=Path), metavar="FILE", help="For shields.io.")
@click.option("--annotations", is_flag=True, help="Print annotations for GitHub Actions.")
@click.option("--no-cache", is_flag=True, help="Fit everything anew, and store nothing.")
@click.option("--resume", is_flag=True, help="Go on with an unfinished run in --out.")
@options.timeout
@options.as_json
@options.quiet
def conformance(
    engine_names: tuple[str, ...],
    reference_name: str,
    profile: str,
    max_examples: int | None,
    seed: int | None,
    properties: tuple[str, ...],
    listing: bool,
    expectations: Path | None,
    strict: bool,
    replay: bool,
    verify_stored: bool,
    stored: Path | None,
    pack: Path | None,
    regressions: Path,
    no_keep: bool,
    jobs: int | None,
    shard: str,
    source: Path | None,
    out: Path,
    junit: Path | None,
    summary: Path | None,
    badge: Path | None,
    annotations: bool,
    no_cache: bool,
    resume: bool,
    timeout: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Check the properties of engines on kept and on generated cases.

    Exit code 0 when nothing failed unexpectedly, 1 when something did or nothing could be
    checked, 2 for bad input, 3 for a missing environment.

    \b
    lmm-parity conformance --engine statsmodels --expectations expected.toml
    """
    from harness.campaign.sources import Shard
    from harness.commands.execution import require_engines
    from harness.conformance.expectations import read_expectations
    from harness.conformance.suite import judge_file, packed_file, suite_of

    if listing:
        _list(as_json=as_json)
        return
    _require_together(strict, expectations, replay, verify_stored, stored, pack)
    for path in filter(None, (junit, summary, badge, pack)):
        require_writable(path)
    expected = () if expectations is None else read_expectations(expectations)
    if source is not None:
        judgement, header = judge_file(source, expected, strict=strict)
        _hand_out(judgement, header, junit, summary, badge, annotations=annotations)
        _end(judgement, header, source, None, as_json=as_json, quiet=quiet)
    engines = tuple(name for name in engine_names if name != reference_name) or engine_names
    suite = suite_of(
        engines,
        reference_name,
        profile,
        examples=max_examples,
        seed=seed,
        properties=properties,
    )
    wanted = Shard.parse(shard)
    packed = packed_file(stored) if replay or verify_stored else ""
    require_engines(*engines, *([] if replay else [reference_name]))
    require_folder(out)
    require_writable(out / PAGE)
    growing_place(out / RECORDS)
    suite = replace(
        suite,
        regressions=regressions,
        replay=packed if replay else "",
        verify=packed if verify_stored else "",
        shard=wanted,
        timeout=timeout,
        command=shlex.join(["lmm-parity", *sys.argv[1:]]),
        jobs=suite.jobs if jobs is None else jobs,
    )
    judgement, header = _run(
        suite,
        out,
        expected,
        strict=strict,
        cache=not no_cache,
        pack=pack,
        keep=not no_keep,
        resume=resume,
        quiet=quiet or as_json,
    )
    _hand_out(judgement, header, junit, summary, badge, annotations=annotations)
    _end(judgement, header, out / RECORDS, out / PAGE, as_json=as_json, quiet=quiet)


def _require_together(
    strict: bool,
    expectations: Path | None,
    replay: bool,
    verify: bool,
    stored: Path | None,
    pack: Path | None,
) -> None:
    if strict and expectations is None:
        raise click.UsageError("--strict needs --expectations")
    if replay and (verify or pack is not None):
        raise click.UsageError("--replay runs no reference: nothing to verify or to pack")
    if stored is not None and not (replay or verify):
        raise click.UsageError("--stored needs --replay or --verify-stored")


def _run(
    suite: Suite,
    out: Path,
    expected: tuple[Expectation, ...],
    *,
    strict: bool,
    cache: bool,
    pack: Path | None,
    keep: bool,
    resume: bool,
    quiet: bool,
) -> tuple[SuiteResult, Header]:
    """Check, write records, keep failures, write the report."""
    import tempfile

    from harness.commands.progress import progress
    from harness.conformance.suite import judge_file, run_suite
    from harness.page.html.parity_report import report_file
    from harness.store.shelf import default_root

    path = out / RECORDS
    if not quiet:
        click.echo(_said_first(suite), err=True)
    with tempfile.TemporaryDirectory(prefix="lmm-parity-") as fresh:
        # What is packed has to be what this run asked for, and no more.
        store = fresh if pack is not None else str(default_root()) if cache else None
        suite = replace(suite, store=store)
        with progress("Checking", suite.shard.size(len(suite.checks())), hidden=quiet) as advance:

            def told(done: Done) -> None:
                advance(done.id)
                if suite.profile.name == "debug" and not quiet:
                    _told(done)

            run_suite(suite, path, told=told, resume=resume)
        if pack is not None:
            _pack(Path(fresh), pack, suite.reference)
        judgement, header = judge_file(path, expected, strict=strict)
        if keep and judgement.of("unexpected"):
            judgement = _keep(suite, judgement, out, quiet=quiet)
    report_file(path, out / PAGE)
    return judgement, header


def _said_first(suite: Suite) -> str:
    from harness.engines.engine_spec import engine_label

    return (
        f"{suite.tested} with {engine_label(suite.reference)}, profile {suite.profile.name}: "
        f"{len(suite.properties)} properties, {len(suite.checks())} cases, seed {suite.seed}"
        + (f", shard {suite.shard}" if suite.shard.count > 1 else "")
        + (", replayed from stored results" if suite.replay else "")
    )


def _told(done: Done) -> None:
    """Say what came of each property of a case."""
    from harness.base.json import decode
    from harness.judge.property_outcome import PropertyOutcome
    from harness.judge.records import CaseRecord

    for line in done.lines:
        record = decode(line, CaseRecord | PropertyOutcome)
        if isinstance(record, CaseRecord):
            first = record.comparisons[: len(record.engines) - 1]
            for one in first:
                click.echo(f"{record.id}: {one.verdict}  {one.sentence}")
        else:
            causes = f" ({', '.join(record.causes)})" if record.causes else ""
            click.echo(f"    {record.property:<28} {record.status}{causes}")


def _keep(suite: Suite, judgement: SuiteResult, out: Path, *, quiet: bool) -> SuiteResult:
    """Make failures smaller, keep them, write a bundle of each."""
    from harness.commands.progress import progress
    from harness.conformance.suite import keep_failures, shown_path, with_saved
    from harness.page.bundle.failure_bundles import BUNDLED, write_bundles

    assert suite.regressions is not None
    with progress("Making failures smaller", 0, hidden=quiet) as advance:
        found = keep_failures(suite, judgement, suite.regressions, told=advance)
        shown = [kept for judged, kept in found if judged.outcome.engine == BUNDLED[0]]
        bundles = write_bundles(suite, shown, out / "bundles")
    saved = {}
    for judged, kept in found:
        where = shown_path(kept.folder)
        if kept.name in bundles:
            where += f", bundle {shown_path(bundles[kept.name])}"
        outcome = judged.outcome
        saved[outcome.engine, outcome.property, outcome.case] = where
    return with_saved(judgement, saved)


def _pack(folder: Path, path: Path, reference: str) -> None:
    from harness.store.pack import pack
    from harness.store.shelf import Store
    from harness.store.stored_engine import engine_namespace

    store = Store(folder)
    pack(store, path, store.namespaces(engine_namespace(reference))[:1])


def _hand_out(
    judgement: SuiteResult,
    header: Header,
    junit: Path | None,
    summary: Path | None,
    badge: Path | None,
    *,
    annotations: bool,
) -> None:
    """Write what CI systems read."""
    from harness.page.annotations import annotation_lines
    from harness.page.badge import badge as badge_json
    from harness.page.job_summary import job_summary
    from harness.page.junit import junit_xml

    if junit is not None:
        write_file(junit, junit_xml(judgement, header))
    if summary is not None:
        write_file(summary, job_summary(judgement, header))
    if badge is not None:
        tested = " and ".join(name for name in header.engines if name != header.reference)
        write_file(badge, badge_json(judgement, tested, header.reference) + "\n")
    if annotations:
        for line in annotation_lines(judgement):
            click.echo(line)


def _end(
    judgement: SuiteResult,
    header: Header,
    records: Path,
    page: Path | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    from harness.page.suite_layout import suite_page
    from harness.page.terminal_page import print_page

    if as_json:
        click.echo(records.read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        print_page(suite_page(judgement, header, records, page), answer_last=True)
    sys.exit(EXIT_OK if judgement.passed else EXIT_UNEXPLAINED)


def _list(*, as_json: bool) -> None:
    import json

    from harness.conformance.properties import PROPERTIES

    width = max(map(len, PROPERTIES))
    for name, found in PROPERTIES.items():
        if as_json:
            about = {
                "property": name,
                "title": found.title,
                "needs_reference": found.needs_reference,
            }
            click.echo(json.dumps(about, ensure_ascii=False))
        else:
            click.echo(f"{name:<{width}}  {found.title}")
