"""Hypothesis strategies for clustered data: recipes, cases and rungs.

Every function takes the same keyword arguments, checked when it is called: those of
:class:`harness.data.recipes.recipe_draw.Limits`. Draws shrink toward a random intercept, two or
three groups, few rows, one decimal, no offsets, no missing values and plain names, so that a
falsifying example is a table that a person can read::

    from hypothesis import given
    from harness.data.recipes.strategies import cases

    @given(cases(shapes=["slope", "independent"], max_rows=60))
    def test_log_likelihood_is_right(case):
        ...

Needs the package hypothesis, which ``lmm-parity[test]`` brings. What does not need it stands
elsewhere and is offered here too: ``collect`` for a fixed list of recipes, ``build`` for the data
of one, ``shrink`` to make one smaller, ``distribution`` to count what was drawn.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Unpack

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from harness.data.recipes.recipe_distribution import distribution
from harness.data.recipes.recipe_draw import Bounds, Limits, collect, draw_recipe
from harness.data.recipes.recipe_shrink import shrink
from harness.data.recipes.shapes import Recipe, build
from harness.data.rungs import Rung
from harness.model.case import Case

__all__ = ["build", "cases", "collect", "distribution", "minimal", "recipes", "rungs", "shrink"]


def recipes(**bounds: Unpack[Bounds]) -> st.SearchStrategy[Recipe]:
    """Return a strategy of recipes.

    Parameters
    ----------
    shapes : sequence of str, optional
        Keys of ``harness.data.recipes.forms.FORMS``; by default those of ``SHAPES``, which have
        neither weights nor a residual covariance.
    criteria : sequence of {"REML", "ML"}, optional
        Both by default.
    max_groups : int, optional
        Levels of the first grouping factor, 300 by default.
    max_rows : int, optional
        Rows with those that have missing values, 2,000 by default.
    missing, offsets, odd_names, heavy_tails : bool, optional
        Whether there may be missing values; offsets and units; names, labels and level orders that
        trip programs; noise with heavy tails. All true by default.

    Raises
    ------
    BadInput
        When an argument cannot be used; the message names it.
    """
    return _recipes(Limits(**bounds))


@st.composite
def _recipes(draw: st.DrawFn, limits: Limits) -> Recipe:
    def choose(low: int, high: int) -> int:
        # Where there is no choice one is drawn too, so that all recipes take as many.
        return low + min(draw(st.integers(0, max(1, high - low))), high - low)

    return draw_recipe(choose, limits)


def rungs(**bounds: Unpack[Bounds]) -> st.SearchStrategy[Rung]:
    """Return a strategy of rungs; arguments as in :func:`recipes`."""
    return recipes(**bounds).map(build)


def cases(**bounds: Unpack[Bounds]) -> st.SearchStrategy[Case]:
    """Return a strategy of cases; arguments as in :func:`recipes`."""
    return recipes(**bounds).map(lambda recipe: build(recipe).case)


def minimal(
    predicate: Callable[[Rung], bool],
    *,
    seed: int = 0,
    max_examples: int = 1000,
    **bounds: Unpack[Bounds],
) -> Recipe | None:
    """Find a recipe whose rung fulfils a predicate, and make it small.

    Parameters
    ----------
    predicate : callable
        Exceptions that it raises are passed on.
    max_examples : int
        How many recipes to try before giving up.
    bounds
        As in :func:`recipes`.

    Returns
    -------
    Recipe or None
        None when none of them fulfilled it.
    """
    settings = hypothesis.settings(
        max_examples=max_examples,
        phases=(Phase.generate, Phase.shrink),
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        found: Recipe = hypothesis.find(
            recipes(**bounds),
            lambda recipe: predicate(build(recipe)),
            settings=settings,
            random=random.Random(seed),
        )
    except NoSuchExample:
        return None
    return shrink(found, predicate)
