"""What cannot be evaluated in reasonable time and memory is refused before it is begun."""

import numpy as np
import pytest

from harness.referee.cost import LIMIT, Cost, TooLarge, cost
from harness.referee.deviance import Likelihood
from tests.referee.designs import design, structures


def crossed(rows, first, second):
    rng = np.random.default_rng(0)
    a = np.concatenate([np.arange(first), rng.integers(0, first, rows - first)])
    b = np.concatenate([np.arange(second), rng.integers(0, second, rows - second)])
    one = np.ones(rows)
    return design(rng.normal(size=rows), np.ones((rows, 1)), [(one, a), (one, b)])


def test_twenty_thousand_crossed_levels_are_refused_with_an_estimate():
    made = crossed(60_000, 15_000, 5_000)
    with pytest.raises(TooLarge, match=r"20,000 connected .* and 2 variance parameters") as refusal:
        Likelihood(made, reml=True)
    assert "minutes and" in str(refusal.value)
    assert "GB" in str(refusal.value)


def test_the_limit_can_be_moved():
    made = structures()["crossed"]
    with pytest.raises(TooLarge, match="limit 1 s and 1 MB"):
        Likelihood(made, reml=True, limit=Cost(seconds=1.0, bytes=1e3))
    assert Likelihood(made, reml=True, limit=cost(made)).at([1.0, 0.0, 1.0, 1.0]).deviance() > 0.0


@pytest.mark.parametrize("name", list(structures()))
def test_small_designs_cost_next_to_nothing(name):
    estimate = cost(structures()[name])
    assert estimate.seconds < 0.01
    assert estimate.bytes < 1e6


def test_many_small_groups_cost_what_their_number_says():
    rng = np.random.default_rng(0)
    one, twice = (
        cost(design(rng.normal(size=n), np.ones((n, 1)), [(np.ones(n), np.arange(n) // 2)]))
        for n in (20_000, 40_000)
    )
    assert twice.bytes == pytest.approx(2.0 * one.bytes, rel=0.01)
    assert twice.seconds == pytest.approx(2.0 * one.seconds, rel=0.01)
    assert twice.seconds < 0.1


def test_many_variance_parameters_count():
    """A term of q effects has q (q + 1) / 2: 15 effects 120, each with its own k x k product."""
    rng = np.random.default_rng(0)
    n = 600
    few, many = (
        cost(
            design(
                rng.normal(size=n),
                np.ones((n, 1)),
                [
                    (rng.normal(size=(n, q)), np.arange(n) % 20),
                    (np.ones(n), rng.integers(0, 10, n)),
                ],
            )
        )
        for q in (1, 15)
    )
    assert many.bytes > 120 * few.bytes
    assert many.bytes < LIMIT.bytes


def test_large_blocks_have_the_derivatives_of_small_ones():
    """The structured route for blocks above 32 columns, against central differences."""
    rng = np.random.default_rng(1)
    n = 300
    g, h = rng.integers(0, 20, n), rng.integers(0, 15, n)
    z = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = z[:, 1] + rng.normal(size=20)[g] + rng.normal(size=15)[h] + rng.normal(size=n)
    likelihood = Likelihood(design(y, z, [(z, g), (np.ones(n), h)]), reml=True)
    theta = np.array([0.8, -0.3, 0.4, 0.9])
    point = likelihood.at(theta)
    assert likelihood.products.buckets[0].r.shape == (1, 55, 55)
    steps = 1e-5 * np.eye(4)
    slopes = [
        likelihood.at(theta + h).deviance() - likelihood.at(theta - h).deviance() for h in steps
    ]
    assert point.profiled_gradient() == pytest.approx(np.array(slopes) / 2e-5, rel=1e-6, abs=1e-6)
    bends = [
        likelihood.at(theta + h).profiled_gradient() - likelihood.at(theta - h).profiled_gradient()
        for h in steps
    ]
    assert point.profiled_hessian() == pytest.approx(np.array(bends) / 2e-5, rel=1e-6, abs=1e-5)
