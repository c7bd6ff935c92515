"""Functions and codings of a formula have R's numbers, and nothing else can be called."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.engines.lme4 import r_columns
from harness.model.bases import poly_columns
from harness.model.case import Case
from harness.model.coding import Coding, coding_columns
from harness.model.model import bind, parse_model
from harness.spelling.lme4_spelling import lme4_formula

DIGITS = 1e-12
"""Of the largest number of a column. R's poly() is a QR factorisation of powers and loses more with
the degree, so that tests of high degrees compare with exact arithmetic instead."""


def r_matrix(r, case):
    reply = r.call(
        "oracle_model_matrix",
        {"columns": r_columns(case.table), "formula": lme4_formula(case.model, case.table.alias)},
    )
    return reply.numbers("x").reshape((len(case.design.y), -1), order="F"), reply.texts("names")


def unmatched(ours, theirs):
    """Columns without a partner in the other matrix, each partner taken once."""
    free, lost = list(range(theirs.shape[1])), []
    for j, column in enumerate(ours.T):
        near = [
            k for k in free if np.abs(theirs[:, k] - column).max() <= DIGITS * np.abs(column).max()
        ]
        if near:
            free.remove(near[0])
        else:
            lost.append(j)
    return lost, free


def of(frame, text):
    model = parse_model(text)
    return Case(text, model, bind(model, frame))


def frames():
    rng = np.random.default_rng(7)
    n = 90
    even = pd.DataFrame({"x": np.tile(np.arange(10.0), 9), "f": np.repeat(list("abc"), 30)})
    years = pd.DataFrame(
        {"x": rng.integers(1990, 2021, n).astype(float), "f": rng.choice(list("wz"), n)}
    )
    tiny = pd.DataFrame({"x": rng.lognormal(-9, 2, n), "f": rng.choice([3, 20, 100, 7], n)})
    ties = pd.DataFrame(
        {"x": rng.choice([0.0, 0.5, 1.0, 7.0, 7.5, 9.0], n), "f": np.tile(list("qrstuv"), 15)}
    )
    for frame in (even, years, tiny, ties):
        frame["y"] = rng.normal(size=n)
        frame["g"] = np.repeat(np.arange(15), 6)
    return {"even": even, "years": years, "tiny": tiny, "ties": ties}


FUNCTIONS = [
    "scale(x)",
    "center(x)",
    "scale(x, center = FALSE)",
    "scale(x, TRUE, FALSE)",
    "poly(x, 1)",
    "poly(x, 3)",
    "poly(x, degree = 2, raw = TRUE)",
    "bs(x)",
    "bs(x, df = 5)",
    "bs(x, 6, degree = 2)",
    "bs(x, df = 2, degree = 1, intercept = TRUE)",
    "ns(x)",
    "ns(x, 3)",
    "ns(x, df = 4, intercept = TRUE)",
    "I(sin(2*pi*x) + cos(x)^2)",
    "sin(x) + cos(x)",
    "scale(sqrt(abs(x)))",
    "poly(I(x/2 + 1), 2)",
    "poly(x, 2)*factor(f)",
    "ns(x, 2):factor(f)",
    "scale(x)*factor(f) - 1",
    "I(scale(x)^2) + 0",
    "C(factor(f), contr.sum)",
    "C(factor(f), contr.helmert)*x",
    "C(factor(f), contr.SAS) + x",
    "C(factor(f), contr.poly):x + x",
    "C(factor(f), contr.sum):x",
    "0 + C(factor(f), contr.helmert)",
    "C(factor(f), contr.poly)*poly(x, 2)",
]


@pytest.mark.r
@pytest.mark.parametrize("frame", list(frames()))
@pytest.mark.parametrize("text", FUNCTIONS)
def test_columns_are_those_of_model_matrix(r, text, frame):
    case = of(frames()[frame], f"y ~ {text}")
    theirs, names = r_matrix(r, case)
    lost, free = unmatched(case.design.x, theirs)
    assert (lost, free) == ([], [])
    assert len(names) == len(case.design.x_names)


@pytest.mark.r
@pytest.mark.parametrize("frame", list(frames()))
def test_the_reference_may_be_any_level(r, frame):
    data = frames()[frame]
    for level in sorted({str(v) for v in data.f}):
        case = of(data, f'y ~ relevel(factor(f), ref = "{level}")*x')
        theirs, _ = r_matrix(r, case)
        assert unmatched(case.design.x, theirs) == ([], [])


@pytest.mark.r
@pytest.mark.parametrize(
    "knots",
    ["knots = 4.5", "knots = c(2, 3, 8.25)", "knots = c(5, 5)", "degree = 2, knots = c(1, 2)"],
)
def test_knots_may_be_given(r, knots):
    case = of(frames()["even"], f"y ~ bs(x, {knots})")
    theirs, _ = r_matrix(r, case)
    assert unmatched(case.design.x, theirs) == ([], [])
    if "degree" not in knots:
        case = of(frames()["even"], f"y ~ ns(x, {knots})")
        theirs, _ = r_matrix(r, case)
        assert unmatched(case.design.x, theirs) == ([], [])


@pytest.mark.r
@pytest.mark.parametrize("text", ["ns(x, 3)", "ns(x, 4)", "ns(x, 6)", "ns(x, 5, intercept = TRUE)"])
def test_knots_at_quantiles_may_fall_on_one_another(r, text):
    frame = frames()["even"]
    frame["x"] = np.where(np.arange(90) % 3 > 0, 5.0, frame.x)
    case = of(frame, f"y ~ {text}")
    theirs, _ = r_matrix(r, case)
    assert unmatched(case.design.x, theirs) == ([], [])


@pytest.mark.r
def test_what_depends_on_all_rows_takes_those_where_its_own_column_is_there(r):
    """R's model.frame evaluates variables before it leaves out incomplete rows."""
    frame = frames()["ties"]
    frame.loc[[2, 40], "y"] = np.nan
    frame.loc[[5, 60], "x"] = np.nan
    for text in ("scale(x)", "bs(x, 4)", "ns(x, 3)", "center(x)"):
        case = of(frame, f"y ~ {text}")
        theirs, _ = r_matrix(r, case)
        assert len(case.design.y) == 86
        assert unmatched(case.design.x, theirs) == ([], [])
    known = frame.x.dropna()
    scaled = of(frame, "y ~ scale(x)").design
    wanted = ((frame.x - known.mean()) / known.std(ddof=1)).to_numpy()[scaled.rows]
    assert np.allclose(scaled.x[:, 1], wanted, rtol=1e-14, atol=1e-14)


