"""A browser for the tests that look at the report, and sample runs for all of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.page.html.parity_report import render
from tests.page.html import sample, sample_runs

BROWSERS = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Launch a headless browser of the system."""
    from playwright import sync_api as playwright

    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    assert path is not None, "no chromium or google-chrome; ./setup.sh --test installs one"
    with playwright.sync_playwright() as session:
        running = session.chromium.launch(executable_path=path, args=list(QUIET))
        yield running
        running.close()


@pytest.fixture(scope="session")
def violations() -> Any:
    """Return a function from an open page to what is wrong with it for readers of every kind.

    Whether text stands out from what is behind it takes longer than all the rest. It depends on the
    colour scheme, and not on the width.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def of(page: Any, parts: Any = None, *, colours: bool = True) -> list[tuple[str, str]]:
        rules = {"color-contrast": {"enabled": colours}}
        options = {"resultTypes": ["violations"], "rules": rules}
        found = axe.run(page, context=parts, options=options).response["violations"]
        return [(v["id"], v["nodes"][0]["html"][:200]) for v in found]

    return of


@pytest.fixture(scope="session")
def report_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run that holds every kind of case."""
    path = tmp_path_factory.mktemp("report") / "parity.html"
    path.write_text(
        render(sample.run(sample_runs.everything()), known=sample.KNOWN), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="session")
def small_report_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with one case of each verdict: what every element looks like, quick to examine."""
    path = tmp_path_factory.mktemp("report") / "small.html"
    path.write_text(
        render(sample.run(sample_runs.one_of_each()), known=sample.KNOWN), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="session")
def three_engines_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run of three engines."""
    path = tmp_path_factory.mktemp("report") / "three.html"
    cases = [sample.with_a_third(case) for case in sample_runs.everything()]
    engines = (sample.ENGINE, "another", sample.REFERENCE)
    path.write_text(
        render(sample.run(cases, engines=engines), known=sample.KNOWN), encoding="utf-8"
    )
    return path
