"""Ready programs beside certified values, on the models that they take."""

import math

import pytest

from harness.data.certified_values import load_certified
from harness.data.ladder import full_ladder
from harness.engines import environments
from harness.engines.command_engine import CommandEngine
from harness.engines.engine import Fit

RUNGS = ("sleepstudy/slope/REML", "sleepstudy/intercept/ML", "pastes/REML", "cake/REML")

TAKES = {
    "mixedlm-rs": ("sleepstudy/slope/REML", "sleepstudy/intercept/ML", "cake/REML"),
    "kamino-lme": ("sleepstudy/slope/REML", "sleepstudy/intercept/ML", "pastes/REML"),
    "interlace-lme": ("sleepstudy/slope/REML", "sleepstudy/intercept/ML", "pastes/REML"),
    "mssm": ("pastes/REML", "cake/REML"),
}
"""What a program does not take is unsupported, and so it says."""

# What the loosest optimizer leaves on these models: the likelihood is flat at its maximum, so that
# a difference of 1e-5 there is one of 0.4 % in the variance between batches of Pastes.
LOGLIK, ESTIMATE, VARIANCE = 1e-5, 1e-4, 5e-3


def programs(language):
    return [n for n, p in environments.programs().items() if p.language == language and p.tried]


@pytest.fixture(scope="module")
def engine(request):
    if not environments.installed(request.param):
        pytest.skip(f"{request.param} is not installed here")
    found = CommandEngine(request.param, environments.command(request.param))
    yield found
    found.close()


def agrees_with_certified_values(engine, rung_id):
    (rung,) = (rung for rung in full_ladder() if rung.case.id == rung_id)
    certified, fit = load_certified(rung_id), engine.fit(rung.case, "default")
    if rung_id not in TAKES.get(engine.name, RUNGS):
        assert fit.reason == "unsupported"
        return
    assert isinstance(fit, Fit), fit
    assert fit.data_checksum == rung.case.table.checksum()
    assert fit.loglik == pytest.approx(float(certified.loglik), abs=LOGLIK)
    for row in fit.coefficients:
        se = float(certified.se[row.name])
        assert row.estimate == pytest.approx(
            float(certified.estimates[row.name]), abs=ESTIMATE * se
        )
        if fit.definitions["se"] == "gls":
            assert row.se == pytest.approx(se, rel=VARIANCE)
    stated = {
        f"{term.group}/{name}": term.covariance[i][i]
        for term in fit.random
        for i, name in enumerate(term.names)
    }
    for name, value in certified.variances.items():
        found = fit.residual_variance if name == "residual" else stated[name]
        assert math.isclose(found, float(value), rel_tol=VARIANCE), name


@pytest.mark.r
@pytest.mark.slow
@pytest.mark.parametrize("rung", ["sleepstudy/slope/REML", "pastes/REML"])
@pytest.mark.parametrize("engine", programs("r"), indirect=True)
def test_programs_in_r_give_certified_values(engine, rung):
    agrees_with_certified_values(engine, rung)


@pytest.mark.install
@pytest.mark.slow
@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("engine", programs("python"), indirect=True)
def test_programs_in_python_give_certified_values_where_they_are_installed(engine, rung):
    agrees_with_certified_values(engine, rung)
