"""Engines by name."""

from __future__ import annotations

from collections.abc import Callable

from harness.engines.base import Engine
from harness.engines.referee import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine

PYTHON_ENGINES: dict[str, Callable[[], Engine]] = {
    StatsmodelsEngine.name: StatsmodelsEngine,
    RefereeEngine.name: RefereeEngine,
}
"""Engines that run in this process; lme4, the reference, needs a session with R."""
