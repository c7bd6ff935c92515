"""What is kept of many cases: the worst of them, and digits of agreement counted in tenths."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class Worst(Generic[T]):
    """The ``limit`` items with the largest keys; among equals the earlier ones."""

    limit: int
    _heap: list[tuple[tuple[float, ...], int, T]] = field(default_factory=list)
    _seen: int = 0

    def add(self, key: tuple[float, ...], item: T) -> None:
        """Offer an item."""
        self._seen += 1
        entry = (key, -self._seen, item)
        if len(self._heap) < self.limit:
            heapq.heappush(self._heap, entry)
        elif entry[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, entry)

    def __iter__(self) -> Iterator[T]:
        """Give the items, the worst first."""
        for _, _, item in sorted(self._heap, key=lambda e: e[:2], reverse=True):
            yield item


@dataclass
class Digits:
    """Distribution of the digits of agreement (LRE) of one quantity: a case's worst item each.

    Attributes
    ----------
    tenths : Counter
        Cases by ``floor(10 * digits)``, digits below 0 counted as 0.
    equal, nan, outside : int
        Cases that agree in every digit; that have a NaN; that have an item outside its tolerance.
    """

    tenths: Counter[int] = field(default_factory=Counter)
    equal: int = 0
    nan: int = 0
    outside: int = 0

    @property
    def cases(self) -> int:
        """Number of cases in which the quantity was compared."""
        return self.tenths.total() + self.equal + self.nan

    def add(self, digits: float, *, outside: bool) -> None:
        """Count one case."""
        self.outside += outside
        if math.isnan(digits):
            self.nan += 1
        elif digits == math.inf:
            self.equal += 1
        else:
            self.tenths[math.floor(10 * max(digits, 0.0))] += 1

    def quantile(self, share: float) -> float:
        """Return the digits that ``share`` of the cases do not exceed, rounded down to a tenth.

        NaN comes before every number, ``inf`` (all digits equal) after.
        """
        rank = max(1, math.ceil(share * self.cases))
        if rank <= self.nan:
            return math.nan
        reached = self.nan
        for tenth in sorted(self.tenths):
            reached += self.tenths[tenth]
            if rank <= reached:
                return tenth / 10
        return math.inf

    def between(self, low: float, high: float) -> int:
        """Return the number of cases with ``low <= digits < high``, NaN and equal ones apart."""
        return sum(n for tenth, n in self.tenths.items() if low <= tenth / 10 < high)
