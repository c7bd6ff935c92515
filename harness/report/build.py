"""Records to one HTML file that needs nothing else: no network, no scripts, no fonts."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.campaign.records import Run
from harness.report import causes, format, words
from harness.report.cards import card
from harness.report.causes import Explanation
from harness.report.certified import certified_map, who_is_closer
from harness.report.context import context
from harness.report.heat import heat_map
from harness.report.ladder import ladder
from harness.report.printed import printed_tables
from harness.report.provenance import data_sets, provenance
from harness.report.summary import tally
from harness.verdicts.known import load_known


def render(run: Run, *, known: Mapping[str, Explanation] | None = None) -> str:
    """Return the report of a run as HTML.

    Parameters
    ----------
    run : Run
        A record file as read; equal records give equal pages, byte for byte.
    known : mapping, optional
        Explanations by cause; those of known_differences.toml unless given.
    """
    explanations: Mapping[str, Explanation] = load_known() if known is None else known
    ctx = context(run)
    ctx.causes.update(causes.cause_links(run, explanations))
    definitions, other_causes = causes.causes(run, ctx, explanations)
    style, script = _asset("report.css"), _asset("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            header=run.header,
            ctx=ctx,
            headline=words.headline(run),
            tally=tally(run),
            ladder=ladder(run, ctx),
            printed_tables=printed_tables(run, ctx),
            heat=heat_map(run, ctx),
            certified=certified_map(run, ctx),
            closer=who_is_closer(run, ctx),
            cards=[card(case, ctx) for case in run.cases],
            definitions=definitions,
            other_causes=other_causes,
            provenance=provenance(run),
            data_sets=data_sets(run),
            style=Markup(style),
            script=Markup(script),
            style_hash=_csp_hash(style),
            script_hash=_csp_hash(script),
        )
    )


def write_report(run: Run, path: Path, *, known: Mapping[str, Explanation] | None = None) -> None:
    """Write the report of a run; ``path`` changes only when the whole page is written."""
    page = render(run, known=known)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(page, encoding="utf-8")
    os.replace(partial, path)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = format.count
    environment.filters["seconds"] = format.seconds
    return environment


@cache
def _asset(name: str) -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


def _csp_hash(content: str) -> str:
    """Return what a Content-Security-Policy needs to allow exactly this inline block.

    With it the page can run no other script and load nothing, whatever the records hold.
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
