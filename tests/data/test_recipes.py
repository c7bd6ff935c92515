"""Recipes: the same bytes everywhere, data that are what they say, models that can be fitted."""

import json

import numpy as np
import pytest
from msgspec.structs import replace

from harness.base.errors import BadInput
from harness.base.json import decode, encode
from harness.data.recipes.forms import FORMS, SHAPES
from harness.data.recipes.recipe_distribution import FEATURES, distribution
from harness.data.recipes.recipe_draw import Limits, collect
from harness.data.recipes.recipe_labels import NAMES
from harness.data.recipes.recipe_noise import heavy, normal
from harness.data.recipes.shapes import (
    Recipe,
    build,
    least_rows,
    read_recipes,
    write_recipes,
)
from harness.engines.referee_engine import RefereeEngine
from harness.model.model import bind
from harness.model.table import FactorColumn
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum

SMALL = Recipe(shape="slope", sizes=(3, 4, 5), ratios=(1.0, 0.1), seed=7)

FULL = Recipe(
    shape="several",
    criterion="ML",
    sizes=(6, 2, 1, 9, 4, 4),
    ratios=(10.0,),
    levels=3,
    x="mixed",
    near=0.01,
    tails="heavy",
    digits=2,
    y_offset=500,
    x_offset=100,
    y_power=3,
    x_power=-6,
    missing=4,
    unused=2,
    level_order="shuffled",
    labels="locale",
    names="unicode",
    order="shuffled",
    seed=123456789012,
)


def optimum(rung):
    reml = rung.case.model.criterion == "REML"
    return find_optimum(Likelihood(rung.case.design, reml=reml))


@pytest.fixture(scope="module")
def thousand():
    return collect(1000, seed=11)


@pytest.fixture(scope="module")
def built(thousand):
    """150 rungs by recipe."""
    return {recipe: build(recipe) for recipe in thousand[:150]}


# Written down from one run: that they never change is what makes a recipe a description of data.
@pytest.mark.parametrize(
    ("recipe", "id_", "checksum"),
    [
        (SMALL, "gen/slope/bdd030bb92/REML", "c3efd572bae5cf48f334a560eeb74f2b"),
        (FULL, "gen/several/030f84d741/ML", "6746cf97a5df28bcd0927a729a4c73b7"),
        (
            Recipe(shape="crossed", sizes=(4,) * 30, parts=5, order="interleaved"),
            "gen/crossed/349379a04b/REML",
            "7a8017a3bd800745e6802f39da73d558",
        ),
    ],
)
def test_a_recipe_gives_the_same_bytes_everywhere(recipe, id_, checksum):
    rung = build(recipe)
    assert (rung.case.id, rung.case.table.checksum()) == (id_, checksum)


def test_json_brings_a_recipe_back_exactly(thousand, tmp_path):
    path = tmp_path / "recipes.jsonl"
    write_recipes(thousand, path)
    assert read_recipes(path) == tuple(thousand)
    for recipe in (SMALL, FULL, *thousand[:50]):
        assert decode(encode(recipe), Recipe) == recipe


def test_a_recipe_read_back_builds_the_same_case(tmp_path):
    path = tmp_path / "recipes.jsonl"
    write_recipes([FULL], path)
    (again,) = read_recipes(path)
    first, second = build(FULL).case, build(again).case
    assert (first.id, first.model) == (second.id, second.model)
    assert first.table.checksum() == second.table.checksum()


def test_equal_recipes_have_one_id_however_their_numbers_were_written():
    assert replace(SMALL, ratios=[1, 0.1]).id == SMALL.id
    assert replace(SMALL, effect=1).id == SMALL.id


def test_ids_are_unique_and_the_criterion_shares_the_data(thousand):
    assert len({recipe.id for recipe in thousand}) == len(thousand)
    ml = replace(SMALL, criterion="ML")
    assert ml.id == SMALL.id.removesuffix("REML") + "ML"
    assert build(ml).case.table.checksum() == build(SMALL).case.table.checksum()


