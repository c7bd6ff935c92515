"""What a formula means: precedence, expansion, and the place of every error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.base.errors import BadInput
from harness.model.formula import Binary, Call, Name, Number, Unary
from harness.model.formula_parser import parse
from harness.model.model import Model, parse_model
from harness.model.terms import expand
from harness.model.tokens import FormulaError
from harness.spelling.lme4_spelling import lme4_formula


def fixed_terms(text):
    """Terms of a right-hand side as ``["a", "a:b"]``, the intercept as "1"."""
    terms = expand(parse(f"y ~ {text}").fixed)
    spelled = [":".join(getattr(atom, "name", atom) for atom in term) for term in terms.terms]
    return (["1"] if terms.intercept else []) + spelled


def random_terms(text):
    """Random terms as ``[(effects, group), ...]``."""
    out = []
    for term in parse_model(f"y ~ {text}").random:
        effects = ["1"] if term.effects.intercept else []
        effects += [":".join(atom.name for atom in t) for t in term.effects.terms]
        out.append((effects, ":".join(term.group)))
    return out


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("1", ["1"]),
        ("a + b", ["1", "a", "b"]),
        ("a*b", ["1", "a", "b", "a:b"]),
        ("a*b - a:b", ["1", "a", "b"]),
        ("a*b - b:a", ["1", "a", "b"]),
        ("a*b:c", ["1", "a", "b:c", "a:b:c"]),
        ("a/b", ["1", "a", "a:b"]),
        ("a/b/c", ["1", "a", "a:b", "a:b:c"]),
        ("a/(b + c)", ["1", "a", "a:b", "a:c"]),
        ("(a + b)/c", ["1", "a", "b", "a:b:c"]),
        ("a*b/c", ["1", "a", "b", "a:b", "a:b:c"]),
        ("a*(b/c)", ["1", "a", "b", "b:c", "a:b", "a:b:c"]),
        ("(a + b + c)^2", ["1", "a", "b", "c", "a:b", "a:c", "b:c"]),
        ("(a + b)**2", ["1", "a", "b", "a:b"]),
        ("(a + b)^1", ["1", "a", "b"]),
        ("(a + b)^2:c", ["1", "a:c", "b:c", "a:b:c"]),
        ("a:a", ["1", "a"]),
        ("a + a", ["1", "a"]),
        ("a:b + b:a", ["1", "a:b"]),
        ("a:b + a", ["1", "a", "a:b"]),
        ("0 + a", ["a"]),
        ("a - 1", ["a"]),
        ("-1 + a", ["a"]),
        ("a + 0", ["a"]),
        ("0 + a + 1", ["1", "a"]),
        ("a - 0", ["1", "a"]),
        ("a + (b - a)", ["1", "a", "b"]),
        ("a + b - a", ["1", "b"]),
        ("(a - 1) + b", ["a", "b"]),
    ],
)
def test_operators_expand_as_in_r(text, terms):
    assert fixed_terms(text) == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("(1 | g)", [(["1"], "g")]),
        ("(x | g)", [(["1", "x"], "g")]),
        ("(0 + x | g)", [(["x"], "g")]),
        ("(x - 1 | g)", [(["x"], "g")]),
        ("(x || g)", [(["1"], "g"), (["x"], "g")]),
        ("(0 + x || g)", [(["x"], "g")]),
        ("(x*z || g)", [(["1"], "g"), (["x"], "g"), (["z"], "g"), (["x:z"], "g")]),
        ("(1 | a/b)", [(["1"], "a"), (["1"], "a:b")]),
        ("(1 | a/b/c)", [(["1"], "a"), (["1"], "a:b"), (["1"], "a:b:c")]),
        ("(1 | a:b)", [(["1"], "a:b")]),
        ("(1 | a:b/c)", [(["1"], "a:b"), (["1"], "a:b:c")]),
        ("(1 | a/b:c)", [(["1"], "a"), (["1"], "a:b:c")]),
        ("(x || a/b)", [(["1"], "a"), (["x"], "a"), (["1"], "a:b"), (["x"], "a:b")]),
        ("(1 | factor(g))", [(["1"], "g")]),
        ("(1 | a) + (1 | b)", [(["1"], "a"), (["1"], "b")]),
        ("(1 | g) + (0 + x | g)", [(["1"], "g"), (["x"], "g")]),
    ],
)
def test_random_terms_are_taken_apart_as_lme4_takes_them(text, terms):
    assert random_terms(f"x + {text}") == terms


def test_a_random_term_may_stand_anywhere_in_the_sum():
    model = parse_model("y ~ (1 | g) + x + (1 | h) - 1")
    assert [":".join(t.group) for t in model.random] == ["g", "h"]
    assert not model.fixed.intercept


def test_only_random_terms_leave_the_intercept():
    formula = parse("y ~ (1 | g)")
    assert formula.fixed is None
    assert expand(formula.fixed).intercept


def test_no_random_terms_is_ordinary_least_squares():
    assert parse_model("y ~ x", "ML").criterion == "OLS"
    assert parse_model("y ~ x + (1 | g)", "ML").criterion == "ML"


def test_arithmetic_binds_as_in_r():
    x, two = Name("x"), Number("2")
    assert parse("y ~ I(-x^2)").fixed == Call("I", Unary("-", Binary("^", x, two)))
    assert parse("y ~ I(2^x^2)").fixed == Call("I", Binary("^", two, Binary("^", x, two)))
    assert parse("y ~ I(2^-x)").fixed == Call("I", Binary("^", two, Unary("-", x)))
    assert parse("y ~ I(x - 2 - x)").fixed == Call("I", Binary("-", Binary("-", x, two), x))
    assert parse("y ~ I(2 + x*2)").fixed == Call("I", Binary("+", two, Binary("*", x, two)))


def test_the_outcome_may_be_an_expression():
    assert parse("log(y) ~ x").outcome == Call("log", Name("y"))
    assert parse("y/2 + 1 ~ x").outcome == Binary(
        "+", Binary("/", Name("y"), Number("2")), Number("1")
    )


@pytest.mark.parametrize("spelled", ["factor(x)", "as.factor(x)", "C(x)", "factor(`x`)"])
def test_a_factor_is_a_column_in_another_role(spelled):
    assert parse(f"y ~ {spelled}").fixed == Name("x", as_factor=True)


@pytest.mark.parametrize("name", ["a b", "größe", "C", "x`y", "a\\b", "a  b", "if", "1st", "a|b~c"])
def test_backticks_name_any_column(name):
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    assert parse(f"y ~ `{escaped}` + (1 | g)").fixed == Name(name)


def test_names_may_hold_dots_and_letters_of_any_script():
    assert parse("y ~ a.b + .c + größe + x_1").fixed is not None


def test_white_space_means_nothing():
    assert parse("y~x+(1|g)").bars == parse(" y ~\n\tx +  ( 1 | g ) ").bars


ERRORS = [
    ("~ x", "there is no outcome before '~'", "~"),
    ("y", "expected '~' after the outcome", "$"),
    ("y ~", "the formula ends where a term is expected", "$"),
    ("y ~ x +", "the formula ends where a term is expected", "$"),
    ("y ~ x ~ z", "a second '~'", "~ z"),
    ("y ~ x | g", "a random term needs parentheses: (x | g)", "| g"),
    ("y ~ x || g", "a random term needs parentheses: (x || g)", "|| g"),
    ("y ~ x)", "this ')' has no '('", ")"),
    ("y ~ x z", "unexpected 'z'; an operator may be missing before it; a name with a space", "z"),
    ("y z ~ x", "expected '~' after the outcome; a name with a space", "z ~"),
    ("y ~ (x | a b)", "unexpected 'b' in a group; a name with a space in it", "b)"),
    ("y ~ (x", "this '(' is never closed", "(x"),
    ("y ~ x + (1 | g", "this '(' is never closed", "(1"),
    ("y ~ -x", "only the intercept can be taken out first: '-1'", "x"),
    ("y ~ x - (1 | g)", "a random term cannot be subtracted", "(1"),
    ("y ~ (x | g | h)", "a second '|' in one random term", "| h"),
    ("y ~ (x | a + b)", "one grouping factor per term: write (x | a) + (x | b)", "+ b"),
    ("y ~ (x | a - b)", "unexpected '-' in a group", "- b"),
    ("y ~ (x | 1)", "a grouping factor must be a column, not 1", "1)"),
    ("y ~ (x | (a))", "expected the name of a grouping factor", "(a"),
    ("y ~ (x | f(g))", "f() is not possible in a group", "f(g"),
    ("y ~ (x | factor(g, 2))", "expected ')'", ", 2"),
    ("y ~ x + ((1 | g))", "a random term stands on its own, joined to the others by '+'", "| g"),
    ("y ~ x:(1 | g)", "a random term stands on its own, joined to the others by '+'", "| g"),
    ("y ~ x %in% z", "%in% is not supported; write a:b", "%in%"),
    ("y ~ (a + b)^x", "the power of a set of terms must be a whole number", "x"),
    ("y ~ (a + b)^1.5", "the power of a set of terms must be a whole number", "1.5"),
    ("y ~ xx^2", "xx^2 means xx here; write I(xx^2) for the power", "xx^"),
    ("y ~ 2*x", "only 0 and 1 have a meaning as terms", "2"),
    ("y ~ x + *", "expected a term, not '*'", "*"),
    ("y ~ .", "'.' is not supported; name the columns", "."),
    ("y ~ factor(2)", "factor() takes the name of a column", "2"),
    ("y ~ factor(x, z)", "factor() takes one column; set levels in the data or with --levels", ","),
    ("y ~ log(x, 2)", "log() takes no further value; it takes one argument", ","),
    ("y ~ I(x", "I( is never closed; it takes one argument", "$"),
    ("y ~ I(factor(x))", "a factor has no place in arithmetic", "factor"),
    ("y ~ I()", "expected a column or a number, not ')'", ")"),
    ("y ~ I((x)", "I( is never closed; it takes one argument", "$"),
    ("y ~ I(x +", "the formula ends where a column is expected", "$"),
    ("y ~ `a", "this backtick is never closed", "`"),
    ("y ~ x $", "unexpected character '$'", "$"),
    ("y ~ tan(x)", "tan() is not supported: known are I, log, log2", "tan"),
    ("y ~ x:offset(z)", "offset() is not supported: it stands by itself in the sum", "offset"),
    ("y ~ poly(x, 2", "poly( is never closed; beside its column it takes degree, raw", "$"),
    ("y ~ C(f, 'a", "this quotation mark is never closed", "'"),
]


@pytest.mark.parametrize(("text", "message", "place"), ERRORS)
def test_an_error_says_what_is_wrong_and_points_at_its_place(text, message, place):
    with pytest.raises(FormulaError) as caught:
        parse(text)
    first, shown, caret = str(caught.value).split("\n")
    assert first.startswith(f"formula: {message}")
    assert shown == f"  {text}"
    at = len(text) if place == "$" and "$" not in text else text.rindex(place)
    assert caret == " " * (2 + at) + "^"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  ", "formula: it is empty; write for example 'y ~ x + (1 | g)'"),
        ("y ~ 0", "formula: no fixed effects are left; keep at least an intercept"),
        ("y ~ (1 | g) + 0", "formula: no fixed effects are left; keep at least an intercept"),
        ("y ~ 1 + (0 | g)", "formula: the random term for g has no effects"),
        ("y ~ (a + b)^0", "formula: a power of terms must be at least 1, not 0"),
        ("y ~ (1 | g) + (x | g)", "formula: the intercept has two variances for g; take one out"),
        ("y ~ (1 | a:b) + (1 | b:a)", "formula: the intercept has two variances for b:a"),
        ("y ~ (0 + x | g) + (0 + x | g)", "formula: x has two variances for g"),
        ("y ~ (0 + x:z | g) + (0 + z:x | g)", "formula: z:x has two variances for g"),
        ("y ~ (0 + log(x) | g) + (0 + log(x) | g)", "formula: log() has two variances for g"),
    ],
)
def test_models_that_make_no_sense_are_refused(text, message):
    with pytest.raises(BadInput) as caught:
        parse_model(text)
    assert str(caught.value).startswith(message)


def test_a_deep_nest_of_parentheses_is_refused_and_does_not_crash():
    with pytest.raises(BadInput, match="nested too deeply"):
        parse("y ~ " + "(" * 5000 + "x" + ")" * 5000)


def test_a_large_power_ends_when_there_is_nothing_to_add():
    assert fixed_terms("(a + b)^99999999") == ["1", "a", "b", "a:b"]


_NAMES = st.sampled_from(["x", "z", "a b", "C", "größe", ".d", "if", "_u", "q`r"])


def _quoted(name):
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


_ARITHMETIC = st.recursive(
    st.one_of(_NAMES.map(_quoted), st.sampled_from(["2", "0.5", "1e3"])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/^"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        st.tuples(inner, st.sampled_from("+-*/^"), inner).map("".join),
        inner.map(lambda t: f"-{t}"),
        inner.map(lambda t: f"log({t})"),
    ),
    max_leaves=6,
)
_ATOMS = st.one_of(
    _NAMES.map(_quoted),
    _NAMES.map(lambda n: f"factor({_quoted(n)})"),
    _ARITHMETIC.map(lambda t: f"I({t})"),
)
_TERMS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-:*/"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        st.tuples(inner, st.sampled_from("+:*/"), inner).map("".join),
        inner.map(lambda t: f"({t} + 0)^2"),
    ),
    max_leaves=6,
)
_BARS = st.tuples(
    _TERMS,
    st.sampled_from(["|", "||"]),
    st.sampled_from(["g", "`g h`/b", "g:`b`", "a/b:c", "a:b/c"]),
).map(lambda t: f"(1 + {t[0]} {t[1]} {t[2]})")


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(_ARITHMETIC, _TERMS, st.lists(_BARS, max_size=2))
def test_what_is_written_for_r_reads_back_as_the_same_formula(outcome, fixed, bars):
    first = parse(f"{outcome} ~ {' + '.join([fixed, *bars])}")
    again = parse(lme4_formula(Model(first, "REML")))
    assert (again.outcome, again.fixed, again.bars) == (first.outcome, first.fixed, first.bars)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(alphabet="yx~+-*/:^()|` 01.ICg,%$'é", max_size=25))
def test_any_text_parses_or_is_refused_in_words(text):
    message = "formula: "
    try:
        parse_model(text)
    except BadInput as refused:
        message = str(refused)
    assert message.startswith("formula: ")
