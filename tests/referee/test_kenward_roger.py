"""Kenward and Roger's covariance and df: pbkrtest's at the same point, and those of theory."""

import numpy as np
import pandas as pd
import pytest

from harness.base.resources import fixture
from harness.engines.lme4 import r_columns
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.referee.deviance import Likelihood
from harness.referee.kenward_roger import KenwardRogerUndefined, kenward_roger
from harness.referee.optimum import find_optimum
from harness.spelling.lme4_spelling import lme4_formula
from tests.referee.dense_adjustment import dense_kenward_roger
from tests.referee.designs import (
    design,
    frame_columns,
    lme4_order,
    r_formula,
    slope_data,
    structures,
)

STRUCTURES = structures()


def csv_case(name, formula, criterion="REML", factors=(), rows=None):
    frame = pd.read_csv(fixture("data", f"{name}.csv"))
    if rows is not None:
        frame = frame[rows(np.arange(len(frame)))].reset_index(drop=True)
    model = parse_model(formula, criterion)
    return Case(name, model, bind(model, frame, factors=factors))


def request(case):
    """What an oracle function needs of a case."""
    return {
        "columns": r_columns(case.table),
        "formula": lme4_formula(case.model, case.table.alias),
        "criterion": case.model.criterion,
    }


def point_of(made, reply, criterion="REML"):
    """The referee's point at R's theta, R's sigma, and R's position of each fixed effect."""
    theta = np.empty(len(reply.numbers("theta")))
    theta[lme4_order(made)] = reply.numbers("theta")
    x = reply.numbers("x").reshape(len(made.y), -1, order="F")
    at = [int(np.abs(x - column[:, None]).max(0).argmin()) for column in made.x.T]
    assert x[:, at] == pytest.approx(made.x, rel=1e-12)
    likelihood = Likelihood(made, reml=criterion == "REML")
    return likelihood.at(theta), float(reply.numbers("sigma")[0]), at


def compare(reply, made, rows=None, rel=1e-10):
    """1e-10: most agree to 1e-13; R's n x n inverse loses the rest, crossed factors most."""
    point, sigma, at = point_of(made, reply)
    result = kenward_roger(point, sigma=sigma)
    p = made.x.shape[1]
    adjusted = reply.numbers("adjusted").reshape(p, p)[np.ix_(at, at)]
    tests = result.contrast_tests(np.eye(p))
    assert [test.df for test in tests] == pytest.approx(reply.numbers("df")[at], rel=rel)
    assert [test.se for test in tests] == pytest.approx(np.sqrt(np.diag(adjusted)), rel=rel)
    se = np.sqrt(np.diag(adjusted))
    assert result.covariance / np.outer(se, se) == pytest.approx(
        adjusted / np.outer(se, se), rel=rel, abs=rel
    )
    if rows is not None:
        # R has its columns in its own order.
        theirs = reply.numbers("joint")
        mine = result.f_test(rows, beta=reply.numbers("beta")[at])
        found = [mine.df_num, mine.df_den, mine.statistic, mine.scale, mine.p]
        assert found == pytest.approx(theirs, rel=rel)


def every_third(i):
    return i % 7 != 3


CASES = [
    ("sleepstudy", "Reaction ~ Days + (1 | Subject)", (), None),
    ("sleepstudy", "Reaction ~ Days + (Days | Subject)", (), None),
    ("sleepstudy", "Reaction ~ Days + (Days || Subject)", (), None),
    ("sleepstudy", "Reaction ~ Days + (1 | Subject)", (), every_third),
    ("sleepstudy", "Reaction ~ Days + (Days | Subject)", (), every_third),
    ("Dyestuff", "Yield ~ 1 + (1 | Batch)", (), None),
    ("Pastes", "strength ~ 1 + (1 | batch/cask)", (), None),
    ("Pastes", "strength ~ 1 + (1 | batch/cask)", (), every_third),
    ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", (), None),
    ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", (), every_third),
    ("Oxboys", "height ~ age + I(age^2) + (age | Subject)", (), None),
    ("RatPupWeight", "weight ~ Treatment*sex + Lsize + (1 | Litter)", (), None),
]


@pytest.mark.r
@pytest.mark.parametrize(("name", "formula", "factors", "rows"), CASES)
def test_real_data_have_pbkrtests_df_and_standard_errors(r, name, formula, factors, rows):
    case = csv_case(name, formula, factors=factors, rows=rows)
    compare(r.call("oracle_kenward_roger", request(case)), case.design)


