"""What MixedLM says to the rows as they are, and to the complete ones."""

from __future__ import annotations

from dataclasses import dataclass

from harness.base.text import number
from harness.diagnose.diagnosis import Remedy, Snapshot
from harness.diagnose.remedy_code import stacked
from harness.diagnose.remodel import preparation
from harness.diagnose.workshop import Workshop
from harness.engines.engine import Fit
from harness.spelling.mixedlm_spelling import mixedlm_spelling, python_call
from harness.spelling.patsy_language import NotExpressible


def incomplete_rows(shop: Workshop) -> Remedy | None:
    """Give MixedLM the rows as they are, and then the complete ones."""
    case = shop.bench.case
    outcome = shop.record.fit("statsmodels")
    if not isinstance(outcome, Fit) or not case.design.random:
        return None
    if shop.opened.given is not None:  # a result is there: its rows were dropped
        return None
    try:
        written = case.in_columns
        spelling = mixedlm_spelling(written.model, written.table, aliased=True)
    except NotExpressible:
        return None
    if not spelling.group or len(spelling.group) > 1 or spelling.vc_formula:
        return None
    trial = _mixedlm_on_all_rows(shop, spelling.formula, spelling.group[0], spelling.re_formula)
    before = Snapshot(
        engine="statsmodels",
        formula=case.model.formula.text,
        text=f"MixedLM on all {case.table.n_rows} rows: {trial.words}",
    )
    after = shop.before("statsmodels")
    return Remedy(
        kind="rows",
        title="drop the incomplete rows, by the columns of the model",
        engine="statsmodels",
        python_code=stacked(preparation(shop.bench.rung)[1], python_call(case.model, case.table)),
        helped=bool(trial.error),
        before=before,
        after=after,
        sentence=f"on all {case.table.n_rows} rows {trial.words}; on the {outcome.n_obs} complete "
        f"ones it has a log-likelihood of {number(after.loglik)}, "
        f"{number(max(after.gap or 0.0, 0.0))} below the best",
    )


@dataclass(frozen=True)
class _Trial:
    """MixedLM on rows with missing values: the error it raised, or the rows it fitted."""

    error: str = ""
    rows: int = 0

    @property
    def words(self) -> str:
        return f"it raises {self.error}" if self.error else f"it fits {self.rows} rows"


def _mixedlm_on_all_rows(shop: Workshop, formula: str, group: str, effects: str | None) -> _Trial:
    import statsmodels.formula.api as smf

    from harness.engines.warning_capture import captured

    case = shop.bench.case
    frame = case.in_columns.table.frame(aliased=True)
    alias = case.in_columns.table.alias
    column = alias.get(f"factor({group})", alias[group])
    try:
        with captured([]):
            result = smf.mixedlm(formula, frame, groups=frame[column], re_formula=effects).fit(
                reml=case.model.criterion == "REML"
            )
    except Exception as error:  # whatever it raises is what a user would see
        first = str(error).strip().splitlines()
        return _Trial(error=f"{type(error).__name__} ({first[0] if first else ''})")
    return _Trial(rows=int(result.nobs))
