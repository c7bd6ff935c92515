"""F tests: lmerTest's at the same point, its type III hypotheses, and theory."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.referee.deviance import Likelihood
from harness.referee.f_tests import (
    Factor,
    contrast_rows,
    f_p,
    fixed_terms,
    pooled_df,
    satterthwaite_f,
    type3_hypotheses,
)
from harness.referee.kenward_roger import kenward_roger
from harness.referee.optimum import find_optimum
from harness.referee.satterthwaite import contrast_tests
from tests.referee.designs import design, slope_data, structures
from tests.referee.test_kenward_roger import csv_case, every_third, point_of, request

CAKE = "angle ~ recipe*temperature + (1 | recipe:replicate)"
CAKE_FACTORS = ("temperature", "replicate")

CASES = [
    ("sleepstudy", "Reaction ~ Days + (Days | Subject)", (), None),
    ("sleepstudy", "Reaction ~ Days + I(Days^2) + (Days | Subject)", (), every_third),
    ("cake", CAKE, CAKE_FACTORS, None),
    ("cake", CAKE, CAKE_FACTORS, every_third),
    ("cake", "angle ~ recipe*temp + (1 | recipe:replicate)", ("replicate",), every_third),
    ("cake", "angle ~ recipe + temperature + (1 | replicate)", CAKE_FACTORS, every_third),
    ("cake", "angle ~ temperature + (1 | recipe:replicate)", CAKE_FACTORS, every_third),
    ("cake", "angle ~ recipe + recipe:temperature + (1 | replicate)", CAKE_FACTORS, every_third),
    ("cake", "angle ~ recipe + recipe:temp + (1 | replicate)", ("replicate",), every_third),
    ("cake", "angle ~ 0 + recipe + temperature + (1 | replicate)", CAKE_FACTORS, every_third),
    ("RatPupWeight", "weight ~ Treatment*sex + Lsize + (1 | Litter)", (), None),
    ("RatPupWeight", "weight ~ Treatment*sex*Lsize + (1 | Litter)", (), None),
    ("ergoStool", "effort ~ Type + (1 | Subject)", (), None),
]


def f_tests(hypotheses, method, point, sigma, beta):
    if method == "Satterthwaite":
        return [satterthwaite_f(point, rows, sigma=sigma, beta=beta) for rows in hypotheses]
    adjusted = kenward_roger(point, sigma=sigma)
    return [adjusted.f_test(rows, beta=beta) for rows in hypotheses]


@pytest.mark.r
@pytest.mark.parametrize("method", ["Satterthwaite", "Kenward-Roger"])
@pytest.mark.parametrize(("name", "formula", "factors", "rows"), CASES)
def test_type_three_tests_are_lmertests(r, name, formula, factors, rows, method):
    """At lmerTest's own hypotheses to 1e-6.

    At the referee's to 1e-5: lmerTest rounds its coefficients to seven decimals (``zapsmall``), so
    that a third is 0.3333333 and F with three levels off by up to 2e-6.
    """
    case = csv_case(name, formula, factors=factors, rows=rows)
    reply = r.call("oracle_f_tests", request(case) | {"ddf": method})
    point, sigma, at = point_of(case.design, reply)
    beta = reply.numbers("beta")[at]
    own = list(type3_hypotheses(fixed_terms(case.model, case.table), case.design.x).values())
    count = reply.numbers("df_num").astype(int)
    rounded = reply.numbers("hypotheses").reshape(-1, len(at))[:, at]
    given = np.split(rounded, np.cumsum(count)[:-1])
    for hypotheses, rel in ((own, 1e-5), (given, 1e-6)):
        mine = f_tests(hypotheses, method, point, sigma, beta)
        assert [t.df_num for t in mine] == count.tolist()
        assert [t.df_den for t in mine] == pytest.approx(reply.numbers("df_den"), rel=rel)
        assert [t.statistic for t in mine] == pytest.approx(reply.numbers("f"), rel=rel)
        # A tail probability multiplies the relative errors of F and df by up to about log(1 / p).
        log_p = np.log10([t.p for t in mine])
        assert log_p == pytest.approx(np.log10(reply.numbers("p")), rel=rel, abs=rel)


@pytest.mark.r
@pytest.mark.parametrize(("name", "formula", "factors", "rows"), CASES)
def test_type_three_hypotheses_are_lmertests(r, name, formula, factors, rows):
    """Row by row: the df of an F test depend on how its rows are scaled."""
    case = csv_case(name, formula, factors=factors, rows=rows)
    reply = r.call("oracle_f_tests", request(case))
    _, _, at = point_of(case.design, reply)
    theirs = reply.numbers("hypotheses").reshape(-1, len(at))[:, at]
    mine = np.vstack(
        list(type3_hypotheses(fixed_terms(case.model, case.table), case.design.x).values())
    )
    # R's own columns may run in another order within a term, and with them the rows.
    assert mine.shape == theirs.shape
    for row in theirs:
        assert np.abs(mine - row).max(axis=1).min() < 1e-6 * np.abs(row).max()


@pytest.mark.r
@pytest.mark.parametrize(
    ("name", "formula", "rows"),
    [
        ("sleepstudy", "Reaction ~ Days + (Days | Subject)", None),
        ("sleepstudy", "Reaction ~ Days + (Days | Subject)", every_third),
        ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", None),
        ("Oxboys", "height ~ age + I(age^2) + (age + I(age^2) | Subject)", None),
        # Singular: the tutorial's random slopes.
        ("score_parentedu_byclass", "score ~ edu + (edu | classroom)", None),
    ],
)
def test_joint_tests_of_all_effects_are_lmertests(r, name, formula, rows):
    case = csv_case(name, formula, rows=rows)
    p = case.design.x.shape[1]
    reply = r.call("oracle_f_tests", request(case) | {"rows": np.eye(p).ravel()})
    if name.startswith("score"):
        assert reply.numbers("singular")[0] == 1.0
    point, sigma, at = point_of(case.design, reply)
    assert at == list(range(p))
    test = satterthwaite_f(point, np.eye(p), sigma=sigma, beta=reply.numbers("beta"))
    found = [test.df_num, test.df_den, test.statistic]
    assert found == pytest.approx(reply.numbers("joint")[:3], rel=1e-6)
    assert test.p == pytest.approx(reply.numbers("joint")[3], rel=1e-4)


@pytest.mark.r
def test_other_codings_have_the_same_hypotheses(r):
    """lmerTest maps them from treatment coding; here X comes from it in sum coding.

    1e-6: it rounds coefficients to seven decimals twice.
    """
    case = csv_case("cake", CAKE, factors=CAKE_FACTORS, rows=every_third)
    alias = case.table.alias
    codings = {alias["recipe"]: "contr.sum", alias["temperature"]: "contr.sum"}
    reply = r.call("oracle_f_tests", request(case) | {"contrasts": codings})
    p = case.design.x.shape[1]
    x = reply.numbers("x").reshape(-1, p, order="F")
    theirs = reply.numbers("hypotheses").reshape(-1, p)
    mine = np.vstack(list(type3_hypotheses(fixed_terms(case.model, case.table), x).values()))
    assert np.sort(mine, axis=0) == pytest.approx(np.sort(theirs, axis=0), abs=1e-6)


def test_hypotheses_do_not_depend_on_the_number_of_rows_in_a_cell():
    whole = csv_case("cake", CAKE, factors=CAKE_FACTORS)
    part = csv_case("cake", CAKE, factors=CAKE_FACTORS, rows=every_third)
    first, second = (
        type3_hypotheses(fixed_terms(c.model, c.table), c.design.x) for c in (whole, part)
    )
    assert list(first) == ["recipe", "temperature", "recipe:temperature"]
    for term in first:
        assert second[term] == pytest.approx(first[term], abs=1e-10)


def test_hypotheses_do_not_depend_on_the_origin_of_a_predictor():
    """Far from zero its columns are nearly collinear with the factor's."""
    case = csv_case("cake", "angle ~ recipe*temp + (1 | replicate)", factors=("replicate",))
    terms = fixed_terms(case.model, case.table)
    wanted = type3_hypotheses(terms, case.design.x)
    values = terms.factors["temp"].values
    for far in (values + 1e5, 1e-6 * values):
        moved = replace(terms, factors=terms.factors | {"temp": Factor("temp", far, False)})
        x = case.design.x.copy()
        for j, name in enumerate(case.design.x_names):
            if "temp" in name:
                x[:, j] *= (far / values)[:, 0]
        for term, rows in type3_hypotheses(moved, x).items():
            assert rows == pytest.approx(wanted[term], abs=1e-6)


