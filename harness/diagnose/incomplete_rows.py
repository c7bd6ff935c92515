"""What MixedLM says to the rows as they are, and to the complete ones."""

from __future__ import annotations

from harness.diagnose.diagnosis import Remedy, Snapshot
from harness.diagnose.phrases import number
from harness.diagnose.remedies import Workshop
from harness.diagnose.remedy_code import stacked
from harness.diagnose.remodel import preparation
from harness.engines.engine import Fit
from harness.spelling.calls import NotExpressible, mixedlm_spelling, python_call


def incomplete_rows(shop: Workshop) -> Remedy | None:
    """Give MixedLM the rows as they are, and then the complete ones."""
    case = shop.bench.case
    outcome = shop.record.fit("statsmodels")
    if not isinstance(outcome, Fit) or not case.design.random:
        return None
    try:
        spelling = mixedlm_spelling(case.model, case.table, aliased=True)
    except NotExpressible:
        return None
    if not spelling.group or len(spelling.group) > 1 or spelling.vc_formula:
        return None
    said = _mixedlm_on_all_rows(shop, spelling.formula, spelling.group[0], spelling.re_formula)
    before = Snapshot(
        engine="statsmodels",
        formula=case.model.formula.text,
        text=f"MixedLM on all {case.table.n_rows} rows: {said}",
    )
    after = shop.before("statsmodels")
    helped = said.startswith("it raises")
    return Remedy(
        kind="rows",
        title="drop the incomplete rows, by the columns of the model",
        engine="statsmodels",
        python_code=stacked(preparation(shop.bench.rung)[1], python_call(case.model, case.table)),
        helped=helped,
        before=before,
        after=after,
        sentence=f"on all {case.table.n_rows} rows {said}; on the {outcome.n_obs} complete ones "
        f"it has a log-likelihood of {number(after.loglik)}, {number(max(after.gap or 0.0, 0.0))} "
        "below the best",
    )


def _mixedlm_on_all_rows(shop: Workshop, formula: str, group: str, effects: str | None) -> str:
    import statsmodels.formula.api as smf

    from harness.engines.warning_capture import captured

    case = shop.bench.case
    frame = case.table.frame(aliased=True)
    alias = case.table.alias
    column = alias.get(f"factor({group})", alias[group])
    try:
        with captured([]):
            result = smf.mixedlm(formula, frame, groups=frame[column], re_formula=effects).fit(
                reml=case.model.criterion == "REML"
            )
    except Exception as error:  # whatever it raises is what a user would see
        first = str(error).strip().splitlines()
        return f"it raises {type(error).__name__} ({first[0] if first else ''})"
    return f"it fits {int(result.nobs)} rows"
