"""Predicates for the named causes of known_differences.toml.

Each takes what is known of a comparison and returns the evidence, a line with numbers, when its
cause holds. The order of ``EXPLAINING`` and ``ACCOMPANYING`` is the order in which they are
reported.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.judge.causes.claims import (
    absolute_singularity,
    false_alarm,
    false_convergence,
    false_singular,
    joint_hessian,
    normal_tests,
    residual_df,
)
from harness.judge.causes.df_causes import (
    lmertest_rounding,
    lmertest_steps,
    lmertest_units,
    singular_df,
)
from harness.judge.causes.invariance import order_dependent_stop, unit_dependent_stop
from harness.judge.causes.mistakes import (
    covariance_sign,
    criterion_constant,
    kept_off_boundary,
    other_criterion,
    other_reference_level,
    rows_left_out,
    swapped_variances,
    wrong_divisor,
)
from harness.judge.causes.no_fit import (
    aliased,
    engine_error,
    one_row_per_group,
    singular_covariance,
    too_many_effects,
)
from harness.judge.causes.other_model import (
    constraint_ignored,
    crossed_as_nested,
    dropped_term,
    ill_conditioned_loglik,
    mutated_model,
)
from harness.judge.causes.rounding import beyond_precision, inverted_covariance, normal_equations
from harness.judge.causes.same_point import (
    as_near_as_their_gaps,
    points_near,
    true_to_itself,
    undetermined,
)
from harness.judge.causes.view import Seen, ranks_in_words
from harness.judge.causes.wrong_optimum import (
    column_trap,
    false_boundary,
    infinite_loglik,
    score_sign,
    stopped_short,
    zeroed_fixed_effects,
)

Predicate = Callable[[Seen], str | None]


def singular_not_flagged(seen: Seen) -> str | None:
    """Hold when the optimum is singular and an engine that is at it says it is not."""
    for fit, audit in seen.pairs():
        if audit.certificate == "boundary optimum" and fit.singular is False:
            smallest = min(float(np.linalg.eigvalsh(np.array(t.covariance))[0]) for t in fit.random)
            return (
                f"{fit.engine} says the fit is not singular; the best point is, and "
                f"the fit's smallest variance is {smallest / fit.residual_variance:.2g} of the "
                "residual variance"
            )
    return None


def flat_optimum(seen: Seen) -> str | None:
    """Both fits are at the optimum, and differ as points of equal deviance may, or agree tight."""
    if undetermined(seen) is not None:
        return None
    near = as_near_as_their_gaps(seen)
    if near is not None:
        return near
    audits = [audit for _, audit in seen.pairs()]
    optimal = ("interior optimum", "boundary optimum")
    if len(audits) != 2 or not all(a.certificate in optimal for a in audits) or not seen.tight:
        return None
    gaps = " and ".join(f"{a.engine} {max(a.gap, 0.0):.2g}" for a in audits)
    return f"deviance above the best point: {gaps}; within tolerance when run tight"


def equations_rounded(seen: Seen) -> str | None:
    """Hold when two fits at one point differ by what lme4's normal equations round."""
    near, rounded = points_near(seen), normal_equations(seen)
    return None if near is None or rounded is None else f"{rounded}; {near}"


def effects_rounded(seen: Seen) -> str | None:
    """Hold when two fits at one point differ by what statsmodels' inverse of cov_re rounds."""
    others = [(fit, audit) for fit, audit in seen.pairs() if fit.engine != "statsmodels"]
    if not all(true_to_itself(seen, fit, audit) for fit, audit in others):
        return None
    near, rounded = points_near(seen), inverted_covariance(seen)
    return None if near is None or rounded is None else f"{rounded}; {near}"


def true_boundary(seen: Seen) -> str | None:
    """Hold when the best point is singular."""
    for _, audit in seen.pairs():
        if audit.certificate == "boundary optimum":
            dual = f", dual eigenvalue {audit.dual:.2g}" if audit.dual is not None else ""
            return f"{audit.engine}: {ranks_in_words(audit)}, gap {max(audit.gap, 0.0):.2g}{dual}"
    return None