def test_hypotheses_of_an_empty_cell_stay_estimable():
    frame = pd.DataFrame(
        {
            "y": np.arange(10.0) ** 2,
            "g": list("pqpqpqpqpq"),
            "a": list("uuuuvvvvuu"),
            "b": list("ssttssssrr"),  # cells (v, t) and (v, r) are empty
        }
    )
    model = parse_model("y ~ a + b + (1 | g)")
    case = Case("", model, bind(model, frame))
    found = type3_hypotheses(fixed_terms(case.model, case.table), case.design.x)
    assert [len(rows) for rows in found.values()] == [1, 2]


def test_without_terms_there_are_no_hypotheses():
    case = csv_case("Dyestuff", "Yield ~ 1 + (1 | Batch)")
    assert type3_hypotheses(fixed_terms(case.model, case.table), case.design.x) == {}


def test_terms_that_do_not_belong_to_x_are_refused():
    case = csv_case("cake", CAKE, factors=CAKE_FACTORS)
    with pytest.raises(ValueError, match="span"):
        type3_hypotheses(fixed_terms(case.model, case.table), case.design.x[:, :-1])


def test_balanced_one_way_data_have_the_f_test_of_the_analysis_of_variance():
    """k treatments in each of b blocks: (k - 1) and (k - 1)(b - 1) df, F of the two-way table."""
    rng = np.random.default_rng(1)
    b, k = 8, 4
    block, treatment = np.repeat(np.arange(b), k), np.tile(np.arange(k), b)
    y = 2 * rng.normal(size=b)[block] + 0.5 * treatment + rng.normal(size=b * k)
    x = np.column_stack([np.ones(b * k), *(treatment == j for j in range(1, k))]).astype(float)
    point = find_optimum(Likelihood(design(y, x, [(np.ones(b * k), block)]), reml=True)).point
    table = y.reshape(b, k)
    within = table - table.mean(1)[:, None] - table.mean(0) + table.mean()
    f = b * table.mean(0).var(ddof=1) / ((within**2).sum() / ((k - 1) * (b - 1)))
    rows = np.eye(k)[1:]
    for test in (satterthwaite_f(point, rows), kenward_roger(point).f_test(rows)):
        assert test.statistic == pytest.approx(f, rel=1e-7)
        assert (test.df_num, test.df_den) == (k - 1, pytest.approx((k - 1) * (b - 1), rel=1e-7))
        assert test.p == pytest.approx(stats.f.sf(f, k - 1, (k - 1) * (b - 1)), rel=1e-6)


