"""The doctor: what is broken is told from what is not, and every failure has its remedy."""

import json
import os

import numpy as np
import pytest
from msgspec.structs import replace

from harness.diagnose import installation as doctor
from harness.engines.engine import Failure
from harness.engines.lme4 import Lme4Engine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.rbridge.failures import RError

pytestmark = pytest.mark.r


def checks(session):
    return {check.name: check for check in doctor.examine_environment(session)}


def smoke(session):
    found = checks(session)
    names = ("smoke fit, referee", "smoke fit, statsmodels", "smoke fit, lme4")
    return tuple(found[name].ok for name in names), found


@pytest.fixture
def broken(monkeypatch):
    """Return a function that alters what an engine's fits return."""

    def alter(engine, change):
        fit = engine.fit

        def wrong(self, case, setting):
            return change(fit(self, case, setting))

        monkeypatch.setattr(engine, "fit", wrong)

    return alter


def test_all_is_well_here(r):
    found = checks(r)
    # BLAS threads are pinned by the command line, not in a process that is a library's user.
    assert {name for name, check in found.items() if not check.ok} <= {"repeatable arithmetic"}
    for name in ("Python", "statsmodels", "R", "rpy2 and R", "R package lme4", "BLAS, R"):
        assert found[name].found
    assert found["R package lmerTest"].found[0].isdigit()


def test_the_smoke_fits_right_answer_is_the_analysis_of_variances():
    """The closed form against the mean squares of the layout, computed row by row."""
    case, right = doctor.smoke_case()
    y, codes = case.design.y, case.design.random[0].codes
    assert (len(y), case.design.x.shape[1]) == (10, 1)
    means = np.array([y[codes == k].mean() for k in range(5)])
    between = 2 * sum((m - y.mean()) ** 2 for m in means) / 4
    within = sum((v - means[k]) ** 2 for v, k in zip(y, codes, strict=True)) / 5
    assert between > within
    assert right["mean"] == pytest.approx(y.mean(), rel=1e-14)
    assert right["variance within groups"] == pytest.approx(within, rel=1e-13)
    assert right["variance between groups"] == pytest.approx((between - within) / 2, rel=1e-13)


@pytest.mark.parametrize("engine", [StatsmodelsEngine, Lme4Engine])
def test_a_wrong_engine_is_at_fault_and_nothing_else(r, broken, engine):
    broken(engine, lambda fit: replace(fit, residual_variance=1.1 * fit.residual_variance))
    passed, found = smoke(r)
    assert passed == (True, engine is not StatsmodelsEngine, engine is not Lme4Engine)
    check = found[f"smoke fit, {engine.name}"]
    assert check.found.startswith("variance within groups ")
    assert f"the harness is sound, {engine.name} is not" in check.mend


@pytest.mark.parametrize("engine", [StatsmodelsEngine, Lme4Engine])
def test_an_engine_that_gives_nan_is_at_fault(r, broken, engine):
    broken(engine, lambda fit: replace(fit, residual_variance=float("nan")))
    assert not checks(r)[f"smoke fit, {engine.name}"].ok


def test_a_null_device_that_is_a_file_is_said(tmp_path):
    assert doctor.null_device() == doctor.Check(
        "null device", True, f"{os.devnull} is a device", doctor.null_device().mend
    )
    path = tmp_path / "null"
    assert doctor.null_device(str(path)).found == f"{path}: No such file or directory"
    path.touch()
    check = doctor.null_device(str(path))
    assert (check.ok, check.found) == (False, f"{path} is no device")
    assert check.mend == f"as root: rm -f {path}; mknod -m 666 {path} c 1 3"


def test_an_engine_that_fails_is_quoted(r, broken):
    broken(
        StatsmodelsEngine,
        lambda fit: Failure(
            engine=fit.engine, setting=fit.setting, reason="error", text="It broke"
        ),
    )
    check = checks(r)["smoke fit, statsmodels"]
    assert (check.ok, check.found) == (False, "It broke")


def test_a_wrong_referee_is_the_harness_own_fault(r, monkeypatch):
    answer = doctor._referee_answer

    def wrong(case):
        return answer(case) | {"variance between groups": 3.0}

    monkeypatch.setattr(doctor, "_referee_answer", wrong)
    passed, found = smoke(r)
    assert passed == (False, True, True)
    check = found["smoke fit, referee"]
    assert "the harness itself is broken" in check.mend
    assert "pip install" in check.mend
    assert "variance between groups 3, should be " in check.found


def test_the_referee_is_held_to_nine_digits(r, monkeypatch):
    """It has no stopping rule; an engine may be off by the fourth digit."""
    answer = doctor._referee_answer
    monkeypatch.setattr(
        doctor, "_referee_answer", lambda case: {k: v * 1.00001 for k, v in answer(case).items()}
    )
    assert not checks(r)["smoke fit, referee"].ok


def test_an_engine_may_be_off_by_its_stopping_rule(r, broken):
    broken(
        StatsmodelsEngine,
        lambda fit: replace(fit, residual_variance=fit.residual_variance * 1.0005),
    )
    assert checks(r)["smoke fit, statsmodels"].ok


def test_a_missing_r_package_is_named_with_the_command(r, monkeypatch):
    versions = Lme4Engine.versions

    def without(self):
        return {k: v for k, v in versions(self).items() if k != "pbkrtest"}

    monkeypatch.setattr(Lme4Engine, "versions", without)
    check = checks(r)["R package pbkrtest"]
    assert (check.ok, check.found) == (False, "not installed")
    assert "apt-get install r-cran-pbkrtest" in check.mend
    assert 'install.packages("pbkrtest"' in check.mend


def test_a_missing_python_package_is_named_with_the_command(r, monkeypatch):
    importing = doctor.importlib.import_module

    def missing(name):
        if name == "patsy":
            raise ImportError("No module named 'patsy'")
        return importing(name)

    monkeypatch.setattr(doctor.importlib, "import_module", missing)
    check = checks(r)["patsy"]
    assert (check.ok, check.mend) == (False, "python -m pip install patsy")


def test_an_r_that_does_not_start_is_said_with_what_fits_it(r, monkeypatch):
    def refuse(self):
        raise RError("rpy2 and R do not match.")

    monkeypatch.setattr(Lme4Engine, "versions", refuse)
    check = checks_until_r(r)["rpy2 and R"]
    assert (check.ok, check.found) == (False, "rpy2 and R do not match.")
    assert "python -m pip install" in check.mend


def checks_until_r(session):
    return {check.name: check for check in doctor._r(session)}


def test_the_doctor_speaks_json(r, monkeypatch, lmm_parity):
    import contextlib

    from harness.rbridge import worker

    @contextlib.contextmanager
    def session(**_):
        yield r

    monkeypatch.setattr(worker, "RSession", session)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    code, out, err = lmm_parity("doctor", "--json")
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert all(set(line) == {"name", "ok", "found", "mend"} for line in lines)
    assert all(line["ok"] for line in lines)
    assert lines[-1]["name"] == "smoke fit, lme4"
