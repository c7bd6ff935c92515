"""The two tables: tolerances and known differences, with nothing missing and nothing idle."""

import ast
import math
from pathlib import Path

import pytest
from msgspec.structs import replace

import harness.judge
from harness.judge.causes.entries import load_known
from harness.judge.tolerances import load_tolerances
from harness.referee.definitions import of_quantity
from tests.judge.planted import alter, judge

SOURCE = Path(harness.judge.__file__).parent


def words(*modules):
    """Every string constant of some modules that could be a cause."""
    found = set()
    for module in modules:
        tree = ast.parse((SOURCE / f"{module}.py").read_text(encoding="utf-8"))
        found |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return found


def test_every_known_difference_has_code_that_looks_for_it():
    named = {cause for cause, entry in load_known().items() if entry.definitions}
    assert set(load_known()) - named <= words(
        "causes/predicates", "causes/other_model", "causes/basis", "decision"
    )


def test_every_predicate_has_an_entry():
    from harness.judge.causes import predicates as causes

    tables = [table for table in vars(causes).values() if _is_predicates(table)]
    assert tables
    assert {cause for table in tables for cause in table} <= set(load_known())


def _is_predicates(value):
    return isinstance(value, dict) and value and all(map(callable, value.values()))


def test_every_definition_has_an_entry_of_that_kind():
    named = {cause: entry for cause, entry in load_known().items() if entry.definitions}
    assert named
    assert {entry.kind for entry in named.values()} == {"definition"}
    for entry in named.values():
        keys = [d.key for q in entry.quantities for d in of_quantity(q)]
        assert all(any(key.startswith(k) for key in keys) for k in entry.definitions)


def test_only_a_cause_of_one_programs_own_code_has_its_name_in_the_title():
    """Any engine can be told the others: a title that names statsmodels would be false of it."""
    programs = ("statsmodels", "MixedLM", "lme4", "lmerTest")
    of_one = {c for c, entry in load_known().items() if any(p in entry.title for p in programs)}
    assert of_one
    assert all(c.startswith(("sm-", "lme4-", "lmertest-", "absolute-")) for c in of_one)


@pytest.mark.parametrize("cause", load_known())
def test_an_entry_can_be_read_by_someone_who_meets_it_first(cause):
    entry = load_known()[cause]
    assert not entry.title.endswith(".")
    assert entry.definition.endswith(".")
    assert entry.evidence.endswith(".")
    assert entry.remedy.endswith(".") or cause == "engine-error"
    assert all("#" in issue for issue in entry.upstream)


def correlated(outcomes, value=0.5):
    """Fits of both engines that state a parameter of a residual covariance besides."""

    def change(fit):
        return replace(fit, residual=(("rho", value if fit.engine == "lme4" else 0.5),))

    return alter(alter(outcomes, "lme4", change), "statsmodels", change)


@pytest.mark.r
def test_every_row_of_the_tolerances_is_used_and_no_other(slope):
    """A random-slope fit with a residual covariance has every quantity that there is."""
    rung, outcomes = slope
    record = judge(rung, correlated(outcomes))
    assert {d.quantity for c in record.comparisons for d in c.differences} == set(load_tolerances())


@pytest.mark.parametrize("quantity", load_tolerances())
def test_tight_is_stricter_and_not_for_singular_fits(quantity):
    row = load_tolerances()[quantity]
    assert 0.0 < row.tight < row.default
    assert row.at("tight", singular=False) == row.tight
    assert row.at("tight", singular=True) == row.default
    assert row.at("default", singular=False) == row.at("default", singular=True) == row.default
    assert row.reason


@pytest.mark.r
@pytest.mark.parametrize(("rung", "singular"), [("dyestuff/REML", False), ("dyestuff2/REML", True)])
def test_singular_optima_are_held_to_the_default_tolerances(judged, rung, singular):
    table = load_tolerances()
    for c in judged(rung).comparisons:
        for d in c.differences:
            assert d.tolerance == table[d.quantity].at(c.setting, singular=singular)


@pytest.mark.r
def test_a_nan_is_never_within_whatever_the_quantity(slope):
    rung, outcomes = slope

    def hollow(fit):
        rows = tuple(
            replace(c, estimate=math.nan, se=math.nan, df=math.nan, statistic=math.nan, p=math.nan)
            for c in fit.coefficients
        )
        (term,) = fit.random
        nan = ((math.nan, math.nan),)
        return replace(
            fit,
            coefficients=rows,
            random=(replace(term, covariance=nan * 2, effects=nan * len(term.levels)),),
            residual_variance=math.nan,
            loglik=math.nan,
            fitted=(math.nan,) * fit.n_obs,
        )

    record = judge(rung, correlated(alter(outcomes, "lme4", hollow), math.nan))
    rows = [d for c in record.comparisons for d in c.differences]
    assert {d.quantity for d in rows} == set(load_tolerances())
    assert {d.quantity for d in rows if d.within} == set()


@pytest.mark.r
def test_differences_are_in_the_units_of_the_table(judged):
    """Each difference recomputed from the two values, as the head of the table defines it."""
    record = judged("dietox/slope/REML")
    table = load_tolerances()
    fit = record.fit("lme4")
    se = {c.name: c.se for c in fit.coefficients}
    floor = table["variance"].floor * fit.residual_variance
    (term,) = fit.random
    size = dict(zip(term.names, (max(term.covariance[i][i], floor) for i in (0, 1)), strict=True))
    for c in record.comparison("statsmodels").differences:
        gap = abs(c.value - c.reference)
        if c.quantity == "loglik":
            expected = gap
        elif c.quantity == "estimate":
            expected = gap / se[c.item]
        elif c.quantity == "p":
            decades = abs(math.log10(c.reference))
            expected = abs(math.log10(c.value) - math.log10(c.reference)) / max(1.0, decades)
        elif c.quantity == "variance":
            first, _, second = c.item.removeprefix("Pig: ").partition(" x ")
            expected = gap / math.sqrt(size[first] * size[second or first])
        elif c.quantity in ("random_effect", "fitted"):
            expected = gap / math.sqrt(fit.residual_variance)
        else:
            expected = gap / max(abs(c.reference), table[c.quantity].floor)
        # 1e-9 for the subtraction; the SE printed by lme4 and the referee's agree to 1e-9.
        assert c.difference == pytest.approx(expected, rel=1e-7, abs=1e-12)
        assert c.within == (c.difference <= c.tolerance)
