"""What ``pytest --pyargs harness.conformance`` collects: an item per property and per kept case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.conformance.pytest_suite import Running
    from harness.conformance.regressions import Kept


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make the items; without the plugin there is nothing that could run them."""
    suite = metafunc.config.pluginmanager.get_plugin("lmm_parity_suite")
    if suite is None:
        raise pytest.UsageError("run it as: pytest --pyargs harness.conformance --engine NAME")
    suite.generate_tests(metafunc)


def test_kept_case(conformance: Running, kept: Kept) -> None:
    """Every property holds on a case that once failed, or fails as expected."""
    conformance.check_kept(kept)


def test_property(conformance: Running, name: str) -> None:
    """A property holds on every case that Hypothesis draws, or fails as expected."""
    conformance.check_property(name)
