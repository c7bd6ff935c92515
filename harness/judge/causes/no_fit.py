"""Predicates for cases in which an engine gives no fit."""

from __future__ import annotations

from harness.judge.causes.view import View
from harness.judge.evidence import Evidence, found
from harness.judge.tolerances import load_tolerances
from harness.referee.crossproducts import aliased_columns

_SEARCH = "search "
"""Before the name of a search in the probes of a failure: its value is a log-likelihood."""


def aliased(view: View) -> Evidence | None:
    """X lacks column rank."""
    gone = aliased_columns(view.case.design.x)
    if not gone:
        return None
    names = tuple(view.case.design.x_names[j] for j in gone)
    return found("aliased-columns", columns=names)


def one_row_per_group(view: View) -> Evidence | None:
    """Every group of some term has one row."""
    n = len(view.case.design.y)
    for term in view.case.design.random:
        if len(term.levels) >= n:
            return found("one-row-per-group", item=term.group, groups=len(term.levels), rows=n)
    return None


def too_many_effects(view: View) -> Evidence | None:
    """Hold when a term has no fewer random effects than there are rows."""
    n = len(view.case.design.y)
    for term in view.case.design.random:
        count = term.width
        if len(term.levels) < n <= count:
            return found(
                "too-many-effects",
                item=term.group,
                levels=len(term.levels),
                effects=len(term.names),
                rows=n,
            )
    return None


def no_maximum(view: View) -> Evidence | None:
    """Hold when the likelihood grows without bound: wherever an engine stops is no optimum."""
    if not view.no_maximum:
        return None
    return found("no-maximum", message=view.no_maximum)


def singular_covariance(view: View) -> Evidence | None:
    """Hold when statsmodels raised at a covariance that it could not invert."""
    for failure in view.failures():
        if "singular-covariance" in failure.probes:
            probe = str(failure.probes["singular-covariance"])
            return found("sm-singular-covariance", failure.engine, probe=probe)
    return None


def search_error(view: View) -> Evidence | None:
    """Hold when another search of an engine has a fit where its own raised.

    The first that reaches the best point known is named, else the one that comes nearest.
    """
    if view.best is None:
        return None
    best = -0.5 * view.best.deviance
    allowed = load_tolerances()["loglik"].default
    for failure in view.failures():
        short = {
            probe.removeprefix(_SEARCH): best - float(loglik)
            for probe, loglik in failure.probes.items()
            if probe.startswith(_SEARCH)
        }
        if not short:
            continue
        reaching = [search for search, below in short.items() if below <= allowed]
        search = reaching[0] if reaching else min(short, key=lambda name: short[name])
        return found(
            "search-error",
            failure.engine,
            message=failure.text,
            search=search,
            short=max(short[search], 0.0),
            reached=bool(reaching),
            singular=view.best.optimality.singular,
        )
    return None


def engine_error(view: View) -> Evidence | None:
    """Hold when an engine gave no fit."""
    for failure in view.failures():
        if failure.reason not in ("unsupported", "left-out"):
            return found("engine-error", failure.engine, message=failure.text)
    return None
