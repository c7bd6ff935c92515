"""Real fits with one thing in them altered."""

import numpy as np
from msgspec.structs import replace

from harness.data.datasets import Dataset
from harness.data.rungs import Rung
from harness.engines.lme4 import Lme4Engine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.case_record import case_record
from harness.judge.judge import judge_outcomes
from harness.model.case import Case
from harness.model.model import bind, parse_model

SETTINGS = ("default", "tight")


def rung_of(frame, formula, criterion="REML", **options):
    model = parse_model(formula, criterion)
    case = Case("own", model, bind(model, frame, **options))
    return Rung(case, "own", "", case.design.x_names[-1], Dataset("own", frame, "made here"))


def fits(rung, session):
    """Both engines in both settings."""
    engines = (StatsmodelsEngine(), Lme4Engine(session))
    return [engine.fit(rung.case, setting) for setting in SETTINGS for engine in engines]


def judge(rung, outcomes):
    judged = judge_outcomes(
        rung.case,
        outcomes,
        engines=("statsmodels", "lme4"),
        reference="lme4",
        settings=SETTINGS,
    )
    return case_record(judged, rung)


def alter(outcomes, engine, change):
    """Change what one engine returned, in both settings."""
    return [change(o) if o.engine == engine else o for o in outcomes]


def covariance(change):
    """Return a change of the covariance matrix of a fit's only term."""

    def changed(fit):
        (term,) = fit.random
        matrix = np.asarray(change(np.array(term.covariance)), dtype=float)
        return replace(fit, random=(replace(term, covariance=tuple(map(tuple, matrix.tolist()))),))

    return changed


def coefficients(**columns):
    """Return a change of columns of the coefficient table, each a function of a row."""

    def changed(fit):
        rows = [
            replace(row, **{name: change(row) for name, change in columns.items()})
            for row in fit.coefficients
        ]
        return replace(fit, coefficients=tuple(rows))

    return changed


def term(**fields):
    """Return a change of fields of a fit's only random term, each a function of the term."""

    def changed(fit):
        (own,) = fit.random
        new = {name: change(own) for name, change in fields.items()}
        return replace(fit, random=(replace(own, **new),))

    return changed


def both(*changes):
    """Return several changes as one."""

    def changed(fit):
        for change in changes:
            fit = change(fit)
        return fit

    return changed


ENGINES = ("statsmodels", "lme4")


OTHER = dict(zip(ENGINES, reversed(ENGINES), strict=True))


def said(record):
    """Class, engines and causes in the default setting."""
    found = record.comparison("statsmodels")
    return found.verdict, found.blamed, found.causes


def outside(record, setting="default"):
    rows = record.comparison("statsmodels", setting).differences
    return {d.quantity for d in rows if not d.within}