@pytest.mark.r
@pytest.mark.parametrize("name", list(STRUCTURES))
def test_every_random_structure_has_pbkrtests_df_and_standard_errors(r, name):
    made = STRUCTURES[name]
    payload = {"columns": frame_columns(made), "formula": r_formula(made), "criterion": "REML"}
    p = made.x.shape[1]
    reply = r.call("oracle_kenward_roger", payload | {"rows": np.eye(p).ravel()})
    compare(reply, made, np.eye(p))


@pytest.mark.r
@pytest.mark.parametrize("rows", [None, every_third])
def test_cakes_joint_tests_are_pbkrtests(r, rows):
    case = csv_case(
        "cake",
        "angle ~ recipe*temperature + (1 | recipe:replicate)",
        factors=("temperature", "replicate"),
        rows=rows,
    )
    p = case.design.x.shape[1]
    names = case.design.x_names
    for wanted in (
        [n for n in names if ":" in n],
        [n for n in names if n.startswith("temperature") and ":" not in n],
        ["recipe[T.B]", "recipe[T.C]"],
    ):
        mine = np.array([np.eye(p)[names.index(n)] for n in wanted])
        reply = r.call("oracle_kenward_roger", request(case))
        _, _, at = point_of(case.design, reply)
        theirs = np.zeros_like(mine)
        theirs[:, at] = mine
        payload = request(case) | {"rows": theirs.ravel()}
        reply = r.call("oracle_kenward_roger", payload)
        compare(reply, case.design, mine)


def dense(made, theta, sigma):
    """Phi_A and df by the definition, with n x n matrices and G = I for sigma^2."""
    n = len(made.y)
    gs, v = [], sigma**2 * np.eye(n)
    at = 0
    for term in made.random:
        q = term.z.shape[1]
        lower = np.zeros((q, q))
        same = term.codes[:, None] == term.codes[None, :]
        for b in range(q):
            for a in range(b, q):
                lower[a, b] = theta[at]
                at += 1
                e = np.zeros((q, q))
                e[a, b] = e[b, a] = 1.0
                gs.append(same * (term.z @ e @ term.z.T))
        v += sigma**2 * same * (term.z @ lower @ lower.T @ term.z.T)
    gs.append(np.eye(n))
    return dense_kenward_roger(made.x, v, gs)


@pytest.mark.parametrize("name", list(STRUCTURES))
def test_blocks_give_what_the_definition_gives(name):
    """Any theta, no optimum needed: 1e-9 is what the inverse of V leaves."""
    made = STRUCTURES[name]
    likelihood = Likelihood(made, reml=True)
    rng = np.random.default_rng(3)
    for _ in range(3):
        theta = rng.normal(size=len(likelihood.layout))
        covariance, df = dense(made, theta, 0.8)
        result = kenward_roger(likelihood.at(theta), sigma=0.8)
        assert result.covariance == pytest.approx(covariance, rel=1e-9, abs=1e-11)
        tests = result.contrast_tests(np.eye(made.x.shape[1]))
        assert [test.df for test in tests] == pytest.approx(df, rel=1e-8)


def test_balanced_one_way_data_have_exact_df_and_no_adjustment():
    """The mean of k groups of equal size: k - 1 df, and its variance is estimated without bias."""
    rng = np.random.default_rng(2)
    k, per = 7, 4
    g = np.repeat(np.arange(k), per)
    y = 3 * rng.normal(size=k)[g] + rng.normal(size=len(g))
    made = design(y, np.ones((len(g), 1)), [(np.ones(len(g)), g)])
    result = kenward_roger(find_optimum(Likelihood(made, reml=True)).point)
    assert result.contrast_tests([[1.0]])[0].df == pytest.approx(k - 1, rel=1e-10)
    assert result.covariance == pytest.approx(result.unadjusted, rel=1e-10)


@pytest.mark.parametrize(
    ("a", "c", "d"), [(1e-8, 1, 0), (1e6, 1, 0), (1, 1e6, 0), (1, 1, 2000), (1, 1, 1e5)]
)
def test_nothing_depends_on_units_or_origins(a, c, d):
    """pbkrtest's df do: see test_pbkrtests_df_depend_on_the_units_of_a_predictor."""
    y, x, z, g = slope_data(4, groups=10, per=6)
    to = np.array([[1.0, d], [0.0, c]])
    base, moved = (
        kenward_roger(find_optimum(Likelihood(made, reml=True)).point)
        for made in (design(y, x, [(z, g)]), design(a * y, x @ to, [(z @ to, g)]))
    )
    slope = [[0.0, 1.0]]
    mine, theirs = base.contrast_tests(slope)[0], moved.contrast_tests(slope)[0]
    assert theirs.df == pytest.approx(mine.df, rel=1e-7)
    assert theirs.statistic == pytest.approx(mine.statistic, rel=1e-7)
    assert theirs.se == pytest.approx(mine.se * a / c, rel=1e-7)
    # Nor does the joint test, of the same two hypotheses in the new coordinates.
    joint, there = base.f_test(np.eye(2)), moved.f_test(to)
    assert there.df_den == pytest.approx(joint.df_den, rel=1e-6)
    assert there.statistic == pytest.approx(joint.statistic, rel=1e-6)


