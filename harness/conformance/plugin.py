"""The pytest plugin: does nothing unless pytest is asked to run the conformance suite.

It is loaded by every pytest of an environment that has this package, so it has to be light, and
adds no option to runs that are none of its business.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

PACKAGE = "harness.conformance"


def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> None:
    """Add the suite's options and hooks where the suite is among the arguments."""
    if not any(map(asks_for_suite, args)):
        return
    from harness.conformance import pytest_suite

    pytest_suite.add_options(parser)
    early_config.pluginmanager.register(pytest_suite, "lmm_parity_suite")


def asks_for_suite(argument: str) -> bool:
    """Say whether an argument of pytest names the suite: the package, or a path to it."""
    name = argument.partition("::")[0]
    if name == PACKAGE or name.startswith(f"{PACKAGE}."):
        return True
    if name.startswith("-"):
        return False
    here = Path(__file__).resolve().parent
    path = Path(name)
    try:
        return path.exists() and path.resolve() in (here, here / "test_conformance.py")
    except OSError:
        return False
