"""Structured random terms beside a residual covariance: what is not determined, df, adjustment."""

import numpy as np
import pytest

from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.referee.best_point import find_optimum, nearest_minimum
from harness.referee.competition import competition
from harness.referee.kenward_roger import KenwardRogerUndefined, kenward_roger
from harness.referee.optimality import optimality
from harness.referee.residual_likelihood import likelihood_of
from tests.referee.dense_adjustment import dense_kenward_roger
from tests.referee.joined_cases import made, some_theta, visited

SAME = {
    "diag is ||": ("diag(1 + x | s)", "(1 + x || s)", "ar1(visit | s)", {}),
    "cs of two is unstructured": ("cs(0 + f | s)", "(0 + f | s)", "car1(time | s)", {"levels": 2}),
    "hetar1 of two is unstructured": (
        *("hetar1(0 + f | s)", "(0 + f | s)", "het(sex)"),
        {"levels": 2},
    ),
    "ar1 of two is homcs": (
        *("ar1(0 + f | s)", "homcs(0 + f | s)", "ar1(visit | s) + het(sex)"),
        {"levels": 2},
    ),
    "homdiag is an interaction": ("homdiag(0 + f | s)", "(1 | s:f)", "ar1(visit | s)", {}),
}


def search(formula, residual, seed=0, *, reml=True, **options):
    model = parse_model(formula, "REML", residual)
    frame = visited(seed, **options)
    return find_optimum(likelihood_of(build_design(model, bind(model, frame)), reml=reml))


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("seed", range(4))
def test_two_ways_to_say_the_same(name, seed):
    left, right, residual, options = SAME[name]
    reml = bool(seed % 2)
    one = search(f"y ~ x + {left}", residual, seed, reml=reml, subjects=8 + seed, **options)
    other = search(f"y ~ x + {right}", residual, seed, reml=reml, subjects=8 + seed, **options)
    assert one.deviance == pytest.approx(other.deviance, abs=1e-8)
    assert one.optimality.singular == other.optimality.singular
    for a, b in zip(one.tests, other.tests, strict=True):
        assert (a.estimate, a.se) == pytest.approx((b.estimate, b.se), rel=1e-6)
        assert a.df == pytest.approx(b.df, rel=1e-4)
    assert sorted(one.variance_errors)[0] == pytest.approx(
        sorted(other.variance_errors)[0], rel=1e-4, abs=1e-6
    )
    if reml and not one.optimality.singular and "+ het" not in residual:
        ours, theirs = (kenward_roger(best.point, linear=True) for best in (one, other))
        assert ours.covariance == pytest.approx(theirs.covariance, rel=1e-5)


@pytest.mark.slow
def test_one_stratum_and_no_residual_covariance_are_one():
    frame = visited(3, subjects=8).assign(all="one")
    found = []
    for residual in ("", "het(all)"):
        model = parse_model("y ~ x + cs(0 + f | s)", "REML", residual)
        design = build_design(model, bind(model, frame))
        found.append(find_optimum(likelihood_of(design, reml=True)))
    plain, own = found
    assert own.deviance == pytest.approx(plain.deviance, abs=1e-9)
    assert own.point.theta == pytest.approx(plain.point.theta, rel=1e-6)


def dense(design, point):
    """V, its first and second derivatives in the parameters of PROC MIXED, all n by n."""
    basis = point.likelihood.products.basis
    s2 = float((point.sigma * basis.y_scale) ** 2)
    residual = design.residual
    at = []
    for own, mine in zip(point.likelihood.terms, point.likelihood.slices, strict=True):
        x, k = point.theta[mine], own.deviations
        at += list(s2 * x[:k] ** 2)
        if own.correlated:
            at.append(s2 * x[0] ** 2 * x[-1] if own.structure == "homcs" else x[-1])
    kind = residual.structure
    phi = point.phi
    if kind in ("ar1", "car1"):
        at += [phi[0] if kind == "ar1" else np.exp(phi[0]), s2]
    elif kind == "cs":
        at += [s2 * phi[0], s2]
    else:
        at += [s2, s2 * np.exp(2.0 * phi[0])]
    together = residual.group[:, None] == residual.group
    lag = np.abs(residual.position[:, None] - residual.position)

    def v(parameters):
        left = list(parameters)
        total = np.zeros(together.shape)
        for own, term in zip(point.likelihood.terms, design.random, strict=True):
            x = np.array([left.pop(0) for _ in range(len(own.places))])
            k = own.deviations
            if own.structure == "homcs":
                x[-1] /= x[0]
            x[:k] = np.sqrt(x[:k])
            psi = own.matrix(x)
            same = term.codes[:, None] == term.codes
            total += np.where(same, term.z @ psi @ term.z.T, 0.0)
        one, two = left
        if kind in ("ar1", "car1"):
            return total + two * np.where(together, one**lag, 0.0)
        if kind == "cs":
            return total + np.where(together, one, 0.0) + (two - one) * np.eye(len(total))
        return total + np.diag(np.where(residual.strata[0] == 0, one, two))

    at = np.array(at)
    steps = 1e-4 * np.maximum(np.abs(at), 0.1)
    units = np.diag(steps)
    first = [(v(at + u) - v(at - u)) / (2 * h) for u, h in zip(units, steps, strict=True)]
    second = [
        [
            (v(at + a + b) - v(at + a - b) - v(at - a + b) + v(at - a - b)) / (4 * h * g)
            for b, g in zip(units, steps, strict=True)
        ]
        for a, h in zip(units, steps, strict=True)
    ]
    return v(at), first, second


