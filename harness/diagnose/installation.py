"""Is everything here that the harness needs, and does it get a known answer right.

The smoke fit is a balanced one-way layout, whose REML estimates have a closed form: a wrong referee
(a broken harness) is told from a wrong engine.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import stat
import sys
from collections.abc import Iterator

import msgspec
import numpy as np
import pandas as pd

from harness.campaign import provenance
from harness.engines.engine import Engine, Failure
from harness.engines.lme4 import Lme4Engine
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.rbridge.environment import find_r, install_r_package, install_rpy2, rpy2_version
from harness.rbridge.failures import RFailure
from harness.rbridge.worker import RSession
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum

SMOKE_TOLERANCE = 1e-3
"""Relative: the default stopping rules give a well-determined variance three digits or more."""

EXACT = 1e-9
"""Relative: the referee has no stopping rule to blame."""

_PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "patsy", "formulaic", "msgspec")
_R_PACKAGES = ("lme4", "lmerTest", "pbkrtest")


class Check(msgspec.Struct, frozen=True):
    """One thing looked at: whether it is well, what was found, and the command that mends it."""

    name: str
    ok: bool
    found: str
    mend: str = ""


def examine_environment(session: RSession) -> Iterator[Check]:
    """Run every check, in an order in which the first failure is the one to mend."""
    yield _python()
    yield null_device()
    for package in _PACKAGES:
        yield _python_package(package)
    yield Check("BLAS, Python", True, provenance.blas(())["numpy"])
    yield _repeatable()
    yield from _r(session)
    yield from _smoke(session)


def _python() -> Check:
    found = f"{platform.python_version()}, {sys.executable}"
    return Check("Python", sys.version_info >= (3, 11), found, "install Python 3.11 or later")


def null_device(path: str = os.devnull) -> Check:
    """Look whether the null device is one: a file there fills up, and is read as an empty one."""
    try:
        is_device = stat.S_ISCHR(os.stat(path).st_mode)
        found = f"{path} is {'a' if is_device else 'no'} device"
    except OSError as error:
        is_device, found = False, f"{path}: {error.strerror}"
    mend = f"as root: rm -f {path}; mknod -m 666 {path} c 1 3"
    return Check("null device", is_device, found, mend)


def _python_package(package: str) -> Check:
    mend = f"python -m pip install {package}"
    try:
        importlib.import_module(package)
    except ImportError as error:
        return Check(package, False, str(error), mend)
    return Check(package, True, importlib.metadata.version(package))


def _repeatable() -> Check:
    held = provenance.environment()
    one = all(held[name] == "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"))
    found = f"threads {held['OMP_NUM_THREADS']}, OpenBLAS kernel {held['OPENBLAS_CORETYPE']}"
    return Check("repeatable arithmetic", one, found, "run through the lmm-parity command")


def _r(session: RSession) -> Iterator[Check]:
    try:
        r = find_r()
    except RFailure as failure:
        yield _from_failure("R", failure)
        return
    yield Check("R", True, f"{r.version_text}, {r.home}")
    try:
        versions = Lme4Engine(session).versions()
        if not versions:
            session.call("r_versions", {})
    except RFailure as failure:
        yield _from_failure("rpy2 and R", failure, install_rpy2(r))
        return
    mode = session.mode
    yield Check("rpy2 and R", True, f"rpy2-rinterface {rpy2_version()} embeds R, {mode} mode")
    if mode == "ABI":
        yield Check(
            "rpy2 mode",
            True,
            "ABI: the same numbers, some 10 % slower; headers were missing "
            "when it was built (ICU, PCRE2 or LZMA)",
        )
    for package in _R_PACKAGES:
        version = versions.get(package, "")
        yield Check(
            f"R package {package}",
            bool(version),
            version or "not installed",
            install_r_package(package),
        )
    yield Check("BLAS, R", True, versions.get("BLAS", "") or "unknown")


def _from_failure(name: str, failure: RFailure, mend: str = "") -> Check:
    """Split a failure's text at its advice, which starts with ``Install``."""
    text, _, advice = str(failure).partition(" Install")
    return Check(name, False, text, f"Install{advice}" if advice else mend)


def smoke_case() -> tuple[Case, dict[str, float]]:
    """Ten rows in five groups of two, and the right answer.

    With k groups of m rows, MSB and MSE the mean squares between and within groups, REML gives
    sigma^2 = MSE and sigma_b^2 = (MSB - MSE) / m where that is positive (Searle, Casella and
    McCulloch 1992, chapter 4); the mean has standard error sqrt(MSB / (k m)) on k - 1 df.
    """
    values = np.array([[1.0, 2.0], [4.0, 6.0], [3.0, 3.5], [8.0, 7.0], [5.0, 7.0]])
    k, m = values.shape
    means = values.mean(axis=1)
    between = m * float(((means - means.mean()) ** 2).sum()) / (k - 1)
    within = float(((values - means[:, None]) ** 2).sum()) / (k * (m - 1))
    frame = pd.DataFrame({"y": values.ravel(), "g": np.repeat(list("abcde"), m)})
    model = parse_model("y ~ 1 + (1 | g)", "REML")
    return Case("smoke", model, bind(model, frame)), {
        "mean": float(values.mean()),
        "variance between groups": (between - within) / m,
        "variance within groups": within,
    }


def _smoke(session: RSession) -> Iterator[Check]:
    case, right = smoke_case()
    yield _judged(
        "smoke fit, referee",
        _referee_answer(case),
        right,
        EXACT,
        "the harness itself is broken: python -m pip install --force-reinstall lmm-parity",
    )
    # Here: the page that lists the ladder knows of these checks, and imports no statsmodels.
    from harness.engines.statsmodels import StatsmodelsEngine

    engines: tuple[Engine, ...] = (StatsmodelsEngine(), Lme4Engine(session))
    for engine in engines:
        name = f"smoke fit, {engine.name}"
        outcome = engine.fit(case, "default")
        if isinstance(outcome, Failure):
            yield Check(name, False, outcome.text, _reinstall(engine.name))
            continue
        answer = {
            "mean": outcome.coefficients[0].estimate,
            "variance between groups": outcome.random[0].covariance[0][0],
            "variance within groups": outcome.residual_variance,
        }
        yield _judged(
            name,
            answer,
            right,
            SMOKE_TOLERANCE,
            f"the harness is sound, {engine.name} is not. {_reinstall(engine.name)}",
        )


def _reinstall(engine: str) -> str:
    if engine == "lme4":
        return install_r_package("lme4")
    return f"Reinstall it: python -m pip install --force-reinstall {engine}"


def _referee_answer(case: Case) -> dict[str, float]:
    likelihood = Likelihood(case.design, reml=True)
    best = find_optimum(likelihood).point
    sigma2 = (best.sigma * likelihood.products.basis.y_scale) ** 2
    return {
        "mean": float(best.beta[0]),
        "variance between groups": float(best.theta[0] ** 2 * sigma2),
        "variance within groups": sigma2,
    }


def _judged(
    name: str, answer: dict[str, float], right: dict[str, float], tolerance: float, mend: str
) -> Check:
    wrong = [
        f"{what} {answer[what]:.6g}, should be {value:.6g}"
        for what, value in right.items()
        if not abs(answer[what] - value) <= tolerance * abs(value)
    ]
    shown = ", ".join(f"{what} {value:.4f}" for what, value in answer.items())
    return Check(name, not wrong, "; ".join(wrong) or shown, mend)
