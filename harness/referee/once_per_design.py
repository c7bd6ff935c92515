"""Keep what depends on a design alone for as long as the design is in use."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from harness.model.design import Design

Value = TypeVar("Value")


def once_per_design(function: Callable[[Design], Value]) -> Callable[[Design], Value]:
    """Have a function of a design computed once for each; an error is raised anew each time."""
    kept: WeakKeyDictionary[Design, Value] = WeakKeyDictionary()

    @wraps(function)
    def value(design: Design) -> Value:
        if design not in kept:
            kept[design] = function(design)
        return kept[design]

    return value