@pytest.mark.r
def test_a_coding_is_of_the_levels_of_complete_rows(r):
    """With a level that no complete row has R would drop the coding, with a warning."""
    frame = frames()["ties"]
    frame.loc[frame.f == "q", "y"] = np.nan
    case = of(frame, "y ~ C(factor(f), contr.sum)")
    theirs, _ = r_matrix(r, case)
    assert case.design.x.shape[1] == 5
    assert unmatched(case.design.x, theirs) == ([], [])


def test_orthonormal_polynomials_of_high_degree_keep_their_digits():
    """Discrete polynomials on equal distances are rational: Gram's, by their recurrence."""
    from fractions import Fraction

    n, degree = 30, 8
    x = [Fraction(2 * i - n + 1, 2) for i in range(n)]
    exact = [[Fraction(1)] * n]
    for _ in range(degree):
        last = exact[-1]
        new = [a * b for a, b in zip(x, last, strict=True)]
        for known in exact:
            share = sum(a * b for a, b in zip(new, known, strict=True)) / sum(a * a for a in known)
            new = [a - share * b for a, b in zip(new, known, strict=True)]
        exact.append(new)
    found = poly_columns(np.arange(1990.0, 1990.0 + n), degree, "", raw=False)
    for k in range(degree):
        column = np.array([float(v) for v in exact[k + 1]])
        column /= np.linalg.norm(column)
        assert np.abs(found[:, k] - column).max() < 1e-14


