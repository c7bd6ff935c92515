"""What an evaluation costs, estimated before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.model.design import Design
from harness.model.structure import parameter_count
from harness.referee.component_blocks import components, padded_sizes
from harness.referee.once_per_design import once_per_design

SPEED = 2e10
"""Multiplications and additions a second of dense matrix products on one core, at the low end."""


@dataclass(frozen=True)
class Cost:
    """Time and memory of a likelihood: its set-up and one evaluation with gradient and Hessian."""

    seconds: float
    bytes: float

    def __str__(self) -> str:
        return f"{_time(self.seconds)} and {_size(self.bytes)}"


LIMIT = Cost(seconds=600.0, bytes=8e9)
"""A likelihood that takes more is refused: a fit needs some tens of evaluations."""


class TooLarge(ValueError):
    """The likelihood would take too much time or memory; the text has the estimate."""


@once_per_design
def cost(design: Design) -> Cost:
    """Estimate what a likelihood takes, from the sizes of its blocks alone.

    Every block of k connected random-effects columns is dense. Its set-up is an eigendecomposition
    (about 10 k^3 operations); an evaluation takes a symmetric product, a Cholesky root, a
    triangular solve and a symmetric product (5 k^3); the Hessian compares a k x k product for each
    pair of the elements of theta. About five k x k arrays are kept, as many more needed in set-up;
    the Hessian two for each element of theta.
    """
    n, p = design.x.shape
    widths = [term.z.shape[1] for term in design.random]
    elements = _elements(design)
    rows = 8.0 * n * (4 * (p + 1) + 6 * sum(widths))
    operations = 4.0 * n * (p + 1) * (p + 1 + sum(widths))
    held = 0.0
    if design.random:
        sizes = padded_sizes(np.bincount(components(design.random))).astype(np.float64)
        squares, cubes = float((sizes**2).sum()), float((sizes**3).sum())
        held = 8.0 * squares * (5.0 + max(5.0, 2.5 * elements))
        operations += 15.0 * cubes + squares * (2.0 * elements**2 + 20.0 * elements)
        # H1_i of every element, in its own term: n p^2 at most.
        operations += 2.0 * elements * p * p * float(sizes.sum())
    return Cost(operations / SPEED, rows + held)


SEARCH = 5.0
"""Times the cost of a likelihood that a search for the optimum takes: the set-up, two thirds of it,
is made once, and about a dozen evaluations follow. Measured on 4,100 crossed columns, 3."""


def search_cost(design: Design) -> Cost:
    """Estimate what a search for the optimum of a design takes."""
    one = cost(design)
    return Cost(SEARCH * one.seconds, one.bytes)


def refuse_beyond(limit: Cost, design: Design) -> None:
    """Raise TooLarge when a design costs more than the limit."""
    estimate = cost(design)
    if estimate.seconds <= limit.seconds and estimate.bytes <= limit.bytes:
        return
    largest = int(np.bincount(components(design.random)).max()) if design.random else 0
    elements = _elements(design)
    raise TooLarge(
        f"one evaluation would take about {estimate} (limit {limit}): {largest:,} connected "
        f"random-effects columns and {elements:,} variance parameters"
    )


def _elements(design: Design) -> int:
    return sum(parameter_count(term.structure, term.z.shape[1]) for term in design.random)


def _time(seconds: float) -> str:
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2.0 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 1.0):.0f} s"


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{max(count / 1e6, 1.0):.0f} MB"
