"""A statsmodels result is described as the model it is, in code that runs on the user's data."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLMParams, VCSpec

import harness
from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from harness.diagnose.given import of_statsmodels
from harness.diagnose.shown_code import python_value

pytestmark = pytest.mark.filterwarnings("ignore")

SLEEP = load_dataset("sleepstudy").frame
PASTES = load_dataset("Pastes").frame
PENICILLIN = load_dataset("Penicillin").frame
ODD = SLEEP.rename(columns={"Reaction": "reaction.time ms", "Days": "days awake (d)"})

Y = SLEEP["Reaction"].to_numpy()
DAYS = SLEEP["Days"].to_numpy(dtype=float)
X = sm.add_constant(DAYS)
WHO = SLEEP["Subject"].to_numpy()
ONES = np.ones((len(PASTES), 1))


def casks():
    """The indicators of the casks of each batch, as VCSpec has them."""
    parts = [pd.get_dummies(part["cask"]).astype(float) for _, part in PASTES.groupby("batch")]
    names = [list(map(str, part.columns)) for part in parts]
    return VCSpec(["cask"], [names], [[part.to_numpy() for part in parts]])


def samples():
    parts = {name: pd.get_dummies(PENICILLIN[name]).astype(float) for name in ("plate", "sample")}
    return VCSpec(
        list(parts),
        [[list(map(str, part.columns))] for part in parts.values()],
        [[part.to_numpy()] for part in parts.values()],
    )


def reads_the_same(result, data=None):
    """The case of a result, whose printed code gives the result's log-likelihood again."""
    given = of_statsmodels(result, data)
    shown_for_its_own_table = "its .data" in " ".join(given.notes)
    table = given.rung.data.frame
    if not shown_for_its_own_table:
        table = data if data is not None else result.model.data.frame
    again = python_value(given.spelling()["statsmodels"], table)
    # The same optimizer from the same start; columns and groups may be in another order.
    assert again.llf == pytest.approx(result.llf, abs=1e-6)
    return given


def formula_of(given):
    return given.rung.case.model.formula.text