@pytest.mark.parametrize("kind", ["treatment", "sum", "helmert", "SAS", "poly"])
@pytest.mark.parametrize("k", [2, 3, 5, 9])
def test_codings_complete_the_intercept(kind, k):
    names, matrix = coding_columns(Coding(kind), "f", [str(i) for i in range(k)])
    assert len(names) == len(set(names)) == k - 1
    assert np.linalg.matrix_rank(np.column_stack([np.ones(k), matrix])) == k
    if kind in ("sum", "helmert", "poly"):
        assert np.abs(matrix.sum(axis=0)).max() < 1e-14
    if kind in ("helmert", "poly"):
        for i, j in combinations(range(k - 1), 2):
            assert abs(matrix[:, i] @ matrix[:, j]) < 1e-13


def test_names_are_rs_and_levels_stand_in_brackets():
    frame = frames()["even"]
    assert of(frame, "y ~ poly(x, 2) + C(f, Sum) + scale(x)").design.x_names[1:] == (
        "poly(x, 2)1",
        "poly(x, 2)2",
        "C(f, contr.sum)1",
        "C(f, contr.sum)2",
        "scale(x)",
    )
    assert of(frame, "y ~ C(f, Poly)").design.x_names[1:] == (
        "C(f, contr.poly).L",
        "C(f, contr.poly).Q",
    )
    assert of(frame, 'y ~ C(f, Treatment("b"))').design.x_names[1:] == (
        'relevel(f, ref = "b")[T.a]',
        'relevel(f, ref = "b")[T.c]',
    )


