"""Predicates for the named causes of known_differences.toml.

Each looks at one engine's outcome, or at two fits, and returns the evidence when its cause holds.
The order of ``EXPLAINING`` and ``ACCOMPANYING`` is the order in which they are reported.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.judge.causes.basis import other_reference_level
from harness.judge.causes.claims import (
    absolute_boundary_warning,
    absolute_singularity,
    false_alarm,
    false_convergence,
    false_singular,
)
from harness.judge.causes.df_causes import (
    df_rounding,
    df_steps,
    lmertest_rounding,
    lmertest_steps,
    lmertest_units,
    residual_share,
    singular_df,
)
from harness.judge.causes.invariance import order_dependent_stop, unit_dependent_stop
from harness.judge.causes.mistakes import (
    covariance_sign,
    kept_off_boundary,
    other_criterion,
    rows_left_out,
    swapped_variances,
    wrong_divisor,
)
from harness.judge.causes.no_fit import (
    aliased,
    engine_error,
    no_maximum,
    one_row_per_group,
    search_error,
    singular_covariance,
    too_many_effects,
)
from harness.judge.causes.open_variances import undetermined, undetermined_failure
from harness.judge.causes.other_model import (
    constraint_ignored,
    crossed_as_nested,
    dropped_term,
    mutated_model,
)
from harness.judge.causes.residual_covariance import (
    endless_correlation,
    no_negative_correlation,
    open_sign,
    residual_bound,
    zero_start,
)
from harness.judge.causes.rounding import (
    beyond_precision,
    fixed_effects_rounded,
    inverted_covariance,
    normal_equations,
    rounded_loglik,
)
from harness.judge.causes.same_point import (
    as_near_as_their_gaps,
    points_near,
    true_to_itself,
)
from harness.judge.causes.standard_errors import pseudo_inverse
from harness.judge.causes.view import MIXEDLM, Pair, View
from harness.judge.causes.wrong_optimum import (
    column_trap,
    false_boundary,
    infinite_loglik,
    score_sign,
    stopped_short,
    two_optima,
    zeroed_fixed_effects,
)
from harness.judge.evidence import Evidence, found, with_more

Predicate = Callable[[View], Evidence | None]
"""Looks at one engine's outcome."""

PairPredicate = Callable[[Pair], Evidence | None]
"""Looks at two fits."""


def singular_not_flagged(view: View) -> Evidence | None:
    """Hold when the optimum is singular and an engine that is at it says it is not."""
    for fit, audit in view.judged():
        if audit.certificate == "boundary optimum" and fit.singular is False and fit.random:
            smallest = min(float(np.linalg.eigvalsh(np.array(t.covariance))[0]) for t in fit.random)
            return found(
                "singular-not-flagged", fit.engine, smallest=smallest / fit.residual_variance
            )
    return None


def flat_optimum(pair: Pair) -> Evidence | None:
    """Both fits are at the optimum, and differ as points of equal deviance may, or agree tight."""
    near = as_near_as_their_gaps(pair)
    if near is not None:
        return near
    audits = [audit for _, audit in pair.judged()]
    optimal = ("interior optimum", "boundary optimum")
    if len(audits) != 2 or not all(a.certificate in optimal for a in audits) or not pair.tight:
        return None
    one, two = audits
    return found(
        "flat-optimum",
        one=one.engine,
        two=two.engine,
        gap_one=max(one.gap, 0.0),
        gap_two=max(two.gap, 0.0),
        tight=True,
    )


def equations_rounded(pair: Pair) -> Evidence | None:
    """Hold when two fits at one point differ by what lme4's normal equations round."""
    near = points_near(pair)
    return None if near is None else _nearby(pair, normal_equations, near)


def effects_rounded(pair: Pair) -> Evidence | None:
    """Hold when two fits at one point differ by what statsmodels' inverse of cov_re rounds."""
    others = [v for v in pair.views if v.fit is not None and v.fit.fitter not in MIXEDLM]
    if not all(true_to_itself(v, *one) for v in others for one in v.judged()):
        return None
    near = points_near(pair)
    return None if near is None else _nearby(pair, inverted_covariance, near)


