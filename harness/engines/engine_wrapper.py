"""An engine around another: what it does not say otherwise is as the other does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from harness.engines.engine import Engine, Outcome, Setting
from harness.model.case import Case
from harness.referee.cost import Cost


class EngineWrapper:
    """An engine that hands everything on; a kind of it states what it does otherwise.

    ``fit`` is ``begin`` and waiting, so that what is done otherwise is said once, in ``begin``.

    Attributes
    ----------
    wrapped : Engine
    same_answers : bool
        Whether every answer is one that ``wrapped`` has given or would give.
    """

    same_answers: ClassVar[bool] = True

    def __init__(self, wrapped: Engine, name: str = "") -> None:
        self.wrapped = wrapped
        self.name = name or wrapped.name

    def versions(self) -> dict[str, str]:
        """Return the engine's versions."""
        return self.wrapped.versions()

    def unsupported(self, case: Case) -> str | None:
        """Return why the engine cannot express the case, or None."""
        return self.wrapped.unsupported(case)

    def cost(self, case: Case) -> Cost:
        """Return what a fit takes; nothing where the engine has no estimate."""
        estimate: Callable[[Case], Cost] | None = getattr(self.wrapped, "cost", None)
        return Cost(0.0, 0.0) if estimate is None else estimate(case)

    def fit(self, case: Case, setting: Setting) -> Outcome:
        """Fit the case and wait for the result."""
        return self.begin(case, setting)()

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Begin to fit the case; calling what is returned waits."""
        return self.wrapped.begin(case, setting)


def bare(engine: Engine) -> Engine:
    """Return the engine itself, which fits every time it is asked."""
    while getattr(engine, "same_answers", True) and hasattr(engine, "wrapped"):
        engine = engine.wrapped
    return engine
