"""What can go wrong between here and R, one exception each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Condition:
    """One thing R signalled.

    Attributes
    ----------
    kind : str
        ``"message"``, ``"warning"`` or ``"error"``.
    text : str
    category : str
        R's class of the condition, ``"simpleWarning"`` for instance.
    """

    kind: str
    text: str
    category: str


class RFailure(Exception):
    """A call of an R function that gave no result.

    Attributes
    ----------
    conditions : tuple of Condition
        Everything R signalled before, the error last; empty when R could not tell any more.
    """

    def __init__(self, text: str, conditions: Sequence[Condition] = ()) -> None:
        super().__init__(text)
        self.conditions = tuple(conditions)


class RError(RFailure):
    """R raised an error; ``category`` is its class."""

    @property
    def category(self) -> str:
        """R's class of the error, ``"simpleError"`` for instance."""
        return self.conditions[-1].category if self.conditions else ""


class RMemory(RError):
    """R asked for more memory than it may have."""


class RCrash(RFailure):
    """The R process died."""


class RTimeout(RFailure):
    """The call took longer than allowed and was killed."""


class REnvironment(RFailure):
    """R, an R package or a matching rpy2 is missing; the text says what mends it."""
