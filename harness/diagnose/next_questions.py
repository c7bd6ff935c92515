"""What users of statsmodels ask next about a result, answered where it is true of theirs.

Each is tried on the result itself: an error is quoted, a difference is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import stats

from harness.base.text import number
from harness.diagnose.diagnosis import Question
from harness.engines.mixedlm_fit import MixedFit
from harness.engines.warning_capture import captured


def next_questions(result: Any, native: MixedFit) -> tuple[Question, ...]:
    """Answer what is true of a result, which is asked as its user has it."""
    with captured([]):
        return (*_variance_errors(result), *_predictions(result), *_wald_intervals(native))


def _error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _variance_errors(result: Any) -> Iterator[Question]:
    """``bse_re``: pandas gives it the names of ``cov_re``, which variance components are not in."""
    try:
        result.bse_re  # noqa: B018
    except ValueError as error:
        yield Question(
            key="bse-re",
            question="Why does bse_re raise?",
            answer=f"{_error(error)}. It has an entry for each variance component, but names for "
            "the random effects of re_formula only. result._results.bse_re is the array without "
            "names. Its entries are not the standard errors of the variances (variance-se-column).",
        )


def _predictions(result: Any) -> Iterator[Question]:
    """``predict`` and ``fittedvalues``: without and with the random effects."""
    fixed = np.asarray(result.predict())
    told = "result.predict() is the fixed part only, X times the fixed effects"
    in_r = (
        "In R predict() adds them, and predict(re.form = NA) gives the fixed part. For a new row "
        "of a known group add its Z times result.random_effects[group]."
    )
    try:
        most = float(np.abs(np.asarray(result.fittedvalues) - fixed).max())
    except (ValueError, np.linalg.LinAlgError) as error:
        answer = f"{told}. result.fittedvalues, which adds the random effects, raises here: "
        yield Question(key="predict", question=_PREDICT, answer=f"{answer}{_error(error)}.")
        return
    if most > 1e-9 * float(np.abs(fixed).max()):
        yield Question(
            key="predict",
            question=_PREDICT,
            answer=f"{told}; result.fittedvalues adds the random effects, up to {number(most)} "
            f"here. {in_r}",
        )


_PREDICT = "What is in predict()?"


def _wald_intervals(native: MixedFit) -> Iterator[Question]:
    """``conf_int`` of variances: Wald intervals, which do not know that those are not negative."""
    result, first = native.result, int(native.result.model.k_fe)
    intervals = np.asarray(result.conf_int(), dtype=np.float64)[first:]
    names = [str(name) for name in result.model.data.param_names][first:]
    below = [
        (name, low, high)
        for name, (low, high) in zip(names, intervals, strict=True)
        if name.endswith(" Var") and low < 0.0
    ]
    if below:
        name, low, high = below[0]
        yield Question(
            key="wald-intervals",
            question="Why an interval below 0?",
            answer=f"result.conf_int() has {name} from {number(low)} to {number(high)}: the "
            f"estimate give or take {stats.norm.ppf(0.975):.2f} of what stands beside it as "
            "standard error, both of the variance divided by the residual variance. A variance is "
            "not negative and its estimate not nearly normal: a likelihood-ratio interval of its "
            "square root heeds both, see Variance parameters (left out by pictures=False).",
        )