def test_defaults_are_not_written(tmp_path):
    write_recipes([SMALL], tmp_path / "r.jsonl")
    written = json.loads((tmp_path / "r.jsonl").read_text())
    assert set(written) == {"shape", "sizes", "ratios", "seed"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"shape":"slope"}', "missing required field `sizes`"),
        ('{"shape":"slope","sizes":[3,3],"ratios":[1,1],"colour":1}', "unknown field `colour`"),
        ('{"shape":"spiral","sizes":[3,3]}', "no shape 'spiral'"),
        ('{"shape":"slope","sizes":[3,3]}', "ratios must be 2 numbers"),
        ('{"shape":"slope","sizes":[3,3],"ratios":[1,1],"correlation":1.5}', "correlation is 1.5"),
        ('{"shape":"intercept","sizes":[3,0]}', "rows in at least two groups"),
        ('{"shape":"crossed","sizes":[3,3]}', "parts must be at least 2"),
        ('{"shape":"slope","sizes":[3,', "truncated"),
    ],
)
def test_a_bad_line_is_named_by_its_number(line, says, tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(encode(SMALL.stated()).decode() + "\n\n" + line + "\n")
    with pytest.raises(BadInput) as error:
        read_recipes(path)
    assert "line 3 is not a recipe" in str(error.value)
    assert says in str(error.value)


def test_a_missing_file_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match=r"none\.jsonl: cannot be read"):
        read_recipes(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (Recipe(shape="cluster", sizes=(9, 9)), "2 groups; its model needs 3"),
        (Recipe(shape="slope", sizes=(2, 2), ratios=(1, 1)), "4 rows; its model needs 6"),
    ],
)
def test_a_recipe_that_its_model_cannot_be_fitted_to_is_refused(recipe, says):
    with pytest.raises(BadInput, match=says):
        build(recipe)


def rows_of(recipe):
    frame = build(recipe).data.frame
    return {tuple(row) for row in frame.itertuples(index=False)}


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize("fewer", [(6, 0, 9, 8), (6, 7, 9), (6, 2, 9, 8), (3, 7, 5, 8)])
def test_taking_groups_or_rows_away_leaves_the_others_as_they_are(fewer, order):
    whole = Recipe(shape="slope", sizes=(6, 7, 9, 8), ratios=(1, 1), x="within", order=order)
    left = rows_of(replace(whole, sizes=fewer))
    assert len(left) == sum(fewer)
    assert left <= rows_of(whole)


def test_rows_with_missing_values_come_beside_the_others():
    whole = replace(FULL, missing=0, unused=0, level_order="sorted")
    table = build(replace(whole, missing=5)).case.table
    assert table.n_rows == sum(whole.sizes) + 5
    assert int((~table.complete).sum()) == 5
    complete = table.frame()[table.complete]
    assert {tuple(row) for row in complete.itertuples(index=False)} == rows_of(whole)


def test_a_level_may_occur_in_incomplete_rows_only():
    lost = 0
    for seed in range(20):
        recipe = Recipe(shape="intercept", sizes=(3, 3), missing=2, seed=seed)
        case = build(recipe).case
        column = case.table["g"]
        lost += len(column.levels) > len(case.design.random[0].levels)
    assert lost > 0


@pytest.mark.slow
def test_outcomes_and_predictors_are_short_decimals(thousand):
    for recipe in thousand[:200]:
        frame = build(recipe).data.frame
        names = NAMES[recipe.names]
        for role in ("y", "x"):
            if role not in recipe.form.roles:
                continue
            power = recipe.y_power if role == "y" else recipe.x_power
            values = frame[names[role]].dropna().to_numpy()
            steps = values * 10.0 ** (recipe.digits - power)
            # The nearest double to a decimal with that many places, so nothing is cut off.
            assert [float(f"{round(s)}e{power - recipe.digits}") for s in steps] == values.tolist()


@pytest.mark.slow
def test_the_table_is_the_one_that_the_data_frame_gives(thousand):
    """It is made of the drawn columns at once; a reader of the frame has to get the same."""
    for recipe in thousand:
        rung = build(recipe)
        again = bind(rung.case.model, rung.data.frame, levels=rung.data.levels)
        assert again.checksum() == rung.case.table.checksum(), recipe
        for one, other in zip(again.columns, rung.case.table.columns, strict=True):
            assert one.name == other.name
            assert getattr(one, "levels", ()) == getattr(other, "levels", ())


def test_units_and_offsets_only_move_the_scale():
    plain = build(SMALL).data.frame
    moved = build(replace(SMALL, y_offset=500, y_power=3, x_offset=2000)).data.frame
    np.testing.assert_allclose(moved["y"], (plain["y"] + 500) * 1e3, rtol=1e-15)
    np.testing.assert_allclose(moved["x"], plain["x"] + 2000, rtol=1e-15)


def test_levels_are_called_and_ordered_as_said():
    def levels(**changes):
        column = build(replace(SMALL, **changes)).case.table["g"]
        assert isinstance(column, FactorColumn)
        return column.levels

    assert levels() == ("g1", "g2", "g3")
    assert levels(labels="integers") == ("1", "2", "3")
    assert levels(labels="digits") == ("10", "2", "9")  # strings are sorted as strings
    assert levels(labels="digits", level_order="reversed") == ("2", "9", "10")
    assert levels(labels="locale") == ("B", "_c", "a")
    assert levels(unused=2) == ("g1", "g2", "g3", "g4", "g5")
    assert build(replace(SMALL, labels="integers")).data.frame["g"].dtype == np.int64


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("shape", FORMS)
def test_every_shape_can_have_every_kind_of_names(shape, names):
    form = FORMS[shape]
    recipe = Recipe(
        shape=shape,
        sizes=(5, 6, 7, 6, 5),
        ratios=(1.0,) * form.effects,
        parts=2 if "h" in form.roles else 0,
        names=names,
    )
    rung = build(recipe)
    assert rung.focus in rung.case.design.x_names
    assert len(rung.case.design.x_names) == recipe.fixed_columns
    assert set(rung.case.table.names) == {NAMES[names][role] for role in form.roles}


