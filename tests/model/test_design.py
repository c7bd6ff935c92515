"""Design matrices are those of lme4::lFormula, up to the order and choice of aliased columns."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from harness.model.case import Case
from harness.model.column_match import match_columns
from harness.model.model import bind, parse_model
from harness.model.table import NumericColumn
from harness.spelling.lme4_spelling import lme4_formula


def _frame():
    rng = np.random.default_rng(1)
    n = 72
    frame = pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "w": rng.uniform(1, 3, size=n),
            "f": rng.choice(list("abc"), n),
            "h": rng.choice(["u", "v"], n),
            "odd": rng.choice(["_", "a", "A", "b", "B", "é"], n),
            "num": rng.choice([2, 10, 1], n),
            "g": np.repeat(np.arange(12), 6),
            "b": np.tile(np.arange(3), 24),
            "s": np.tile(np.repeat(list("pqrs"), 3), 6),
            "a b": rng.normal(size=n),
            "größe": rng.normal(size=n),
            "C": rng.choice(["k", "l"], n),
            "I": rng.normal(size=n),
            "flag": rng.choice([True, False], n),
            "t": np.tile([0.0, 1.0, 2.0, 3.0], 18),
        }
    )
    frame["m"] = frame.x.where(rng.uniform(size=n) > 0.1)
    frame["gone"] = frame.f.where(frame.f != "a")
    frame["unused"] = pd.Categorical(frame.f, categories=["c", "zz", "b", "a"])
    return frame


FRAME = _frame()


def case_of(text):
    model = parse_model(text)
    return Case(text, model, bind(model, FRAME))


def r_columns(table):
    """The columns in the form of r_scripts/data.R."""
    return {
        table.alias[c.name]: c.values
        if isinstance(c, NumericColumn)
        else {"codes": (c.codes + 1).astype(np.int32), "levels": c.levels}
        for c in table.columns
    }


@dataclass
class RTerm:
    z: np.ndarray
    codes: np.ndarray
    levels: tuple


@dataclass
class RDesign:
    y: np.ndarray
    x: np.ndarray
    dropped: int
    rows: np.ndarray
    terms: list


def r_design(r, case):
    reply = r.call(
        "oracle_design",
        {"columns": r_columns(case.table), "formula": lme4_formula(case.model, case.table.alias)},
    )
    y = reply.numbers("y")
    n = len(y)
    at = dict.fromkeys(("z", "codes", "level_names"), 0)

    def take(name, count):
        at[name] += count
        return reply[name][at[name] - count : at[name]]

    terms = []
    for q, k in zip(reply.numbers("size"), reply.numbers("levels"), strict=True):
        terms.append(
            RTerm(
                np.reshape(take("z", n * int(q)), (n, int(q)), order="F"),
                np.asarray(take("codes", n)).astype(int) - 1,
                tuple(take("level_names", int(k))),
            )
        )
    x = reply.numbers("x").reshape((n, -1), order="F")
    rows = reply.numbers("rows").astype(int) - 1
    return RDesign(y, x, len(reply.texts("dropped")), rows, terms)


def same_space(a, b):
    both = np.linalg.matrix_rank(np.hstack([a, b]))
    return np.linalg.matrix_rank(a) == np.linalg.matrix_rank(b) == both


def has_term(wanted, terms, *, same_columns=True):
    """Whether R has a term with these groups (levels in the same order) and effects."""
    for term in terms:
        if term.levels == wanted.levels and np.array_equal(term.codes, wanted.codes):
            if match_columns(wanted.z, term.z).complete:
                return True
            if not same_columns and same_space(wanted.z, term.z):
                return True
    return False


SAME_COLUMNS = [
    "y ~ x + (1 | g)",
    "y ~ f + (1 | g)",
    "y ~ f*h + (1 | g)",
    "y ~ 0 + f + (1 | g)",
    "y ~ f + h - 1 + (1 | g)",
    "y ~ 0 + x + f + (1 | g)",
    "y ~ 0 + f*h + (1 | g)",
    "y ~ 0 + f:h + (1 | g)",
    "y ~ h + f:h + (1 | g)",
    "y ~ f*h - f + (1 | g)",
    "y ~ x*f - x + (1 | g)",
    "y ~ f:x + (1 | g)",
    "y ~ 0 + f:x + (1 | g)",
    "y ~ f/x + (1 | g)",
    "y ~ f/h + (1 | g)",
    "y ~ h/(x + t) + (1 | g)",
    "y ~ (f + h)/x + (1 | g)",
    "y ~ (x + f + h)^2 - f:h + (1 | g)",
    "y ~ f*h*x - x - f:h + (1 | g)",
    "y ~ I(x^2) + log(w) + (1 | g)",
    "y ~ I(-x^2) + I(2^-t) + I(x/w*t) + I(x - w - t) + (1 | g)",
    "y ~ abs(x) + exp(x) + log1p(w) + log10(w) + sqrt(w) + (1 | g)",
    "y ~ unused + (1 | unused)",
    "y ~ m + gone + (1 | gone)",
    "y ~ odd + (1 | odd)",
    "y ~ factor(num) + (1 | num)",
    "y ~ num + (1 | num)",
    "y ~ factor(t) + (t | num)",
    "y ~ `a b` + größe + (`a b` | g)",
    "y ~ C*I + (C + I | s)",
    "y ~ flag + (flag | s)",
    "log(w) ~ x + (1 | g)",
    "sqrt(w) + y/w ~ x + (1 | g)",
    "y ~ x + (0 + x | g)",
    "y ~ x + (x || g)",
    "y ~ f + (f | s)",
    "y ~ f + (0 + f | s)",
    "y ~ f + (f || s)",
    "y ~ x + (x*t | s)",
    "y ~ x + (x + t || s)",
    "y ~ x + (0 + f:x | s)",
    "y ~ x + (0 + f:h | s)",
    "y ~ x + (1 | g:b)",
    "y ~ 1 + (1 | g) + (1 | s)",
    "y ~ x + (1 | f:h) + (1 | f)",
    "y ~ poly(`a b`, 2) + C(C, contr.sum)*I + (1 | g)",
    "y ~ scale(größe) + C(odd, contr.helmert) + (scale(größe) | s)",
    "y ~ ns(w, 3) + (ns(w, 2) | g)",
    "y ~ C(f, contr.sum)*x + (C(f, contr.sum) | s)",
    "y ~ bs(x, 4):h + (scale(x) || s)",
    "y ~ relevel(f, ref = 'c') + (0 + C(h, contr.helmert) | g)",
    "y ~ C(flag, contr.sum) + poly(t, 2) + (poly(t, 2) || s)",
    "scale(y) ~ x + (1 | g)",
    "log(w) ~ C(unused, contr.poly) + (1 | unused)",
]


@pytest.mark.r
@pytest.mark.parametrize("text", SAME_COLUMNS)
def test_columns_groups_and_levels_are_those_of_lme4(r, text):
    case = case_of(text)
    ours, theirs = case.design, r_design(r, case)
    assert np.array_equal(ours.rows, theirs.rows)
    # Division, powers and logarithms may differ in the last bit between numpy and libm, means in a
    # few of the last bits of the largest number.
    assert np.allclose(ours.y, theirs.y, rtol=1e-15, atol=1e-15 * np.abs(ours.y).max())
    assert match_columns(ours.x, theirs.x).complete
    assert len(ours.random) == len(theirs.terms)
    assert all(has_term(term, theirs.terms) for term in ours.random)


@pytest.mark.r
@pytest.mark.parametrize(
    "text",
    [
        "y ~ f:h + (1 | g)",
        "y ~ f*h - f - h + (1 | g)",
        "y ~ (f + x)/h + (1 | g)",
        "y ~ factor(t)*t + (1 | g)",
        "y ~ f*h*unused + (1 | g)",
        "y ~ log(w) + log2(w) + (1 | g)",
    ],
)
def test_where_columns_are_aliased_the_column_space_is_lme4s(r, text):
    """R writes down one column too many for f:h alone and then drops an aliased one."""
    case = case_of(text)
    theirs = r_design(r, case)
    assert theirs.dropped > 0
    assert same_space(case.design.x, theirs.x)


@pytest.mark.r
def test_redundant_random_effects_columns_of_r_span_the_same_space(r):
    """(f:h | s) has seven columns of rank six in R; every covariance of six is one of seven."""
    case = case_of("y ~ x + (f:h | s)")
    theirs = r_design(r, case)
    assert theirs.terms[0].z.shape[1] == 7
    assert case.design.random[0].z.shape[1] == 6
    assert has_term(case.design.random[0], theirs.terms, same_columns=False)


@pytest.mark.r
def test_r_codes_a_factor_too_sparsely_beside_its_product_with_a_number(r):
    """In y ~ x:h + f:h R takes x:h for the margin of f:h and loses h; patsy's manual describes it.

    The design here has the full interaction, so a fit by R is another model and must be told so.
    """
    case = case_of("y ~ x:h + f:h + (1 | g)")
    theirs = r_design(r, case)
    assert np.linalg.matrix_rank(case.design.x) == 8
    assert np.linalg.matrix_rank(theirs.x) == 7
    assert np.linalg.matrix_rank(np.hstack([case.design.x, theirs.x])) == 8


@pytest.mark.r
@pytest.mark.parametrize("text", ["y ~ x + (1 | g/b)", "y ~ x + (x | g/b)", "y ~ 1 + (1 | s/b:h)"])
def test_nested_groups_divide_the_rows_as_lme4_does(r, text):
    """lme4 writes the inner factor first, b:g, and so orders the levels otherwise."""
    case = case_of(text)
    theirs = r_design(r, case)
    assert len(case.design.random) == len(theirs.terms)
    for ours in case.design.random:
        partners = [
            term
            for term in theirs.terms
            if len(np.unique(np.column_stack([ours.codes, term.codes]), axis=0))
            == len(ours.levels)
            == len(term.levels)
        ]
        assert len(partners) == 1
        assert match_columns(ours.z, partners[0].z).complete


def test_column_names_are_the_users_with_levels_in_brackets():
    assert case_of("y ~ f*x + factor(num) + I(x^2) + `a b`").design.x_names == (
        "Intercept",
        "f[T.b]",
        "f[T.c]",
        "x",
        "num[T.2]",
        "num[T.10]",
        "I(x^2)",
        "a b",
        "f[T.b]:x",
        "f[T.c]:x",
    )


def test_grouping_levels_without_a_row_are_dropped():
    term = case_of("y ~ m + (1 | unused)").design.random[0]
    assert term.levels == ("c", "b", "a")
    assert sorted(set(term.codes.tolist())) == [0, 1, 2]


def test_a_level_that_only_incomplete_rows_have_leaves_the_fixed_effects():
    frame = pd.DataFrame({"y": [1.0, 2.0, np.nan], "f": ["b", "c", "a"]})
    model = parse_model("y ~ f")
    assert Case("", model, bind(model, frame)).design.x_names == ("Intercept", "f[T.c]")


def test_several_terms_on_one_factor_share_its_levels():
    first, second = case_of("y ~ x + (1 | g) + (0 + x | g)").design.random
    assert first.levels == second.levels
    assert np.array_equal(first.codes, second.codes)


@pytest.mark.parametrize(
    "text",
    [
        "y ~ poly(x, 2)*f + (1 | g)",
        "y ~ C(f, Sum)*x + (x || g)",
        "log(w) ~ C(f, Helmert)*ns(x, 3) + (C(h, Sum) | g) + (1 | s)",
        "scale(y) ~ x + (poly(x, 2) | g)",
        "y ~ m + scale(x) + (scale(x) | g:b)",
        "y ~ 0 + C(f, Sum):x + C(h, Poly)",
        "y ~ poly(w, 2) + (1 | m) + (0 + m | g)",
        "y ~ poly(w, 2) + m + (1 | m)",
    ],
)
def test_in_columns_the_design_is_the_same(text):
    case = case_of(text)
    other = case.in_columns
    assert np.array_equal(other.design.y, case.design.y)
    assert np.array_equal(other.design.x, case.design.x)
    assert np.array_equal(other.design.rows, case.design.rows)
    for a, b in zip(case.design.random, other.design.random, strict=True):
        assert np.array_equal(a.z, b.z)
        assert np.array_equal(a.codes, b.codes)
    assert other.in_columns is other


def test_a_model_of_plain_columns_is_given_as_it_is():
    case = case_of("y ~ log(w) + f*x + I(x^2) + (x | g)")
    assert case.in_columns is case
