"""The door through which an engine's answer comes in: whatever goes wrong behind it is a failure.

An engine is anyone's code. It may raise, panic in a compiled part (an exception that is no
``Exception``), return something else, or numbers of numpy, which are written as Python's here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec
import numpy as np

from harness.base.errors import STOPS, BadInput
from harness.engines.diagonal_terms import case_apart, fit_together
from harness.engines.engine import Engine, Failure, Outcome, Reason, Setting
from harness.engines.engine_wrapper import EngineWrapper
from harness.model.case import Case


def guarded(engine: Engine, case: Case, setting: Setting) -> Callable[[], Outcome]:
    """Begin a fit; what the engine raises, or returns in place of a fit, becomes a failure.

    What ends the program (:data:`harness.base.errors.STOPS`) still does.
    """
    try:
        lacking = no_structure(engine, case)
        split = case_apart(case) if lacking else None
        if split is not None:
            whole = guarded(engine, split, setting)
            return lambda: fit_together(case, whole())
        reason = lacking or engine.unsupported(case) or no_residuals(engine, case)
        if reason is not None:
            no = Failure(engine=engine.name, setting=setting, reason="unsupported", text=reason)
            return lambda: no
        pending = engine.begin(case, setting)
    except STOPS:
        raise
    except BaseException as error:
        raised = failure_of(engine.name, setting, error)
        return lambda: raised

    def outcome() -> Outcome:
        try:
            found: object = pending()
            if isinstance(found, Outcome):
                return cast("Outcome", _plain(found))
        except STOPS:
            raise
        except BaseException as error:
            return failure_of(engine.name, setting, error)
        text = f"returned {type(found).__name__}, not a Fit or Failure"
        return Failure(engine=engine.name, setting=setting, reason="error", text=text)

    return outcome


def no_residuals(engine: Engine, case: Case) -> str | None:
    """Return that an engine has no residual covariance, where the case has one."""
    if case.model.residual is None or getattr(_innermost(engine), "residuals", False):
        return None
    return f"it has no residual covariance, such as {case.model.residual.text()}"


def no_structure(engine: Engine, case: Case) -> str | None:
    """Return that an engine lacks the structure of a random term, where it does."""
    if case.model.structured is None:
        return None
    own = _innermost(engine)
    known = getattr(own, "structures", ())
    lacking = [t.structure for t in case.model.random if t.structure not in ("", *known)]
    if not lacking:
        return None
    more = "; lme4 has from version 2.0 on" if own.name == "lme4" else ""
    return f"it has no random terms with {lacking[0]}(){more}"


def _innermost(engine: Engine) -> Engine:
    while hasattr(engine, "wrapped"):
        engine = engine.wrapped
    return engine


def failure_of(engine: str, setting: Setting, error: BaseException) -> Failure:
    """Return the failure that an exception is: a crash when it is no ``Exception``."""
    text = f"{type(error).__name__}: {error}".removesuffix(": ")
    reason: Reason = "error" if isinstance(error, Exception | SystemExit) else "crash"
    return Failure(engine=engine, setting=setting, reason=reason, text=text)


class GuardedEngine(EngineWrapper):
    """An engine of a user's, behind the door."""

    def versions(self) -> dict[str, str]:
        """Return the engine's versions.

        Raises
        ------
        BadInput
            When it raises.
        """
        try:
            return super().versions()
        except STOPS:
            raise
        except BaseException as error:
            said = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise BadInput(f"engine {self.name!r} does not say its versions: {said}") from error

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Begin to fit the case; calling what is returned waits and raises nothing."""
        return guarded(self.wrapped, case, setting)


def _plain(value: Any) -> Any:
    """Return a structure with numbers of Python's in place of numpy's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _plain(tuple(value.tolist()) if value.ndim < 2 else tuple(value))
    if isinstance(value, tuple | list):
        # Most are long vectors of floats.
        if set(map(type, value)) <= _PYTHON:
            return value
        items = [_plain(item) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return tuple(items)
    if isinstance(value, dict):
        named = {key: _plain(item) for key, item in value.items()}
        return named if any(named[key] is not value[key] for key in value) else value
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        changed = {name: new for name, old in fields.items() if (new := _plain(old)) is not old}
        return msgspec.structs.replace(value, **changed) if changed else value
    return value


_PYTHON = frozenset({float, int, bool, str, type(None)})