@pytest.mark.r
def test_pbkrtests_df_depend_on_the_units_of_a_predictor(r):
    """Where an eigenvalue of its information is below an absolute 1e-10 it takes ``MASS::ginv``,

    which drops eigenvalues below 1.5e-8 of the largest: with days counted in thousands that is
    nearly all that is known of the slope's variance.
    """
    case = csv_case("sleepstudy", "Reaction ~ Days + (Days | Subject)", rows=every_third)
    payload = request(case)
    days = case.table.alias["Days"]
    theirs, mine = [], []
    for unit in (1.0, 1000.0):
        payload["columns"][days] = case.table["Days"].values / unit
        reply = r.call("oracle_kenward_roger", payload)
        to = np.array([[1.0, 0.0], [0.0, 1.0 / unit]])
        given = case.design
        made = design(given.y, given.x @ to, [(given.random[0].z @ to, given.random[0].codes)])
        point, sigma, _ = point_of(made, reply)
        theirs.append(reply.numbers("df")[1])
        mine.append(kenward_roger(point, sigma=sigma).contrast_tests([[0.0, 1.0]])[0].df)
    assert theirs[0] == pytest.approx(mine[0], rel=1e-10)
    assert mine[1] == pytest.approx(mine[0], rel=1e-2)  # lme4 stops early in such units
    assert theirs[1] > 100 * theirs[0]


def test_an_f_test_does_not_depend_on_how_its_contrasts_are_written():
    result = kenward_roger(find_optimum(Likelihood(STRUCTURES["three effects"], reml=True)).point)
    base = result.f_test(np.eye(2))
    mixed = result.f_test([[1.0, 2.0], [1.0, -3.0], [2.0, -1.0]])
    assert mixed.df_num == 2
    assert mixed.df_den == pytest.approx(base.df_den, rel=1e-8)
    assert mixed.statistic == pytest.approx(base.statistic, rel=1e-8)


def test_one_contrast_gives_the_square_of_its_t_statistic():
    result = kenward_roger(find_optimum(Likelihood(STRUCTURES["slope"], reml=True)).point)
    t = result.contrast_tests([[0.0, 1.0]])[0]
    f = result.f_test([0.0, 1.0])
    assert f.statistic == pytest.approx(t.statistic**2, rel=1e-10)
    assert (f.df_num, f.scale) == (1, 1.0)
    assert f.df_den == pytest.approx(t.df, rel=1e-10)
    assert f.p == pytest.approx(t.p, rel=1e-8)


def test_ml_is_refused():
    point = Likelihood(STRUCTURES["intercept"], reml=False).at([0.5])
    with pytest.raises(KenwardRogerUndefined, match="REML"):
        kenward_roger(point)


def test_a_model_without_random_effects_is_refused():
    y, x, _, _ = slope_data(0)
    with pytest.raises(KenwardRogerUndefined, match="no random effects"):
        kenward_roger(Likelihood(design(y, x, []), reml=True).at([]))


def test_variances_that_cannot_be_told_apart_are_refused():
    y, x, z, g = slope_data(0)
    twice = design(y, x, [(z[:, 0], g), (z[:, 0], g)])
    with pytest.raises(KenwardRogerUndefined, match="told apart"):
        kenward_roger(Likelihood(twice, reml=True).at([0.5, 0.5]))


def test_the_boundary_is_allowed_and_said():
    point = Likelihood(STRUCTURES["slope"], reml=True).at([0.7, 0.2, 0.0])
    result = kenward_roger(point)
    assert result.singular
    assert all(np.isfinite(test.df) for test in result.contrast_tests(np.eye(2)))


def test_contrasts_of_the_wrong_shape_are_refused():
    result = kenward_roger(Likelihood(STRUCTURES["intercept"], reml=True).at([0.7]))
    for bad in ([[1.0]], [[0.0, 0.0]], [[np.nan, 1.0]]):
        with pytest.raises(ValueError, match="contrast"):
            result.contrast_tests(bad)
