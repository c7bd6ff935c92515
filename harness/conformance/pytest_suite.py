"""The suite under pytest: options, items, what is said at the beginning and at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.base.errors import HarnessError
from harness.conformance.expectations import judge, read_expectations
from harness.conformance.regressions import Kept
from harness.conformance.search import Running
from harness.conformance.suite import Suite, all_kept, suite_of

if TYPE_CHECKING:
    from harness.conformance.suite_result import SuiteResult

_SUITE = pytest.StashKey[Suite]()
_RUNNING = pytest.StashKey[Running]()

__all__ = ["Running", "add_options", "generate_tests"]


def add_options(parser: pytest.Parser) -> None:
    """Add the options, named as those of ``lmm-parity conformance``."""
    group = parser.getgroup("lmm-parity", "lmm-parity, the conformance suite")
    try:
        add = group.addoption
        add("--engine", default="statsmodels", metavar="NAME", help="Engine under test.")
        add("--reference", default="lme4", metavar="NAME", help="What it is compared with.")
        add("--profile", default="pr", metavar="NAME", help="pr, nightly, debug or visits.")
        add("--max-examples", type=int, metavar="N", help="Examples of each property.")
        add("--seed", type=int, metavar="N", help="What examples are drawn from.")
        add("--property", action="append", default=[], metavar="GLOB", help="Only these.")
        add("--expectations", metavar="FILE", help="What is known to fail, in TOML.")
        add("--strict-expectations", action="store_true", help="Stale expectations are failures.")
        add("--replay", action="store_true", help="Stored fits in place of the reference.")
        add("--regressions", default="regressions", metavar="DIR", help="Kept cases.")
        add("--no-cache", action="store_true", help="Fit everything anew, and store nothing.")
    except ValueError as error:
        raise pytest.UsageError(
            f"lmm-parity: another plugin has the same option ({error}); leave it out by -p no:NAME"
        ) from None


def pytest_configure(config: pytest.Config) -> None:
    """Read options and expectations; a wrong one ends the run in one line."""
    from harness.base import numerics

    numerics.pin()
    option = config.getoption
    try:
        suite = suite_of(
            (option("--engine"),),
            option("--reference"),
            option("--profile"),
            seed=option("--seed"),
            properties=tuple(option("--property")),
        )
        file = option("--expectations")
        expectations = () if file is None else read_expectations(Path(file))
        suite = replace(
            suite,
            regressions=Path(option("--regressions")),
            replay=_stored() if option("--replay") else "",
            store=None if option("--no-cache") else _store(),
        )
        _require(suite)
        running = Running(suite, option("--max-examples"), expectations)
    except HarnessError as error:
        raise pytest.UsageError(f"lmm-parity: {error}") from None
    config.stash[_SUITE] = suite
    config.stash[_RUNNING] = running


def _stored() -> str:
    from harness.conformance.suite import packed_file

    return packed_file(None)


def _store() -> str:
    from harness.store.shelf import default_root

    return str(default_root())


def _require(suite: Suite) -> None:
    from harness.engines.registry import require_engine

    for name in (*suite.engines, *([] if suite.replay else [suite.reference])):
        require_engine(name)


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is checked, with versions, profile and seed."""
    suite, running = config.stash[_SUITE], config.stash[_RUNNING]
    return (
        f"lmm-parity: {suite.tested} with {suite.reference}, profile {suite.profile.name}, "
        f"{running.examples} examples of each property, seed {suite.seed}\n"
        f"lmm-parity: {', '.join(f'{k} {v}' for k, v in running.versions().items())}"
    )


def generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give an item to each property and to each kept case."""
    suite = metafunc.config.stash[_SUITE]
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", suite.properties, ids=list(suite.properties))
    elif "kept" in metafunc.fixturenames:
        found: tuple[Kept, ...] = all_kept(suite.regressions)
        metafunc.parametrize("kept", found, ids=[kept.name for kept in found])


@pytest.fixture(scope="session")
def conformance(pytestconfig: pytest.Config) -> Iterator[Running]:
    """Give the open engines; what they started is ended afterwards."""
    running = pytestconfig.stash[_RUNNING]
    with running.opened():
        yield running


def _judged(config: pytest.Config) -> SuiteResult:
    suite, running = config.stash[_SUITE], config.stash[_RUNNING]
    return judge(
        running.outcomes,
        running.expectations,
        strict=_strict(config),
        selected=[name for name in suite.properties if name in running.done],
    )


def _strict(config: pytest.Config) -> bool:
    # pytest has an option --strict of its own, for its configuration; here it means both.
    given = config.invocation_params.args
    return bool(config.getoption("--strict-expectations")) or "--strict" in given


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail where stale expectations count, or where nothing was checked."""
    running = session.config.stash.get(_RUNNING, None)
    if running is None or exitstatus != pytest.ExitCode.OK or not running.done:
        return
    if not _judged(session.config).passed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """List expected failures, those of other engines, and stale expectations."""
    running = config.stash.get(_RUNNING, None)
    if running is None or not running.done:
        return
    from harness.conformance.suite_result import by_kind, laid_to, why_expected

    judgement = _judged(config)
    terminalreporter.section("lmm-parity")
    for name, group in by_kind(judgement.of("expected")).items():
        why = why_expected(group)
        terminalreporter.line(f"expected  {name}, {len(group)} times: {why}")
    for name, group in by_kind(judgement.of("another's")).items():
        terminalreporter.line(f"{laid_to(group)}'s  {name}, {len(group)} times")
    for line in judgement.stale:
        terminalreporter.line(f"stale     {line}", red=judgement.strict, yellow=True)
    terminalreporter.line(judgement.headline)
