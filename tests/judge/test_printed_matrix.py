"""A printed matrix that no covariance matrix is printed as is named, with why; no other one is."""

import math

import numpy as np
import pytest

from harness.judge.printed_matrix import _best_eigenvalue
from tests.judge.printed_listings import judged, listing, maker, numbers, shown

MACHINES = "score ~ Machine + (0 + Machine | Worker)"


@pytest.fixture(scope="module")
def sleep():
    return numbers(maker("sleepstudy"))


def planted(sleep, text, pairs):
    return judged(listing(sleep, 4, pairs=pairs, texts={("Subject", pairs): text}),
                  maker("sleepstudy"))  # fmt: skip


@pytest.mark.parametrize("text", ["1.07", "-1.2", "1.5"])
def test_a_correlation_beyond_one_is_impossible(text, sleep):
    found = planted(sleep, text, "correlation")
    (one,) = found.impossible
    assert (one.what, one.group, one.effects) == ("correlation", "Subject", ("Intercept", "Days"))
    assert one.value == pytest.approx(float(text))
    assert 1.0 < abs(one.nearest) < abs(one.value)
    assert found.at_optimum is None
    assert not found.right
    wrong = [(f.quantity, f.right) for f in found.findings if f.truth in ("false", "mistake")]
    assert wrong == [("correlation", pytest.approx(sleep["correlation"]["Subject"]))]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("times", [1.001, 1.02, 1.5, 20.0])
def test_a_covariance_beyond_its_variances_is_impossible(sign, times, sleep):
    most = math.sqrt(math.prod(sleep["spread"].values()))
    found = planted(sleep, shown(sign * times * most, 6), "covariance")
    (one,) = found.impossible
    assert one.what == "covariance"
    assert one.value == pytest.approx(sign * times, rel=1e-3)
    assert 1.0 < abs(one.nearest) < abs(one.value)


@pytest.mark.parametrize("text", ["1.00", "-1.000", "1.0"])
def test_a_correlation_that_rounding_explains_is_possible_and_short_of_the_optimum(text, sleep):
    found = planted(sleep, text, "correlation")
    assert found.impossible == ()
    assert found.at_optimum is False
    assert found.gap > 1.0


@pytest.mark.parametrize("label", ["Subject Days", "residual"])
def test_a_negative_variance_is_impossible_and_judged(label, sleep):
    found = judged(listing(sleep, 4, texts={(label, "variance"): "-3.2"}), maker("sleepstudy"))
    (one,) = found.impossible
    assert (one.what, one.value, one.group) == ("variance", -3.2, label.partition(" ")[0].replace(
        "residual", ""))  # fmt: skip
    wrong = [(f.quantity, f.item) for f in found.findings if f.truth in ("false", "mistake")]
    assert wrong == [("variance", label)]


def machines(first, second, third):
    pairs = (("A", "B", first), ("A", "C", second), ("B", "C", third))
    return "\n".join(
        ['[variance]\nresidual = "0.925"\n[correlation]']
        + [f'"Worker Machine[{a}] Machine[{b}]" = "{r}"' for a, b, r in pairs]
    )


def test_correlations_that_contradict_each_other_are_impossible():
    found = judged(machines("0.80", "-0.62", "0.77"), maker("Machines", MACHINES))
    (one,) = found.impossible
    matrix = np.array([[1, 0.8, -0.62], [0.8, 1, 0.77], [-0.62, 0.77, 1]])
    assert one.what == "eigenvalue"
    assert one.value == pytest.approx(np.linalg.eigvalsh(matrix)[0])
    assert one.value < one.nearest < -0.4


def test_correlations_of_a_matrix_are_possible():
    found = judged(machines("0.80", "0.62", "0.77"), maker("Machines", MACHINES))
    assert found.impossible == ()
    assert found.right


def test_of_boxes_none_that_holds_a_matrix_is_accused_and_the_bound_is_one():
    """Matrices of correlations, rounded: the box holds them. Of others no sample is better."""
    rng = np.random.default_rng(5)
    for q in (3, 4, 5):
        for _ in range(20):
            root = rng.normal(size=(q, rng.integers(1, q + 1)))
            root /= np.linalg.norm(root, axis=1)[:, None]
            half = 0.5 * 10.0 ** -rng.integers(1, 4)
            rounded = np.round((root @ root.T) / (2 * half)) * 2 * half
            best, _ = _best_eigenvalue(
                np.maximum(rounded - half, -1), np.minimum(rounded + half, 1)
            )
            assert best > -1e-8
            wild = np.triu(rng.uniform(-1, 1, (q, q)), 1)
            low, high = np.maximum(wild - half, -1), np.minimum(wild + half, 1)
            best, _ = _best_eigenvalue(low, high)
            tried = rng.uniform(low, high, (300, q, q))
            full = np.triu(tried, 1) + np.triu(tried, 1).transpose(0, 2, 1) + np.eye(q)
            # Where it is none, the search has stopped at a matrix that is possible.
            assert best >= 0.0 or np.linalg.eigvalsh(full)[:, 0].max() <= best + 1e-9
