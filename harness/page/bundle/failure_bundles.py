"""Reproduction bundles of what a conformance run has kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.campaign.open_engines import open_engines
from harness.campaign.serial import Plan, run
from harness.conformance.regressions import Kept
from harness.conformance.suite import Suite
from harness.page.bundle.bundle_folder import write_bundle

MOST_BUNDLES = 3
"""Kept failures that get a reproduction bundle, whose scripts take some ten seconds each to run."""

BUNDLED = ("statsmodels", "lme4")
"""The engine and the reference that a bundle has scripts for."""


def write_bundles(suite: Suite, kept: Sequence[Kept], folder: Path) -> dict[str, Path]:
    """Write reproduction bundles of the first few kept failures; return them by name.

    A bundle is scripts for two programs, so there is none of another engine's failures.
    """
    engine, reference = BUNDLED
    if suite.replay or engine not in suite.engines or suite.reference != reference:
        return {}
    found = {}
    with open_engines(replace(suite, engines=(engine,)).setup()) as opened:
        for one in kept[:MOST_BUNDLES]:
            rung = one.rung()
            plan = Plan(suite.title, [rung], opened.engines, command=suite.command)
            (record,) = run(plan)
            found[one.name] = folder / one.name
            write_bundle(found[one.name], rung, record, plan, replacing=True)
    return found