@pytest.mark.parametrize(
    "name", ["diag, ar1", "homdiag, cs", "cs, car1", "homcs, het", "two, ar1", "ar1, ar1"]
)
def test_kenward_roger_is_that_of_the_full_matrices(name):
    design = made(name, subjects=8)
    point = likelihood_of(design, reml=True).at(some_theta(design))
    v, first, second = dense(design, point)
    for linear in (True, False):
        covariance, df = dense_kenward_roger(design.x, v, first, None if linear else second)
        own = kenward_roger(point, linear=linear)
        # Differences of V, at steps of 1e-4, have eight digits or so.
        assert own.covariance == pytest.approx(covariance, rel=1e-5)
        assert own.contrast_tests(np.eye(2))[1].df == pytest.approx(df[1], rel=1e-5)


def test_where_it_depends_on_the_parametrisation_there_is_none():
    design = made("homcs, ar1 and het")
    with pytest.raises(KenwardRogerUndefined, match="parametrised"):
        kenward_roger(likelihood_of(design, reml=True).at(some_theta(design)))


def test_a_boundary_that_is_none_is_told_from_one():
    likelihood = likelihood_of(made("homcs, ar1"), reml=True)
    for rho in (-0.5, 1.0):
        assert optimality(likelihood.at([2.6, rho, 0.1])).false_boundary
    assert optimality(likelihood.at([0.0, 0.3, 0.1])).false_boundary
    # At the edge of the structure's cone R may not move there either.
    assert likelihood.at([2.6, 1.0, 0.1]).held.tolist() == [False, True, False]


@pytest.mark.parametrize("theta", [[1.0, 1.001, 0.1], [1.0, -0.5001, 0.1], [1.0, 0.2, 1.0]])
def test_outside_the_parameter_space_there_is_no_point(theta):
    with pytest.raises(np.linalg.LinAlgError):
        likelihood_of(made("homcs, ar1"), reml=True).at(theta)


@pytest.mark.slow
def test_what_the_data_do_not_determine_is_said():
    # An intercept of the subject in both: in the term's covariance, and in that of the residuals.
    best = search("y ~ x + homcs(0 + f | s)", "cs(1 | s)", subjects=20)
    (direction,) = best.free
    assert direction.changes[0] == pytest.approx(np.ones((3, 3)), abs=1e-6)
    assert direction.phi[0] < 0.0
    found = competition(best)
    assert found is not None
    assert not found.determined
    assert search("y ~ x + homcs(0 + f | s)", "ar1(visit | s)", subjects=20).free == ()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_no_descent_from_elsewhere_ends_lower(seed):
    name = ["homcs, ar1", "cs, car1", "two, ar1"][seed % 3]
    rng = np.random.default_rng(seed)
    likelihood = likelihood_of(made(name, seed, subjects=6 + seed), reml=bool(seed % 2))
    best = find_optimum(likelihood)
    low = np.where(np.isfinite(likelihood.lower), likelihood.lower, -0.9)
    high = np.where(np.isfinite(likelihood.upper), likelihood.upper, 0.9)
    high[-1], low[-1] = (-0.1, -2.0) if "car1" in name else (0.9, -0.9)
    for start in rng.uniform(low, np.minimum(high, 3.0), (5, len(low))):
        found = nearest_minimum(likelihood.at(start))
        assert found.deviance() > best.deviance - 1e-7


@pytest.mark.slow
@pytest.mark.parametrize("term", ["(1 | s:f)", "homdiag(0 + f | s)"])
def test_no_correlation_in_continuous_time_is_a_minimum_that_is_found(term):
    # nlme's fit: rho 1.3e-9 and variance 2.87; another minimum, 0.37 higher, is at rho 0.89.
    best = search(f"y ~ x + {term}", "car1(time | s)", subjects=20)
    assert best.deviance == pytest.approx(337.1170000, abs=1e-6)
    assert [o.deviance() for o in best.others] == pytest.approx([337.4887328], abs=1e-6)


def adjustments(formula, residual):
    model = parse_model(formula, "REML", residual)
    design = build_design(model, bind(model, visited(0, subjects=10)))
    likelihood = likelihood_of(design, reml=True)
    k = len(likelihood.layout)
    phi = np.full(0 if design.residual is None else len(design.residual.names), 0.15)
    if residual.startswith("car1"):
        phi[0] = -0.5  # a logarithm
    theta = np.linspace(0.5, 0.9, k)
    if any(own in formula for own in ("cs(", "ar1(")):
        theta[-1] = 0.3
    point = likelihood.at(np.concatenate([theta, phi]))
    return [kenward_roger(point, linear=linear).covariance for linear in (True, False)]


@pytest.mark.parametrize(
    ("formula", "residual", "linear"),
    [
        *((f"y ~ x + {name}(0 + f | s)", "", True) for name in ("diag", "homdiag", "homcs", "us")),
        *((f"y ~ x + {name}(0 + f | s)", "", False) for name in ("cs", "ar1", "hetar1")),
        *(
            ("y ~ x", text, True)
            for text in ("cs(1 | s)", "toep(place | s)", "corr(place | s)", "us(place | s)")
        ),
        ("y ~ x", "het(sex)", True),
        ("y ~ x", "ar1(visit | s)", False),
        ("y ~ x", "car1(time | s)", False),
        ("y ~ x + homcs(0 + f | s)", "cs(1 | s) + het(sex)", None),
        ("y ~ x", "cs(1 | s) + het(sex)", None),
    ],
)
def test_second_derivatives_are_zero_where_inference_says_that_they_are(formula, residual, linear):
    if linear is None:
        with pytest.raises(KenwardRogerUndefined):
            adjustments(formula, residual)
        return
    first, second = adjustments(formula, residual)
    assert (np.abs(first - second).max() <= 1e-12 * np.abs(first).max()) == linear
