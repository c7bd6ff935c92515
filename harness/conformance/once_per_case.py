"""Keep what depends on a case alone while its engines are checked one after the other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from harness.conformance.fit_memory import Key, key_of
from harness.model.case import Case

Value = TypeVar("Value")

_KEPT = 8
"""Cases whose values are kept: properties of one case follow each other, under pytest not quite."""


def once_per_case(function: Callable[[Case], Value]) -> Callable[[Case], Value]:
    """Have a function of a case computed once for each of the latest cases.

    A twin is then one case to all engines, with one design and one search for its optimum.
    """
    kept: OrderedDict[Key, Value] = OrderedDict()

    @wraps(function)
    def value(case: Case) -> Value:
        # Twins have the id of their case.
        key = (case.id, *key_of(case, "default"))
        if key not in kept:
            kept[key] = function(case)
            while len(kept) > _KEPT:
                kept.popitem(last=False)
        kept.move_to_end(key)
        return kept[key]

    return value