def test_the_formula_says_which_numbers_are_levels():
    recipe = Recipe(shape="interaction", sizes=(5, 6, 7), labels="integers", names="quotes")
    rung = build(recipe)
    assert "factor(`f[T.a]`)" in rung.case.model.formula.text
    # The data frame and the formula alone, as in a script, give the same table.
    again = bind(rung.case.model, rung.data.frame)
    assert again.checksum() == rung.case.table.checksum()
    assert rung.case.design.x_names[-1] == "it's x:f[T.a][T.2]"


def test_rows_come_in_the_order_said():
    def groups(order):
        return build(replace(SMALL, order=order)).data.frame["g"].tolist()

    assert groups("sorted") == ["g1"] * 3 + ["g2"] * 4 + ["g3"] * 5
    assert groups("interleaved")[:6] == ["g1", "g2", "g3"] * 2
    assert groups("shuffled") not in (groups("sorted"), groups("interleaved"))
    assert sorted(groups("shuffled")) == groups("sorted")


def test_noise_has_the_distribution_it_is_named_for():
    group, row = np.divmod(np.arange(200_000), 100)
    values = normal(5, 0, group, row)
    # Four standard errors at this size.
    assert abs(values.mean()) < 4 / np.sqrt(2e5)
    assert abs(values.var() - 1.0) < 4 * np.sqrt(2 / 2e5)
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 4 / np.sqrt(2e5)
    assert abs(np.corrcoef(values, normal(5, 1, group, row))[0, 1]) < 4 / np.sqrt(2e5)
    assert abs(np.corrcoef(values, normal(6, 0, group, row))[0, 1]) < 4 / np.sqrt(2e5)
    # P(|t2| > 4.303) = 0.05.
    assert abs((np.abs(heavy(5, 0, group, row)) > 4.3027).mean() - 0.05) < 4 * np.sqrt(0.0475 / 2e5)


def test_a_large_data_set_gives_back_the_parameters_of_its_recipe():
    recipe = Recipe(
        shape="slope", sizes=(8,) * 300, ratios=(4.0, 0.25), correlation=0.5, effect=-3.0, digits=6
    )
    fit = RefereeEngine().fit(build(recipe).case, "tight")
    psi = np.array(fit.random[0].covariance)
    # Standard errors: SD 8 % of a variance from 300 groups, and 0.05 for the correlation.
    assert psi[0, 0] == pytest.approx(4.0, rel=0.35)
    assert psi[1, 1] == pytest.approx(0.25, rel=0.35)
    assert psi[0, 1] / np.sqrt(psi[0, 0] * psi[1, 1]) == pytest.approx(0.5, abs=0.25)
    assert fit.residual_variance == pytest.approx(1.0, rel=0.15)
    assert fit.coefficient("x").estimate == pytest.approx(-3.0, abs=0.2)


def test_a_correlation_of_one_and_a_variance_of_zero_are_exact():
    def effects(**changes):
        """Differences to the same noise without random effects: intercept and slope by group."""
        recipe = Recipe(shape="slope", sizes=(3,) * 8, ratios=(1.0, 4.0), digits=6, **changes)
        without = replace(recipe, ratios=(0.0, 0.0))
        y = build(recipe).data.frame["y"] - build(without).data.frame["y"]
        first, second, _ = y.to_numpy().reshape(8, 3).T
        return first, second - first

    intercept, slope = effects(correlation=1.0)
    np.testing.assert_allclose(slope, 2.0 * intercept, atol=5e-6)
    intercept, slope = effects(correlation=-1.0)
    np.testing.assert_allclose(slope, -2.0 * intercept, atol=5e-6)
    assert np.ptp(intercept) > 1.0


def test_every_case_can_be_fitted(built):
    for recipe, rung in built.items():
        design, n = rung.case.design, sum(recipe.sizes)
        assert len(design.y) == n
        assert least_rows(recipe) <= n
        for term in design.random:  # what lme4 asks for
            assert 1 < len(term.levels) < n
            assert len(term.levels) * term.z.shape[1] < n
        assert np.ptp(design.y) > 0
        assert all(np.ptp(column) > 0 for column in design.x.T[1:])
        columns = design.x - design.x.mean(axis=0) * (np.arange(design.x.shape[1]) > 0)
        columns = columns / np.linalg.norm(columns, axis=0)
        assert np.linalg.matrix_rank(columns) == design.x.shape[1] == recipe.fixed_columns


