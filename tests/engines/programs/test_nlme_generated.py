"""Generated data with residual covariances: nlme beside the referee, every difference named."""

import numpy as np
import pandas as pd
import pytest

from harness.engines import environments
from harness.engines.command_engine import CommandEngine
from harness.engines.engine import Fit
from harness.engines.referee_engine import RefereeEngine
from harness.judge.judge import judge
from harness.model.case import Case
from harness.model.model import bind, parse_model

CASES = 300

STRUCTURES = (
    "ar1(visit | s)",
    "car1(time | s)",
    "cs(1 | s)",
    "corr(visit | s)",
    "us(visit | s)",
    "het(sex)",
    "ar1(visit | s) + het(sex)",
    "cs(1 | s) + het(sex)",
)
FIXED = ("y ~ x", "y ~ x * sex", "y ~ visit", "y ~ x + (1 | s)", "y ~ visit + (visit | s)")


def generated(seed):
    """A case: correlation negative, none, positive or near one; visits missed, times uneven."""
    rng = np.random.default_rng(seed)
    subjects, times = int(rng.integers(8, 25)), int(rng.integers(3, 6))
    rho = float(rng.choice([-0.4, 0.0, 0.3, 0.7, 0.98]))
    rows = []
    for i in range(subjects):
        sex = "fm"[i % 2]
        own, e = rng.normal() * rng.choice([0.0, 1.0]), rng.normal()
        for j in range(times):
            e = rho * e + np.sqrt(1.0 - rho**2) * rng.normal()
            if rng.random() < 0.85 or i < 4:
                noise = own + e * (2.0 if sex == "m" else 1.0)
                rows.append((f"s{i}", j + 1, j + 0.8 * rng.random(), sex, rng.normal(), noise))
    frame = pd.DataFrame(rows, columns=["s", "visit", "time", "sex", "x", "noise"])
    frame["y"] = (10.0 + frame["x"] + frame["noise"]) * float(rng.choice([0.01, 1.0, 100.0]))
    residual = STRUCTURES[seed % len(STRUCTURES)]
    formula = FIXED[int(rng.integers(len(FIXED)))]
    model = parse_model(formula, str(rng.choice(["REML", "ML"])), residual)
    return Case(f"generated/{seed}", model, bind(model, frame))


def verdict_of(case, nlme):
    """Verdict on nlme, its causes, and the gap in deviance where there is one."""
    judged = judge(case, [nlme, RefereeEngine()], ("default",))
    one = judged.judgement("nlme")
    gap = (
        one.audit.gap if one.audit is not None and isinstance(judged.outcome("nlme"), Fit) else 0.0
    )
    return (
        one.verdict,
        judged.comparison("nlme").verdict,
        one.causes,
        gap,
        judged.examination.reason,
    )


@pytest.mark.r
@pytest.mark.study
def test_no_difference_of_nlme_is_unexplained():
    if not environments.installed("nlme"):
        pytest.skip("nlme is not installed here")
    nlme = CommandEngine("nlme", environments.command("nlme"))
    try:
        found = [verdict_of(generated(seed), nlme) for seed in range(CASES)]
    finally:
        nlme.close()
    assert [i for i, one in enumerate(found) if "UNEXPLAINED" in one[:2]] == []
    # A point above the best one would be the referee's own fault.
    assert min(gap for *_, gap, _ in found) > -1e-6
    right = [one for one in found if one[0] == "RIGHT"]
    assert len(right) > CASES // 2
