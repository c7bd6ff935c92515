"""What a diagnosis is asked, with what it is answered, and until when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from harness.base.deadline import Deadline, TimeUp, stopped_at
from harness.base.text import number
from harness.data.rungs import Rung
from harness.diagnose.diagnosis import Check
from harness.diagnose.diagnosis_cost import Size
from harness.diagnose.runs import RRuns
from harness.diagnose.user_engines import Opened

T = TypeVar("T")


@dataclass(frozen=True)
class Inquiry:
    """What is diagnosed, with what, and until when.

    Attributes
    ----------
    deadline : Deadline
        What would take longer is left out, what does is stopped.
    notes : list of str
        What is to be said of the diagnosis itself; what was cut, too.
    """

    rung: Rung
    with_engines: Opened
    size: Size
    checks: tuple[Check, ...]
    alpha: float
    command: str
    deadline: Deadline
    notes: list[str] = field(default_factory=list)

    @property
    def mixed(self) -> bool:
        """Whether there are random effects."""
        return bool(self.rung.case.design.random)

    @property
    def undetermined(self) -> bool:
        """Whether the checks say that the data do not determine the model."""
        return any(check.level == "stop" for check in self.checks)

    @cached_property
    def r_runs(self) -> RRuns | None:
        """lme4's optimizers, where R is there and lme4 has the model and something to optimise."""
        session, model = self.with_engines.session, self.rung.case.model
        # lme4 fits neither: what its optimizers found would be fits of another model.
        lacking = model.residual is not None or model.structured is not None
        if session is None or lacking or not self.mixed:
            return None
        return RRuns(session, self.rung.case)

    def within(self, what: Callable[[], T], otherwise: T, left: str) -> T:
        """Return what something gives before the deadline, else note what was ``left``."""
        try:
            with stopped_at(self.deadline):
                return what()
        except TimeUp:
            self.cut(left)
            return otherwise

    def has_time(self, what: str) -> bool:
        """Say whether there is time to look into something; it is noted where there is none."""
        if not self.deadline.left:
            self.cut(f"{what} was not looked into")
        return bool(self.deadline.left)

    def cut(self, left: str) -> None:
        """Note what the limit has cut."""
        self.notes.append(f"{left}: the limit of {number(self.deadline.seconds)} s was reached.")