@pytest.mark.slow
def test_a_third_of_the_data_give_singular_fits(built):
    """The referee evaluates all of them, at a certified optimum."""
    found = [optimum(rung) for rung in built.values()]
    assert all(np.isfinite(best.deviance) for best in found)
    assert not any(best.optimality.false_boundary for best in found)
    assert sum(best.optimality.singular for best in found) >= 0.3 * len(found)


@pytest.mark.slow
def test_the_outcome_is_never_fitted_exactly():
    """Coarse rounding would do that to one in ten of these; the likelihood has no maximum then."""
    for seed in range(100):
        recipe = Recipe(shape="mean", sizes=(2, 1), digits=0, seed=seed)
        assert np.isfinite(optimum(build(recipe)).deviance)


def test_every_shape_and_trait_occurs_in_a_thousand(thousand):
    counts = distribution(thousand)
    assert counts.recipes == 1000
    assert set(counts.shapes) == set(SHAPES)
    assert set(counts.features) == set(FEATURES)
    for part in (counts.shapes, counts.criteria, counts.groups, counts.rows, counts.features):
        assert min(part.values()) >= 5
    for part in (counts.shapes, counts.criteria, counts.groups, counts.rows):
        assert sum(part.values()) == 1000
    assert 30 <= counts.groups["100 or more"] <= 100


def test_a_list_of_recipes_depends_on_its_arguments_only(thousand):
    assert collect(1000, seed=11) == thousand
    assert collect(40, seed=11) == thousand[:40]
    assert collect(40, seed=12) != thousand[:40]
    # Also from one release to the next: written down from one run.
    assert [recipe.id for recipe in collect(3, seed=0)] == [
        "gen/nested/c50c1084db/ML",
        "gen/two-slopes/ba6368fd8e/ML",
        "gen/interaction/9ce692e5a0/ML",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "bounds",
    [
        {"max_rows": 12, "shapes": ["intercept", "mean", "slope"]},
        {"max_rows": 40},
        {"max_groups": 3, "shapes": ["intercept", "cluster", "nested", "crossed"]},
        {"max_groups": 20, "max_rows": 100, "criteria": ["ML"]},
    ],
)
def test_limits_are_kept(bounds):
    for recipe in collect(200, seed=1, **bounds):
        assert sum(recipe.sizes) + recipe.missing <= bounds.get("max_rows", 2000)
        assert len(recipe.sizes) <= bounds.get("max_groups", 300)
        assert recipe.shape in bounds.get("shapes", SHAPES)
        assert recipe.criterion in bounds.get("criteria", ("REML", "ML"))
        build(recipe)


def test_what_is_switched_off_does_not_occur():
    off = {"missing": False, "offsets": False, "odd_names": False, "heavy_tails": False}
    features = distribution(collect(300, seed=1, **off)).features
    assert {name for name, count in features.items() if count == 0} == {
        "offset of the outcome",
        "offset of the predictor",
        "units of the outcome",
        "units of the predictor",
        "heavy tails",
        "missing values",
        "unused levels",
        "unordered levels",
        "numeric labels",
        "labels of digits",
        "labels that locales sort",
        "labels with spaces, colons, quotes",
        "names with spaces",
        "names with dots",
        "names beyond ASCII",
        "names of functions",
        "reserved words as names",
        "names with quotes and operators",
    }


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        ({"shapes": []}, "shapes is empty"),
        ({"shapes": "slope"}, "shapes must be a sequence"),
        ({"shapes": ["spiral"]}, "shapes has 'spiral'; there are intercept, "),
        ({"criteria": ["OLS"]}, "criteria is"),
        ({"criteria": []}, "criteria is"),
        ({"max_rows": 1}, "max_rows is 1"),
        ({"max_rows": 5, "shapes": ["slope"]}, "max_rows is 5; that is too few for 'slope'"),
        ({"max_groups": 2, "shapes": ["cluster"]}, "max_groups is 2; the shape 'cluster' needs 3"),
        ({"max_groups": 2.5}, "max_groups is 2.5"),
        ({"missing": "no"}, "missing is 'no'"),
    ],
)
def test_a_wrong_limit_is_named_at_once(bounds, says):
    with pytest.raises(BadInput) as error:
        Limits(**bounds)
    assert str(error.value).startswith(says)


def test_more_recipes_than_there_are_is_an_error():
    with pytest.raises(BadInput, match="n is 0"):
        collect(0)