FROM_ARRAYS = {
    "numpy": (lambda: sm.MixedLM(Y, X, WHO, exog_re=X), "y ~ 1 + x1 + (1 + x1 | group)"),
    "an intercept by default": (lambda: sm.MixedLM(Y, X, WHO), "y ~ 1 + x1 + (1 | group)"),
    "no random intercept": (
        lambda: sm.MixedLM(Y, X, WHO, exog_re=DAYS),
        "y ~ 1 + x1 + (0 + x1 | group)",
    ),
    "no fixed intercept": (
        lambda: sm.MixedLM(Y, np.column_stack([DAYS, DAYS**2]), WHO),
        "y ~ 0 + x1 + x2 + (1 | group)",
    ),
    "text for groups": (
        lambda: sm.MixedLM(Y, X, np.array([f"s {g}" for g in WHO])),
        "y ~ 1 + x1 + (1 | group)",
    ),
    "a named categorical": (
        lambda: sm.MixedLM(
            SLEEP["Reaction"],
            sm.add_constant(SLEEP[["Days"]]),
            pd.Series(pd.Categorical(WHO.astype(str)), name="who"),
        ),
        "Reaction ~ 1 + Days + (1 | who)",
    ),
    "names that are no identifiers": (
        lambda: sm.MixedLM(
            ODD["reaction.time ms"],
            sm.add_constant(ODD[["days awake (d)"]]),
            ODD["Subject"],
            exog_re=sm.add_constant(ODD[["days awake (d)"]]),
        ),
        "`reaction.time ms` ~ 1 + `days awake (d)` + (1 + `days awake (d)` | Subject)",
    ),
    "names that look like formulas": (
        lambda: sm.MixedLM(
            SLEEP["Reaction"],
            pd.DataFrame({"const": 1.0, "C(a)[T.b]": DAYS > 4, "x:z": DAYS}).astype(float),
            SLEEP["Subject"],
        ),
        "Reaction ~ 1 + `C(a)[T.b]` + `x:z` + (1 | Subject)",
    ),
    "a predictor called as the outcome": (
        lambda: sm.MixedLM(pd.Series(Y, name="y"), pd.DataFrame({"const": 1.0, "y": DAYS}), WHO),
        "y ~ 1 + y_ + (1 | group)",
    ),
    "nested components": (
        lambda: sm.MixedLM(
            PASTES["strength"].to_numpy(),
            ONES,
            PASTES["batch"].to_numpy(),
            exog_re=ONES,
            exog_vc=casks(),
        ),
        "y ~ 1 + (1 | group) + (1 | group:cask)",
    ),
    "nested components by dict": (
        lambda: sm.MixedLM(
            PASTES["strength"].to_numpy(),
            ONES,
            PASTES["batch"].to_numpy(),
            exog_re=ONES,
            exog_vc={
                "cask": {
                    batch: pd.get_dummies(part["cask"]).to_numpy(dtype=float)
                    for batch, part in PASTES.groupby("batch")
                }
            },
        ),
        "y ~ 1 + (1 | group) + (1 | group:cask)",
    ),
    "crossed components": (
        lambda: sm.MixedLM(
            PENICILLIN["diameter"],
            pd.DataFrame({"const": np.ones(len(PENICILLIN))}),
            np.zeros(len(PENICILLIN)),
            exog_vc=samples(),
        ),
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", FROM_ARRAYS)
def test_a_result_from_arrays_is_a_formula_over_a_table_of_its_own(kind):
    model, formula = FROM_ARRAYS[kind]
    given = reads_the_same(model().fit())
    assert formula_of(given) == formula
    (note,) = given.notes
    assert note.startswith("The result was made from arrays, whose columns stand for the data")


IN_THE_DATA = {
    "numpy": (SLEEP, "Reaction ~ 1 + Days + (1 + Days | Subject)"),
    "no random intercept": (SLEEP, "Reaction ~ 1 + Days + (0 + Days | Subject)"),
    "text for groups": (SLEEP, "Reaction ~ 1 + Days + (1 | Subject)"),
    "names that are no identifiers": (ODD, FROM_ARRAYS["names that are no identifiers"][1]),
    "nested components": (PASTES, "strength ~ 1 + (1 | batch) + (1 | batch:cask)"),
    "nested components by dict": (PASTES, "strength ~ 1 + (1 | batch) + (1 | batch:cask)"),
    "crossed components": (PENICILLIN, "diameter ~ 1 + (1 | plate) + (1 | sample)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["own", "repeated"])
@pytest.mark.parametrize("kind", IN_THE_DATA)
def test_with_the_data_it_is_a_formula_over_the_users_columns(kind, labels):
    data, formula = IN_THE_DATA[kind]
    if labels == "repeated":
        data = data.set_axis([0] * len(data))
    given = reads_the_same(FROM_ARRAYS[kind][0]().fit(), data)
    assert formula_of(given) == formula
    assert given.notes == ()


def by_formula(formula, data, groups, *, fit=None, **arguments):
    return smf.mixedlm(formula, data, groups=groups, **arguments).fit(**(fit or {}))


CASKS = {"re_formula": "1", "vc_formula": {"cask": "0 + C(cask)"}}


@pytest.mark.slow
def test_components_are_nested_in_the_groups():
    nested = by_formula("strength ~ 1", PASTES, "batch", **CASKS)
    assert formula_of(reads_the_same(nested)) == "strength ~ 1 + (1 | batch) + (1 | batch:cask)"
    alone = by_formula("strength ~ 1", PASTES, "batch", vc_formula=CASKS["vc_formula"])
    assert formula_of(reads_the_same(alone)) == "strength ~ 1 + (1 | batch:cask)"
    for groups in (PASTES["batch"], pd.factorize(PASTES["batch"])[0]):
        given = reads_the_same(by_formula("strength ~ 1", PASTES, groups, **CASKS))
        assert formula_of(given) == "strength ~ 1 + (1 | batch) + (1 | batch:cask)"


@pytest.mark.slow
def test_a_slope_that_is_a_component_and_names_that_python_keeps_for_itself():
    days = by_formula(
        "Reaction ~ Days", SLEEP, "Subject", re_formula="1", vc_formula={"Days": "0 + Days"}
    )
    given = reads_the_same(days)
    assert formula_of(given) == "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)"
    renamed = PASTES.rename(columns={"cask": "class", "batch": "my batch"})
    result = by_formula(
        "strength ~ 1",
        renamed,
        "my batch",
        re_formula="1",
        vc_formula={"k": "0 + C(Q('class'))"},
    )
    given = reads_the_same(result)
    assert formula_of(given) == "strength ~ 1 + (1 | `my batch`) + (1 | `my batch`:class)"


def test_groups_pasted_from_columns_are_their_interaction():
    few = PASTES[["strength", "batch", "cask"]]
    pasted = few["batch"].astype(str) + few["cask"].astype(str)
    given = reads_the_same(by_formula("strength ~ 1", few, pasted))
    assert formula_of(given) == "strength ~ 1 + (1 | batch:cask)"


def test_columns_that_divide_the_rows_alike_are_named():
    two = SLEEP.assign(name="s" + SLEEP["Subject"].astype(str))
    given = reads_the_same(by_formula("Reaction ~ Days", two, two["name"] + "x"))
    assert given.notes == (
        "groups= divides the rows as each of Subject and name does: it is called Subject here.",
    )
    named = of_statsmodels(by_formula("Reaction ~ Days", two, "name"))
    assert (formula_of(named), named.notes) == ("Reaction ~ Days + (1 | name)", ())


@pytest.mark.slow
def test_one_factor_under_two_names_is_told():
    said = (
        "are one grouping factor under two names: they divide the rows alike. The intercept varies "
        "by it twice, and the data determine the sum of the two variances only. Take one of the "
        "terms out."
    )
    twice = by_formula(
        "Reaction ~ Days", SLEEP, "Subject", re_formula="1", vc_formula={"s": "0 + C(Subject)"}
    )
    given = reads_the_same(twice)
    assert formula_of(given) == "Reaction ~ 1 + Days + (1 | Subject) + (1 | s)"
    assert given.notes[1] == f"Subject and s {said}"
    two = SLEEP.assign(name="s" + SLEEP["Subject"].astype(str))
    other = by_formula(
        "Reaction ~ Days", two, "Subject", re_formula="1", vc_formula={"n": "0 + C(name)"}
    )
    assert reads_the_same(other).notes == (f"Subject and Subject:name {said}",)
    apart = of_statsmodels(by_formula("strength ~ 1", PASTES, "batch", **CASKS))
    assert apart.notes == ()


def test_groups_that_are_no_column_become_one():
    given = reads_the_same(by_formula("Reaction ~ Days", SLEEP, np.repeat(np.arange(9), 20)))
    assert formula_of(given) == "Reaction ~ Days + (1 | group)"
    assert given.notes[0].startswith("No column of the data that the result keeps")
    np.testing.assert_array_equal(given.rung.data.frame["group"], np.repeat(np.arange(9), 20))


def test_how_a_result_was_fitted_is_kept_in_the_code():
    model = smf.mixedlm("Reaction ~ Days", SLEEP, groups="Subject", use_sqrt=False)
    code = of_statsmodels(model.fit(reml=False, method="cg")).spelling()["statsmodels"]
    assert code.splitlines()[-2:] == [
        "model = smf.mixedlm('Reaction ~ Days', data, groups=data['Subject'], use_sqrt=False)",
        "model.fit(reml=False, method='cg')",
    ]


@pytest.fixture(scope="module")
def gaps():
    return SLEEP.assign(Days=SLEEP["Days"].where(~SLEEP.index.isin([3, 50])))


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [{}, {"re_formula": "~Days"}, {"vc_formula": {"d": "0 + Days"}}],
)
def test_a_result_that_dropped_rows_asks_for_the_data_and_reads_them(gaps, arguments):
    result = by_formula("Reaction ~ Days", gaps, "Subject", missing="drop", **arguments)
    with pytest.raises(BadInput) as raised:
        of_statsmodels(result)
    assert str(raised.value).endswith(
        "of groups= (missing='drop' leaves only the columns of the formulas): give the data as "
        "well, diagnose(result, data)"
    )
    given = reads_the_same(result, gaps)
    assert given.rung.case.table.n_rows == 180
    assert len(given.rung.case.design.y) == 178
    assert given.notes == ()
    already = of_statsmodels(result, gaps.dropna())
    again = python_value(already.spelling()["statsmodels"], gaps)
    assert again.llf == pytest.approx(result.llf, abs=1e-6)


def test_rows_are_dropped_in_the_code_only_where_some_were():
    crossed = by_formula(
        "diameter ~ 1",
        PENICILLIN[["diameter", "plate", "sample"]],
        np.ones(len(PENICILLIN)),
        vc_formula={"p": "0 + C(plate)", "s": "0 + C(sample)"},
    )
    assert "dropna" not in of_statsmodels(crossed).spelling()["statsmodels"]
    gaps = PENICILLIN.assign(diameter=PENICILLIN["diameter"].where(PENICILLIN.index != 9))
    dropped = by_formula(
        "diameter ~ 1",
        gaps,
        np.ones(len(gaps)),
        vc_formula={"p": "0 + C(plate)", "s": "0 + C(sample)"},
        missing="drop",
    )
    again = python_value(of_statsmodels(dropped).spelling()["statsmodels"], gaps)
    assert again.llf == pytest.approx(dropped.llf, abs=1e-6)


def test_other_data_are_refused(gaps):
    result = sm.MixedLM(Y, X, WHO).fit()
    for other in (SLEEP.iloc[:100], SLEEP.assign(Reaction=0.0), SLEEP.iloc[::-1]):
        with pytest.raises(BadInput) as raised:
            of_statsmodels(result, other)
        assert str(raised.value) == (
            "the data that were given are not those of the fit: no 180 rows of them, as they stand "
            "or by label, have its outcome"
        )
    formula = by_formula("Reaction ~ Days", gaps, "Subject", missing="drop")
    with pytest.raises(BadInput, match="have its columns of 'Reaction ~ Days'"):
        of_statsmodels(formula, SLEEP.assign(Days=1.0))


def test_a_random_effect_of_one_group_is_refused():
    result = by_formula(
        "diameter ~ 1",
        PENICILLIN.assign(all=1),
        "all",
        re_formula="1",
        vc_formula={"plate": "0 + C(plate)"},
    )
    with pytest.raises(BadInput, match="groups= puts all rows into one group"):
        of_statsmodels(result)


def test_a_changed_data_frame_is_told():
    frame = SLEEP.copy()
    result = by_formula("Reaction ~ Days", frame, "Subject")
    frame["Days"] += frame["Subject"] % 3
    given = of_statsmodels(result)
    assert given.notes[0].startswith("The data frame of the result was changed after the fit")
    np.testing.assert_array_equal(given.rung.case.design.x, result.model.exog)


def test_a_mask_is_a_model_of_arrays_too():
    free = MixedLMParams.from_components(np.ones(2), np.eye(2))
    given = reads_the_same(sm.MixedLM(Y, X, WHO, exog_re=X).fit(free=free))
    assert formula_of(given) == "y ~ 1 + x1 + (1 | group) + (0 + x1 | group)"


@pytest.mark.r
def test_lme4_agrees_about_the_model_that_was_read():
    model, formula = FROM_ARRAYS["nested components"]
    found = harness.diagnose(model().fit(), quick=True, pictures=False)
    assert found.agreement == "agree"
    assert found.diagnosis.case.formula == formula
    assert found.diagnosis.notes[0].startswith("The result was made from arrays")
    again = python_value(found.diagnosis.case.spelling["statsmodels"], found.data)
    assert again.llf == pytest.approx(-123.4953730, abs=1e-6)


KINDS = {
    "int": lambda codes: codes * 3 + 1,
    "text": lambda codes: np.array([f"g {c}" for c in codes], dtype=object),
    "category": lambda codes: pd.Categorical.from_codes(codes, [f"c{i}" for i in range(9)]),
    "float": lambda codes: codes / 2,
    "date": lambda codes: pd.Timestamp("2021-03-01") + pd.to_timedelta(codes, unit="D"),
}
INDEXES = {
    "range": range,
    "text": lambda n: [f"row {i}" for i in range(n)],
    "repeated": lambda n: [i % 4 for i in range(n)],
}
NAMES = (["y", "x", "a", "b"], ["the y", "x.1", "class", "a b"], ["Y", "I(x)", "groups", "a:b"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", ["one intercept", "a slope", "nested", "crossed"])
def test_generated_results_from_arrays(kind, shape):
    """Rows in any order, labels of every type, from numpy and from pandas."""
    rng = np.random.default_rng(list(KINDS).index(kind) * 10 + len(shape))
    a = rng.permutation(np.repeat(np.arange(7), 6))
    b = rng.integers(0, 3, 42)
    outcome, x, outer, inner = NAMES[rng.integers(len(NAMES))]
    frame = pd.DataFrame({x: rng.normal(3, 1, 42).round(2)})
    noise = rng.normal(0, 1, 7)[a] + rng.normal(0, 1, 21)[a * 3 + b] + rng.normal(0, 1, 42)
    frame[outcome] = (frame[x] / 2 + noise).round(3)
    frame[outer], frame[inner] = KINDS[kind](a), [f"b{i}" for i in b]
    frame.index = list(INDEXES.values())[rng.integers(3)](42)
    exog = frame[[x]].assign(const=1.0)[["const", x]]
    more, groups = {}, frame[outer]
    if shape == "a slope":
        more = {"exog_re": exog}
    elif shape == "nested":
        rows = [a == label for label in pd.Series(a).groupby(np.asarray(groups)).first()]
        parts = [pd.get_dummies(frame[inner].to_numpy()[part]).astype(float) for part in rows]
        names = [list(part.columns) for part in parts]
        more = {"exog_vc": VCSpec(["k"], [names], [[part.to_numpy() for part in parts]])}
    elif shape == "crossed":
        groups = pd.Series(np.ones(42), index=frame.index)
        parts = [pd.get_dummies(codes).astype(float) for codes in (a, b)]
        more = {
            "exog_vc": VCSpec(
                ["one", "two"],
                [[list(map(str, part.columns))] for part in parts],
                [[part.to_numpy()] for part in parts],
            )
        }
    arrays = {key: np.asarray(v) if key == "exog_re" else v for key, v in more.items()}
    wanted = {
        "one intercept": [(outer,)],
        "a slope": [(outer,)],
        "nested": [(outer, inner)],
        "crossed": [(outer,), (inner,)],
    }[shape]
    if len(kind + shape) % 2:
        model = sm.MixedLM(frame[outcome], exog, groups, **more)
    else:
        model = sm.MixedLM(frame[outcome].to_numpy(), exog.to_numpy(), groups.to_numpy(), **arrays)
    result = model.fit()
    reads_the_same(result)
    given = reads_the_same(result, frame)
    assert [term.group for term in given.rung.case.model.random] == wanted
    assert given.notes == ()


def test_many_columns_that_divide_the_rows_alike_are_counted():
    codes = pd.factorize(SLEEP["Subject"])[0]
    many = SLEEP.assign(**{f"id{i}": codes + i for i in range(8)})
    (note,) = of_statsmodels(by_formula("Reaction ~ Days", many, -codes)).notes
    assert note == (
        "groups= divides the rows as each of Subject, id0, id1, id2, id3, id4 and 3 more does: it "
        "is called Subject here."
    )