def _nearby(pair: Pair, predicate: Predicate, near: dict[str, float | str]) -> Evidence | None:
    """Add to what one of two engines rounds how near the two points are."""
    for view in pair.views:
        rounded = predicate(view)
        if rounded is not None:
            return with_more(rounded, **near)
    return None


def true_boundary(view: View) -> Evidence | None:
    """Hold when the best point is singular."""
    for fit, audit in view.judged():
        # A residual correlation at its bound is another matter.
        inside = view.best is not None and view.best.optimality.dual is None
        if audit.certificate == "boundary optimum" and not inside:
            dual: dict[str, float] = {} if audit.dual is None else {"dual": audit.dual}
            ranks = tuple(map(str, audit.ranks))
            return with_more(
                found("true-boundary", fit.engine, ranks=ranks, gap=max(audit.gap, 0.0)), **dual
            )
    return None


def random_effects_refused(view: View) -> Evidence | None:
    """Statsmodels gave variances but no random effects."""
    for fit, _ in view.judged():
        for message in fit.messages:
            if message.kind == "error" and message.text.startswith("random_effects:"):
                return found("re-refused", fit.engine, message=message.text)
    return None


NO_MAXIMUM: dict[str, Predicate] = {"no-maximum": no_maximum}
"""Why no point is the right one."""

FAILING: dict[str, Predicate] = {
    "aliased-columns": aliased,
    "one-row-per-group": one_row_per_group,
    "too-many-effects": too_many_effects,
    "beyond-precision": beyond_precision,
    "sm-singular-covariance": singular_covariance,
    "undetermined-variance": undetermined_failure,
    **NO_MAXIMUM,
    "search-error": search_error,
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
    "no-negative-correlation": no_negative_correlation,
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
    "zero-correlation-start": zero_start,
    "endless-correlation": endless_correlation,
    "two-optima": two_optima,
    "stopped-short": stopped_short,
    "lme4-normal-equations": normal_equations,
    "sm-llf-conditioning": fixed_effects_rounded,
}
"""Why a fit is not at the optimum."""

STATEMENTS: dict[str, Predicate] = {
    "sm-mutated-model": mutated_model,
    "sm-infinite-llf": infinite_loglik,
    "sm-llf-conditioning": rounded_loglik,
    "lme4-normal-equations": normal_equations,
}
"""Why a stated log-likelihood is not that of the fit's own estimates."""

STANDARD_ERRORS: dict[str, Predicate] = {
    "se-pseudo-inverse": pseudo_inverse,
}
"""Why an engine's standard errors are not those of its own variances."""

NUMERICAL_DF: dict[str, Predicate] = {
    "lmertest-units": lmertest_units,
    "lmertest-steps": lmertest_steps,
    "df-residual-share": residual_share,
    "singular-df": singular_df,
    "lmertest-rounding": lmertest_rounding,
    "df-steps": df_steps,
    "df-rounding": df_rounding,
}
"""Why an engine's df are not those of its own point; the first that holds is named."""

EXPLAINING: dict[str, PairPredicate] = {
    "flat-optimum": flat_optimum,
    "lme4-normal-equations": equations_rounded,
    "sm-llf-conditioning": effects_rounded,
}
"""Why numbers differ between two fits at the optimum."""

ACCOMPANYING: dict[str, Predicate] = {
    "undetermined-variance": undetermined,
    "true-boundary": true_boundary,
    "residual-bound": residual_bound,
    "open-sign": open_sign,
    "singular-not-flagged": singular_not_flagged,
    "re-refused": random_effects_refused,
    "absolute-boundary-warning": absolute_boundary_warning,
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

MOVED: dict[str, Callable[[View, View], Evidence | None]] = {
    "unit-dependent-stop": unit_dependent_stop,
    "order-dependent-stop": order_dependent_stop,
}
"""Why an answer changes with what should not matter, given the same case in two forms."""

LMERTEST_HYPOTHESIS = "lmertest-hypothesis"
"""Why lmerTest's F differs; tested for in ``conformance/inference.py``, which has its table."""