def random_effects_refused(seen: Seen) -> str | None:
    """Statsmodels gave variances but no random effects."""
    for fit, _ in seen.pairs():
        for message in fit.messages:
            if message.kind == "error" and message.text.startswith("random_effects:"):
                return f"{fit.engine}: {message.text}"
    return None


FAILING: dict[str, Predicate] = {
    "aliased-columns": aliased,
    "one-row-per-group": one_row_per_group,
    "too-many-effects": too_many_effects,
    "beyond-precision": beyond_precision,
    "sm-singular-covariance": singular_covariance,
    "engine-error": engine_error,
}
"""Why there is no fit."""

ROWS: dict[str, Predicate] = {
    "rows-left-out": rows_left_out,
}
"""Why a fit is one of other data than were sent."""

OTHER_MODEL: dict[str, Predicate] = {
    "sm-free-ignored": constraint_ignored,
    "crossed-as-nested": crossed_as_nested,
    "dropped-term": dropped_term,
}
"""Why a fit is one of another model than asked for."""

WRONG: dict[str, Predicate] = {
    "sm-zero-fe": zeroed_fixed_effects,
    "sm-infinite-llf": infinite_loglik,
    "sm-score-sign": score_sign,
    "lme4-column-trap": column_trap,
    "wrong-divisor": wrong_divisor,
    "swapped-variances": swapped_variances,
    "covariance-sign": covariance_sign,
    "other-criterion": other_criterion,
    "other-reference-level": other_reference_level,
    "kept-off-boundary": kept_off_boundary,
    "false-boundary": false_boundary,
    "stopped-short": stopped_short,
    "lme4-normal-equations": normal_equations,
}
"""Why a fit is not at the optimum."""

STATEMENTS: dict[str, Predicate] = {
    "sm-mutated-model": mutated_model,
    "sm-infinite-llf": infinite_loglik,
    "sm-llf-conditioning": ill_conditioned_loglik,
    "lme4-normal-equations": normal_equations,
    "criterion-constant": criterion_constant,
}
"""Why a stated log-likelihood is not that of the fit's own estimates."""

NUMERICAL_DF: dict[str, Predicate] = {
    "lmertest-units": lmertest_units,
    "lmertest-steps": lmertest_steps,
    "singular-df": singular_df,
    "lmertest-rounding": lmertest_rounding,
}
"""Why lmerTest's df are not those of its own point; the first that holds is named."""

EXPLAINING: dict[str, Predicate] = {
    "undetermined-variance": undetermined,
    "flat-optimum": flat_optimum,
    "lme4-normal-equations": equations_rounded,
    "sm-llf-conditioning": effects_rounded,
}
"""Why numbers differ between two fits at the optimum."""

ACCOMPANYING: dict[str, Predicate] = {
    "true-boundary": true_boundary,
    "singular-not-flagged": singular_not_flagged,
    "re-refused": random_effects_refused,
}
"""What a reader should know whatever the verdict."""

CONVERGENCE_CLAIMS: dict[str, Predicate] = {
    "false-convergence": false_convergence,
    "false-alarm": false_alarm,
}
"""What is wrong with what an engine says of its convergence."""

SINGULARITY_CLAIMS: dict[str, Predicate] = {
    "absolute-singularity": absolute_singularity,
    "singular-not-flagged": singular_not_flagged,
    "false-singular": false_singular,
}
"""What is wrong with what an engine says of a singular fit."""

STATED_ERRORS: dict[str, Predicate] = {
    "se-joint-hessian": joint_hessian,
}
"""Why stated standard errors are not sqrt diag (X'V^-1 X)^-1."""

STATED_TESTS: dict[str, Predicate] = {
    "z-for-t": normal_tests,
    "residual-df": residual_df,
}
"""Why stated df and p values are not Satterthwaite's."""

MOVED: dict[str, Callable[[Seen, Seen], str | None]] = {
    "unit-dependent-stop": unit_dependent_stop,
    "order-dependent-stop": order_dependent_stop,
}
"""Why an answer changes with what should not matter, given the same case in two forms."""

LMERTEST_HYPOTHESIS = "lmertest-hypothesis"
"""Why lmerTest's F differs; tested for in ``conformance/inference.py``, which has its table."""
