"""An engine that fits each case once, so that the properties of a case share its fits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from harness.engines.engine import Engine, Outcome, Setting
from harness.engines.engine_wrapper import EngineWrapper
from harness.engines.guard import guarded
from harness.model.case import Case
from harness.spelling.calls import lme4_formula

Key = tuple[str, ...]


def key_of(case: Case, setting: Setting) -> Key:
    """Return what a fit depends on: data, names, model and setting, but not the id of the case."""
    model, table = case.model, case.table
    return (
        setting,
        model.criterion,
        lme4_formula(model),
        "\0".join(table.names),
        table.checksum(),
    )


class Remembered(EngineWrapper):
    """An engine beside its latest answers.

    Parameters
    ----------
    engine : Engine
        An exception that it raises is returned as a failure: engines raise nothing.
    size : int
        How many answers are kept.
    """

    def __init__(self, engine: Engine, size: int = 64) -> None:
        super().__init__(engine)
        self._size = size
        self._answers: OrderedDict[Key, Outcome] = OrderedDict()

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Begin to fit, unless the answer is known."""
        key = key_of(case, setting)
        if key in self._answers:
            self._answers.move_to_end(key)
            answer = self._answers[key]
            return lambda: answer
        pending = guarded(self.wrapped, case, setting)

        def outcome() -> Outcome:
            found = self._answers[key] = pending()
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)
            return found

        return outcome
