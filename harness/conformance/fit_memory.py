"""An engine that fits each case once, so that the properties of a case share its fits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from msgspec.structs import replace

from harness.engines.engine import Engine, Failure, Outcome, Setting
from harness.engines.engine_wrapper import EngineWrapper
from harness.engines.guard import guarded
from harness.model.case import Case
from harness.spelling.lme4_spelling import model_text

Key = tuple[str, ...]


def key_of(case: Case, setting: Setting) -> Key:
    """Return what a fit depends on: data, names, model and setting, but not the id of the case."""
    model, table = case.model, case.table
    return (
        setting,
        model.criterion,
        model_text(model),
        "\0".join(table.names),
        table.checksum(),
    )


STOPPING = ("crash", "timeout", "memory")
"""Reasons of a failure after which an engine is not asked of a case again, nor of its twins."""


class Remembered(EngineWrapper):
    """An engine beside its latest answers.

    Where a fit of a case crashed or took too long the case is given up: what else is asked of it,
    and of its twins, which have its id, would most likely cost as much again.

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
        self._given_up: dict[str, tuple[Key, Failure]] = {}

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Begin to fit, unless the answer is known."""
        key = key_of(case, setting)
        if key in self._answers:
            self._answers.move_to_end(key)
            answer = self._answers[key]
            return lambda: answer
        if case.id in self._given_up:
            failure = _not_tried(*self._given_up[case.id], key)
            return lambda: failure
        pending = guarded(self.wrapped, case, setting)

        def outcome() -> Outcome:
            found = self._answers[key] = pending()
            if isinstance(found, Failure) and found.reason in STOPPING:
                self._given_up.setdefault(case.id, (key, found))
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)
            return found

        return outcome


def _not_tried(before: Key, failure: Failure, key: Key) -> Failure:
    """Return why there is no fit: the same failure for the same data, else that it was left out."""
    setting: Setting = "tight" if key[0] == "tight" else "default"
    if before[1:] == key[1:]:
        return replace(failure, setting=setting, text=f"{failure.text}; not tried again")
    text = f"not tried, after a {failure.reason} on another form of the case: {failure.text}"
    return replace(failure, setting=setting, reason="left-out", text=text)
