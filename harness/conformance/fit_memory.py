"""An engine that fits each case once, so that the properties of a case share its fits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from harness.engines.engine import Engine, Failure, Outcome, Setting
from harness.engines.engine_wrapper import EngineWrapper
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
        An exception that it raises is returned as a :class:`Failure`: engines raise nothing.
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


def guarded(engine: Engine, case: Case, setting: Setting) -> Callable[[], Outcome]:
    """Begin a fit; what the engine raises, or returns in place of a fit, becomes a failure."""
    name = engine.name
    reason = engine.unsupported(case)
    if reason is not None:
        no = Failure(engine=name, setting=setting, reason="unsupported", text=reason)
        return lambda: no
    try:
        pending = engine.begin(case, setting)
    except Exception as error:  # the engine is anyone's code; see Remembered
        return partial(_raised, name, setting, f"{type(error).__name__}: {error}")

    def outcome() -> Outcome:
        try:
            found: object = pending()
        except Exception as error:
            return _raised(name, setting, f"{type(error).__name__}: {error}")
        if not isinstance(found, Outcome):
            return _raised(name, setting, f"returned {type(found).__name__}, not a Fit or Failure")
        return found

    return outcome


def _raised(engine: str, setting: Setting, text: str) -> Failure:
    return Failure(engine=engine, setting=setting, reason="error", text=text)
