"""Certified values are made again as they are stored; what cannot be proved is refused."""

import sys
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from click.testing import CliRunner

from harness.base.errors import EXIT_UNEXPLAINED, BadInput, EnvironmentProblem
from harness.base.resources import fixture
from harness.commands.certify import certify as command
from harness.data.certified_values import file_name, load_certified, parse_certified
from harness.data.ladder import every_rung
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum
from tests.referee.designs import dense, design, slope_data, structures

pytest.importorskip("flint", reason="needs the extra [certify]")
pytest.importorskip("mpmath", reason="needs the extra [certify]")

from harness.certify import ball_route, henderson_route
from harness.certify.ball_likelihood import NotCertified
from harness.certify.certification import certify, digits_agreed, on_face

CASES = {rung.case.id: rung.case for rung in every_rung()}
STRUCTURES = structures()
DERIVED = {"tutorial/aggregation", "tutorial/hierarchical"}
"""Their data are made by numpy and pandas, in the last digit as the processor's kernels have it."""
QUICK = [
    "tutorial/lm-global",
    "tutorial/ancova-full",
    "tutorial/lmm-inter/REML",
    "tutorial/lmm-full/REML",
    "tutorial/lmm-full/ML",
    "sleepstudy/slope/REML",
    "sleepstudy/uncorrelated/ML",
    "dyestuff2/REML",
    "pastes/REML",
    "penicillin/ML",
    "residual/tutorial-cs/REML",
    "residual/sleepstudy-ar1/ML",
    "residual/orthodont-us/REML",
    "formula/oats-ordered/REML",
]


def run(*arguments):
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_stored_values_are_made_again(name):
    result = run(name, "--check")
    assert result.exit_code == 0, result.output


@pytest.mark.study
def test_all_stored_values_are_made_again():
    names = [name for name in CASES if name not in DERIVED and load_certified(name)]
    result = run(*names, "--check")
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) == len(names)


@pytest.mark.slow
@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("name", list(STRUCTURES))
def test_routes_agree_on_every_structure(name, reml):
    made = STRUCTURES[name]
    point = find_optimum(Likelihood(made, reml=reml)).point
    theta = on_face(point)
    first = ball_route.solve_mixed(made, reml=reml, theta=theta)
    second = henderson_route.solve_mixed(made, reml=reml, theta=theta)
    assert digits_agreed(first.values, second) >= 50
    assert first.error < Decimal("1e-90")
    value, beta, covariance = dense(made, theta, reml=reml)
    assert float(first.values["loglik"]) == pytest.approx(-value / 2, rel=1e-11)
    for j, estimate in enumerate(beta):
        assert float(first.values[f"fixed.{j}.estimate"]) == pytest.approx(estimate, rel=1e-8)
        se = float(first.values[f"fixed.{j}.se"])
        assert se == pytest.approx(np.sqrt(covariance[j, j]), rel=1e-7)


def test_the_dual_does_not_depend_on_units_or_coding_of_the_effects():
    made = CASES["tutorial/lmm-full/REML"].design
    duals = []
    for change in (np.eye(2), np.array([[1.0, -64.0], [0.0, 0.25]])):
        term = made.random[0]
        moved = replace(made, random=(replace(term, z=term.z @ change),))
        theta = on_face(find_optimum(Likelihood(moved, reml=True)).point)
        solved = ball_route.solve_mixed(moved, reml=True, theta=theta)
        duals.append(solved.certificate.dual)
    assert abs(duals[0] - duals[1]) < Decimal("1e-50")


def test_a_false_boundary_is_refused():
    """Dyestuff's variance is not zero: its dual is negative there."""
    made = CASES["dyestuff/REML"].design
    with pytest.raises(NotCertified, match=r"dual eigenvalue is \[?-"):
        ball_route.solve_mixed(made, reml=True, theta=np.zeros(1))


def test_a_rank_too_large_is_refused():
    """Newton's method runs into the boundary, where no box around a pivot excludes zero."""
    made = CASES["tutorial/lmm-full/REML"].design
    theta = find_optimum(Likelihood(made, reml=True)).point.theta.copy()
    theta[2] = 1e-4
    with pytest.raises(NotCertified):
        ball_route.solve_mixed(made, reml=True, theta=theta)


def test_a_start_that_is_not_near_an_optimum_is_refused():
    made = CASES["sleepstudy/slope/REML"].design
    with pytest.raises(NotCertified):
        ball_route.solve_mixed(made, reml=True, theta=np.array([40.0, 30.0, 1e-3]))