SAME = [
    ("C(f, Sum)", "C(f, contr.sum)"),
    ("C(f, sum)", 'C(f, "contr.sum")'),
    ("C(f, Helmert)", "C(f, contr.helmert)"),
    ("C(f, Poly)", "C(factor(f), contr.poly)"),
    ('C(f, Treatment("b"))', 'relevel(f, ref = "b")'),
    ("C(f, Treatment(reference='b'))", "relevel(f, 'b')"),
    ("C(f, Treatment(-1))", "C(f, contr.SAS)"),
    ("center(x)", "scale(x, scale = FALSE)"),
    ("poly(x, 1)", "poly(x)"),
    ("poly(x, 2, raw = FALSE)", "poly(x, degree = 2)"),
    ("bs(x, degree=3)", "bs(x)"),
    ("bs(x, 5)", "bs(x, df = 5)"),
    ("ns(x, knots = (1, 2))", "ns(x, knots = c(1, 2))"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_are_one_term(one, other):
    a, b = (parse_model(f"y ~ {text} + (1 | g)") for text in (one, other))
    assert a.fixed == b.fixed
    assert parse_model(lme4_formula(a)).fixed == a.fixed


HOSTILE = [
    "__import__('os').system('touch {path}')",
    "__import__(os)",
    "eval(x)",
    "exec('1')",
    "I(eval(x))",
    "system('touch {path}')",
    "base::system('touch {path}')",
    "I(system('touch {path}'))",
    "os.system(x)",
    "I(os.system(x))",
    "x.__class__",
    "I(x.__class__.__mro__)",
    "np.log(x)",
    "I(lambda: x)",
    "lambda x: x",
    "I(x if x else y)",
    "I([x for x in y])",
    "I(x[0])",
    "I(function(x) x)",
    "I({{x}})",
    "`x`()",
    "`system`('touch {path}')",
    "I(`eval`(x))",
    "poly(x, eval(2))",
    "poly(x, `system`('a'))",
    "bs(x, knots = system('touch {path}'))",
    "bs(x, knots = c(1, eval(2)))",
    "C(f, eval)",
    "C(f, system('touch {path}'))",
    "C(f, contr.sum(system('a')))",
    "relevel(f, ref = system('a'))",
    "scale(x, center = mean(x))",
    "get('system')('a')",
    "do.call(system, x)",
    "I(x; y)",
    "I(x) <- y",
    "I(x := 1)",
    "Sys.getenv('HOME')",
    "I(1e9999999)",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", ["y ~ {}", "y ~ x + ({} | g)", "{} ~ x"])
def test_no_other_function_can_be_reached(text, form, tmp_path):
    path = tmp_path / "made"
    frame = pd.DataFrame(
        {"y": [1.0, 2, 4, 3], "x": [1.0, 2, 3, 5], "f": list("abab"), "g": list("ccdd")}
    )
    with pytest.raises(BadInput) as caught:
        _ = of(frame, form.format(text.format(path=path))).design
    assert str(caught.value).split("\n")[0].count("  ") == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("poly(x, 0)", "degree of poly() has to be a whole number from 1"),
        ("poly(x, 1.5)", "degree of poly() has to be a whole number from 1"),
        ("poly(x, 2, 3)", "raw of poly() has to be TRUE or FALSE"),
        ("poly(x, coefs = 1)", "poly() takes no option 'coefs'"),
        ("bs(x, df = 4, knots = 2)", "bs() takes df or knots, not both"),
        ("bs(x, df = 4, df = 5)", "bs() is given df twice"),
        ("ns(x, knots = TRUE)", "knots of ns() has to be numbers"),
        ("center(x, 2)", "center() takes no further value"),
        ("I(poly(x, 2))", "poly() makes several columns and has no place in arithmetic"),
        ("log(ns(x, 2))", "ns() makes several columns and has no place in arithmetic"),
        ("C(f, contr.what)", "'contr.what' is no coding of a factor"),
        ("C(f, Sum(2))", "Sum takes no option; only treatment coding has one"),
        ("C(f, contr.treatment, base = 2)", "the reference of treatment coding is given by its na"),
        ("C(f, contr.treatment(3, base = 2))", 'by its name, relevel(f, ref = "b")'),
        ("bs(x, knots = quantile(x, 0.5))", "quantile() has no place here; write its value"),
        ("I(5L*x)", "unexpected 'L' in I(); an operator may be missing before it"),
        ("ordered(f)", "write C(f, contr.poly), whose columns are those of R's ordered factors"),
        ("relevel(f)", "relevel() takes a level"),
    ],
)
def test_a_wrong_option_is_named(text, message):
    with pytest.raises(BadInput, match="formula: ") as caught:
        parse_model(f"y ~ {text}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("poly(x, 3)", "its degree has to be less than the number of different values"),
        ("bs(x, 2)", "df has to be 3 at least"),
        ("bs(x, knots = 9)", "knots have to lie between 1 and 3"),
        ("ns(low, 2)", "so many values are 0, the column's end, that a knot falls on it"),
        ("bs(-low, 4)", "so many values are -0, the column's end, that a knot falls on it"),
        ("ns(one, 2)", "its column has one value in all rows"),
        ("poly(m, 1)", "poly(m) has no value in row 2, which R's poly() refuses"),
        ("scale(f)", "column 'f' is a factor"),
        ("scale(one)", "scale(one) is not finite"),
        ("log(x - 1)", "log(x - 1) is not finite"),
        ("relevel(f, 'z')", "'z' is no level of 'f'"),
    ],
)
def test_values_without_such_columns_are_refused(text, message):
    frame = pd.DataFrame(
        {
            "y": [1.0, 2, 4, 3, 3, 5],
            "x": [1.0, 2, 3, 1, 2, 3],
            "one": np.ones(6),
            "low": [0.0, 0, 0, 0, 1, 2],
            "m": [1.0, np.nan, 3, 1, 2, 3],
            "f": list("ababab"),
        }
    )
    with pytest.raises(BadInput) as caught:
        _ = of(frame, f"y ~ {text}").design
    assert message in str(caught.value)


def test_pi_is_the_number_unless_a_column_is_quoted():
    frame = frames()["even"].assign(pi=1.0)
    with pytest.raises(BadInput, match="pi is the number"):
        bind(parse_model("y ~ I(pi*x)"), frame)
    assert "pi" in bind(parse_model("y ~ I(`pi`*x)"), frame).names
