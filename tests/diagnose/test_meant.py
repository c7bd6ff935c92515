"""A statsmodels result beside the model that it is meant to be."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLMParams

import harness
from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from harness.diagnose.intended_model import as_asked, as_meant

pytestmark = pytest.mark.filterwarnings("ignore")

UNCORRELATED = MixedLMParams.from_components(np.ones(2), np.eye(2))


@pytest.fixture(scope="module")
def sleep():
    return load_dataset("sleepstudy").frame


@pytest.fixture(scope="module")
def slopes(sleep):
    """A function from arguments of fit to a result."""

    def fit(**arguments):
        model = smf.mixedlm("Reaction ~ Days", sleep, groups="Subject", re_formula="~Days")
        return model.fit(**arguments)

    return fit


def variances(given):
    return [t.covariance for t in given.fit.random]


def test_a_result_that_is_what_it_is_meant_to_be_is_its_fit(slopes):
    result = slopes()
    given = as_meant(result, "Reaction ~ Days + (Days | Subject)")
    (term,) = given.fit.random
    assert term.covariance == tuple(map(tuple, result.cov_re.to_numpy().tolist()))
    assert [c.name for c in given.fit.coefficients] == ["Intercept", "Days"]
    assert given.fit.loglik == result.llf
    assert given.fit.data_checksum == given.rung.case.table.checksum()
    assert given.fit.probes == {}


@pytest.mark.slow
def test_a_mask_that_was_heeded_gives_two_terms_and_one_that_was_ignored_says_so(slopes):
    heeded = as_asked(slopes(free=UNCORRELATED))
    assert heeded.rung.case.model.formula.text == "Reaction ~ Days + (Days || Subject)"
    assert heeded.fit.probes == {}
    ignored = as_asked(slopes(free=UNCORRELATED, method="powell"))
    assert len(ignored.rung.case.design.random) == len(ignored.fit.random) == 2
    assert ignored.fit.probes["free-ignored"].startswith("a covariance held at 0 by free=")


def test_effects_that_were_never_asked_to_be_uncorrelated_are_shown_as_they_are(slopes):
    given = as_meant(slopes(), "Reaction ~ Days + (Days || Subject)")
    assert given.fit.probes == {}
    assert [len(t.names) for t in given.fit.random] == [2]


def test_a_term_that_the_result_has_not_is_not_shown():
    pastes = load_dataset("Pastes").frame
    result = smf.mixedlm(
        "strength ~ 1", pastes, groups="batch", vc_formula={"cask": "0 + C(cask)"}
    ).fit()
    given = as_meant(result, "strength ~ 1 + (1 | batch/cask)")
    assert [t.group for t in given.rung.case.design.random] == ["batch", "batch:cask"]
    assert [t.group for t in given.fit.random] == ["batch:cask"]
    assert variances(given) == [((result.vcomp[0],),)]


@pytest.mark.slow
def test_a_factor_read_as_nested_stands_for_the_crossed_one():
    penicillin = load_dataset("Penicillin").frame
    result = smf.mixedlm(
        "diameter ~ 1",
        penicillin,
        groups="plate",
        re_formula="1",
        vc_formula={"sample": "0 + C(sample)"},
    ).fit()
    given = as_meant(result, "diameter ~ 1 + (1 | sample) + (1 | plate)")
    assert [t.group for t in given.fit.random] == ["sample", "plate"]
    assert variances(given) == [((result.vcomp[0],),), ((result.cov_re.iloc[0, 0],),)]


def test_other_rows_are_no_fit_of_the_data(sleep):
    result = smf.mixedlm("Reaction ~ Days", sleep[sleep.Days > 0], groups="Subject").fit()
    given = as_meant(result, "Reaction ~ Days + (1 | Subject)", sleep)
    assert (given.fit.n_obs, len(given.rung.case.design.y)) == (162, 180)
    changed = sleep.assign(Reaction=sleep.Reaction + 1.0)
    result = smf.mixedlm("Reaction ~ Days", changed, groups="Subject").fit()
    given = as_meant(result, "Reaction ~ Days + (1 | Subject)", sleep)
    assert given.fit.data_checksum != given.rung.case.table.checksum()


@pytest.mark.slow
def test_the_other_program_may_be_told_too(slopes):
    found = harness.diagnose(
        slopes(free=UNCORRELATED, method="powell"), engines="statsmodels", quick=True
    )
    assert found.causes == ("sm-free-ignored",)
    assert found.diagnosis.case.verdict == "DIFFERENT_MODEL"
    assert found.answer[0].endswith("fitted other random effects than the formula asks for.")
    assert "sm-free-ignored" in found._repr_html_()
    assert "sm-free-ignored" in str(found)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("Reaction ~ Days + (1 | Person)", "no column 'Person' in the data"),
        ("Reaction ~ ", "formula"),
    ],
)
def test_a_formula_that_cannot_be_used_is_bad_input(slopes, formula, message):
    with pytest.raises(BadInput, match=message):
        as_meant(slopes(), formula)


def test_a_result_from_arrays_needs_the_data(sleep):
    x = sm.add_constant(sleep[["Days"]].to_numpy(dtype=float))
    result = sm.MixedLM(sleep["Reaction"].to_numpy(), x, sleep["Subject"].to_numpy()).fit()
    with pytest.raises(BadInput, match="give the data as well"):
        as_meant(result, "Reaction ~ Days + (1 | Subject)")
    given = as_meant(result, "Reaction ~ Days + (1 | Subject)", sleep)
    assert [c.name for c in given.fit.coefficients] == ["Intercept", "Days"]


def test_a_formula_is_for_results_only(sleep):
    with pytest.raises(BadInput, match="two formulas"):
        harness.diagnose("Reaction ~ 1 + (1 | Subject)", sleep, formula="Reaction ~ 1")
    with pytest.raises(BadInput, match="expected the result"):
        harness.diagnose(pd.DataFrame(), formula="Reaction ~ 1")