@pytest.mark.slow
def test_a_start_that_is_merely_rough_gives_the_same_values():
    case = CASES["sleepstudy/slope/REML"]
    best = find_optimum(Likelihood(case.design, reml=True)).point.theta
    for solve in (ball_route.solve_mixed, henderson_route.solve_mixed):
        exact, rough = (solve(case.design, reml=True, theta=start) for start in (best, best * 1.02))
        exact, rough = (getattr(s, "values", s) for s in (exact, rough))
        exact, rough = (s() if callable(s) else s for s in (exact, rough))
        assert list(map(str, exact)) == list(map(str, rough))


def test_an_exactly_zero_effect_is_zero():
    """Groups mirrored about zero: the slope is 0, and no relative error can bound it."""
    y, x, z, codes = slope_data(3, q=1, unbalanced=False)
    x = np.column_stack([np.ones(len(y)), np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], 6)])
    y = np.repeat(np.arange(6.0) ** 2, 5) + np.tile([0.5, -0.25, 0.75, -0.25, 0.5], 6)
    made = design(y, x, [(z, codes)])
    theta = find_optimum(Likelihood(made, reml=True)).point.theta
    first = ball_route.solve_mixed(made, reml=True, theta=theta)
    second = henderson_route.solve_mixed(made, reml=True, theta=theta)
    assert first.values["fixed.1.estimate"] == 0
    assert float(first.values["fixed.1.p"]) == 1.0
    assert digits_agreed(first.values, second) >= 50


def test_aliased_fixed_effects_are_refused():
    case = CASES["tutorial/lm-global"]
    made = case.design
    twice = replace(made, x=made.x[:, [0, 1, 1]], x_names=(*made.x_names, "again"))
    with pytest.raises(NotCertified, match="dependent"):
        ball_route.solve_ols(twice)


def test_a_model_of_ones_own_is_certified(tmp_path):
    data = fixture("data", "sleepstudy.csv")
    arguments = ["--data", str(data), "--formula", "Reaction ~ Days + (Days | Subject)"]
    result = run(*arguments, "--factor", "Subject", "--out", str(tmp_path))
    assert result.exit_code == 0
    made = parse_certified((tmp_path / file_name("sleepstudy/REML")).read_text(encoding="utf-8"))
    stored = load_certified("sleepstudy/slope/REML")
    assert (made.loglik, made.df, made.random) == (stored.loglik, stored.df, stored.random)


@pytest.mark.slow
def test_a_changed_file_is_noticed(tmp_path):
    name = "dyestuff2/ML"
    assert run(name, "--out", str(tmp_path)).exit_code == 0
    assert run(name, "--check", "--out", str(tmp_path)).exit_code == 0
    path = tmp_path / file_name(name)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('p = "', 'p = "1'), encoding="utf-8")
    changed = run(name, "--check", "--out", str(tmp_path))
    assert changed.exit_code == EXIT_UNEXPLAINED
    assert "stored 'p = " in changed.output


def test_values_of_other_data_are_told_from_wrong_values(tmp_path):
    assert run("dyestuff2/ML", "--out", str(tmp_path)).exit_code == 0
    path = tmp_path / file_name("dyestuff2/ML")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('design_sha256 = "', 'design_sha256 = "0'), encoding="utf-8")
    changed = run("dyestuff2/ML", "--check", "--out", str(tmp_path))
    assert changed.exit_code == EXIT_UNEXPLAINED
    assert "belong to other data" in changed.output


def test_what_the_command_refuses(tmp_path):
    assert "not both" in run("dyestuff", "--data", "x.csv").output
    assert "go together" in run("--data", "x.csv").output
    assert "needs --data" in run("--ml").output
    assert "needs --out" in run("--check", "--data", "x.csv", "--formula", "y ~ 1").output
    with pytest.raises(BadInput, match="no rung"):
        run("nonsense")
    empty = run("dyestuff2/ML", "--check", "--out", str(tmp_path))
    assert empty.exit_code == EXIT_UNEXPLAINED
    assert "no file is stored" in empty.output


def test_without_the_extra_the_command_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(EnvironmentProblem, match=r"lmm-parity\[certify\]"):
        run("dyestuff2/ML")


def test_a_case_certifies_through_one_call():
    certification = certify(CASES["dyestuff2/REML"])
    assert certification.certificate.ranks == (0,)
    assert certification.values["fixed.0.df"] == 29