def test_one_row_is_a_t_test():
    point = find_optimum(Likelihood(structures()["slope"], reml=True)).point
    t = contrast_tests(point, [[0.0, 1.0]])[0]
    f = satterthwaite_f(point, [0.0, 1.0])
    assert (f.df_num, f.statistic) == (1, pytest.approx(t.statistic**2, rel=1e-12))
    assert f.df_den == pytest.approx(t.df, rel=1e-12)
    assert f.p == pytest.approx(t.p, rel=1e-10)


def test_dependent_rows_do_not_count():
    point = find_optimum(Likelihood(structures()["slope"], reml=True)).point
    one = satterthwaite_f(point, [[0.0, 1.0]])
    three = satterthwaite_f(point, [[0.0, 1.0], [0.0, -2.0], [0.0, 0.5]])
    assert three.df_num == 1
    assert three.df_den == pytest.approx(one.df_den, rel=1e-10)
    assert three.statistic == pytest.approx(one.statistic, rel=1e-10)


@pytest.mark.parametrize("a", [1e-8, 1e6])
def test_f_tests_do_not_depend_on_the_units_of_the_outcome(a):
    y, x, z, g = slope_data(4, groups=10, per=6)
    base, moved = (
        satterthwaite_f(
            find_optimum(Likelihood(design(v, x, [(z, g)]), reml=True)).point, np.eye(2)
        )
        for v in (y, a * y)
    )
    assert moved.df_den == pytest.approx(base.df_den, rel=1e-7)
    assert moved.statistic == pytest.approx(base.statistic, rel=1e-7)


def test_pooled_df():
    assert pooled_df([3.5]) == 3.5
    assert pooled_df([7.0, 7.0 + 1e-10]) == pytest.approx(7.0, rel=1e-10)
    assert pooled_df([1.9, 30.0]) == 2.0
    assert pooled_df([2.0, 30.0]) == 2.0
    e = 5 / 3 + 8 / 6
    assert pooled_df([5.0, 8.0]) == pytest.approx(2 * e / (e - 2), rel=1e-14)
    assert pooled_df([1e12, 3e12]) == pytest.approx(1.5e12, rel=1e-9)  # E - q cancels fully there
    assert math.isinf(pooled_df([math.inf, math.inf]))
    assert pooled_df([4.0, math.inf]) == pytest.approx(2 * 3.0 / 1.0, rel=1e-14)


def test_infinite_df_mean_a_chi_squared_distribution():
    assert f_p(3.0, 2, math.inf) == pytest.approx(math.exp(-3.0), rel=1e-12)
    assert f_p(3.0, 2, 1e9) == pytest.approx(math.exp(-3.0), rel=1e-6)


def test_contrasts_are_checked():
    assert contrast_rows([1.0, 2.0], 2).shape == (1, 2)
    for bad in ([1.0], [[0.0, 0.0]], [[math.nan, 1.0]], np.zeros((0, 2)), np.zeros((1, 1, 2))):
        with pytest.raises(ValueError, match="contrast"):
            contrast_rows(bad, 2)
