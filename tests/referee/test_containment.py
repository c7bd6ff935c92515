"""Degrees of freedom by levels are nlme's, and are known where an engine states them."""

import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from harness.conformance.planted_engines import PlantedEngine
from harness.conformance.properties import PROPERTIES
from harness.data.datasets import Dataset
from harness.data.ladder import full_ladder
from harness.data.own_table import own_rung
from harness.engines.lme4 import r_columns
from harness.referee.containment import containment_df
from harness.referee.counted_df import (
    between_within_df,
    containment_rank_df,
    group_equations_df,
    residual_xz_df,
)
from harness.referee.satterthwaite import two_sided_p

PROGRAM = """
data <- read.csv("data.csv", stringsAsFactors = TRUE)
fit <- function(fixed, random) {
  as.list(nlme::lme(fixed, data, random, control = nlme::lmeControl(returnObject = TRUE))$fixDF$X)
}
found <- list(
  fit(y ~ x, ~ x | school), fit(y ~ x + w, ~ 1 | school), fit(y ~ x + w + v, ~ 1 | school / class),
  fit(y ~ v * w, ~ 1 | school / class), fit(y ~ 0 + x + w, ~ 1 | school / class),
  fit(y ~ 1, ~ 1 | school), fit(y ~ f, ~ 1 | school / class), fit(y ~ 1, ~ 1 | few),
  fit(y ~ x, ~ 1 | few), fit(y ~ 1, ~ 1 | school / few)
)
cat(jsonlite::toJSON(found, auto_unbox = TRUE, digits = NA))
"""

MODELS = (
    "y ~ x + (x | school)",
    "y ~ x + w + (1 | school)",
    "y ~ x + w + v + (1 | school/class)",
    "y ~ v * w + (1 | school/class)",
    "y ~ 0 + x + w + (1 | school/class)",
    "y ~ 1 + (1 | school)",
    "y ~ f + (1 | school/class)",
    # More groups than there are rows within them.
    "y ~ 1 + (1 | few)",
    "y ~ x + (1 | few)",
    "y ~ 1 + (1 | school/few)",
)


@pytest.fixture(scope="module")
def frame():
    """Seven schools of unequal size; w is of a school, v of a class, x and f of a pupil."""
    rng = np.random.default_rng(8)
    rows = []
    for school in range(7):
        w = round(rng.normal(), 3)
        for group in range(2 + school % 3):
            v = round(rng.normal(), 3)
            shift = rng.normal()
            for _ in range(3 + (school + group) % 4):
                x, f = round(rng.normal(), 3), "abc"[rng.integers(3)]
                y = round(x + w + v + shift + rng.normal(), 3)
                rows.append((y, x, f, w, v, f"s{school}", f"c{group}", f"k{len(rows) // 3 * 2}"))
                if len(rows) % 3 == 0:
                    rows[-1] = (*rows[-1][:-1], f"k{len(rows)}b")
    return pd.DataFrame(rows, columns=["y", "x", "f", "w", "v", "school", "class", "few"])


@pytest.fixture(scope="module")
def nlme(frame, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nlme")
    frame.to_csv(folder / "data.csv", index=False)
    done = subprocess.run(
        [shutil.which("Rscript"), "--vanilla", "-e", PROGRAM],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return dict(zip(MODELS, json.loads(done.stdout), strict=True))


@pytest.mark.r
@pytest.mark.parametrize("formula", MODELS)
def test_df_by_levels_are_those_of_nlme(formula, frame, nlme):
    case = own_rung("case", Dataset("schools", frame, "drawn"), formula, "REML").case
    assert containment_df(case.design) == tuple(map(float, nlme[formula].values()))


FIXED = (
    "x", "w", "v", "f", "x + w", "x + v + w", "x * w", "x * v", "v * w", "f * w", "x * f", "f * v",
)  # fmt: skip
RANDOM = ("1 | school", "x | school", "1 | school/class", "x | school/class")


def parts(name, of):
    """A coefficient's name as the set of its parts, without signs of coding."""
    bare = re.sub(r"\[(T\.)?([^]]*)\]", r"\2", name)
    return frozenset(of.get(part, part) for part in bare.split(":"))


@pytest.mark.r
@pytest.mark.parametrize("random", RANDOM)
@pytest.mark.parametrize("fixed", FIXED)
def test_df_of_forty_eight_models_are_those_of_nlme(r, frame, fixed, random):
    """Covariates within and between, factors and interactions, in two and in three levels."""
    formula = f"y ~ {fixed} + ({random})"
    case = own_rung("case", Dataset("schools", frame, "drawn"), formula, "REML").case
    alias = case.table.alias

    def aliased(text):
        return re.sub(r"[a-z]+", lambda found: alias.get(found[0], found[0]), text)

    request = {"columns": r_columns(case.table)}
    request |= {"fixed": aliased(f"y ~ {fixed}"), "random": aliased(f"~ {random}")}
    theirs = r.call("oracle_nlme_df", request)
    back = {f"{alias[n]}{level}": f"{n}{level}" for n in ("f",) if n in alias for level in "abc"}
    back |= {short: name for name, short in alias.items()}
    back["(Intercept)"] = "Intercept"
    names = [parts(name, back) for name in theirs.texts("names")]
    ours = dict(
        zip((parts(n, {}) for n in case.design.x_names), containment_df(case.design), strict=True)
    )
    assert ours == dict(zip(names, theirs.numbers("df").tolist(), strict=True))


def ladder(name):
    return next(rung.case for rung in full_ladder() if rung.case.id == name)


def test_published_df_of_sleepstudy_and_of_crossed_factors_none():
    """18 subjects, 180 rows: 180 - 18 - 1 for both, as nlme's summary has them."""
    assert containment_df(ladder("sleepstudy/slope/REML").design) == (161.0, 161.0)
    assert containment_df(ladder("penicillin/REML").design) is None


def counting(count, declared):
    """Return an engine that tests with df by a rule that counts, and says which or not."""

    def change(case, fit):
        rows = tuple(
            replace(c, df=d, p=two_sided_p(c.statistic, d))
            for c, d in zip(fit.coefficients, count(case.design), strict=True)
        )
        said = {k: v for k, v in fit.definitions.items() if k != "df"}
        return replace(fit, coefficients=rows, definitions=said | declared)

    return PlantedEngine("counting", change)


@pytest.mark.parametrize(
    ("model", "key", "count", "cause"),
    [
        ("sleepstudy/slope/REML", "containment-levels", containment_df, "containment-df"),
        ("sleepstudy/intercept/REML", "containment", containment_rank_df, "containment-rank-df"),
        ("sleepstudy/slope/REML", "residual-xz", residual_xz_df, "containment-rank-df"),
        ("sleepstudy/slope/REML", "between-within", between_within_df, "between-within-df"),
        (
            "sleepstudy/intercept/REML",
            "group-equations",
            group_equations_df,
            "group-equations-df",
        ),
    ],
)
@pytest.mark.parametrize("declared", [True, False])
def test_df_by_a_rule_that_counts_are_a_definition_declared_or_recognised(
    model, key, count, cause, declared
):
    case, engine = ladder(model), counting(count, {"df": key} if declared else {})
    tests = PROPERTIES["honesty.tests"].check(engine, case)
    assert (tests.verdict, tests.causes) == ("DEFINITION", (cause,))
    agreement = PROPERTIES["referee.agreement"].check(engine, case)
    assert agreement.status == "holds"
