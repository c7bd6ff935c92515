"""Structures of random terms in a formula."""

import pytest

from harness.base.errors import BadInput
from harness.model.model import parse_model
from harness.model.structure import STRUCTURES, parameter_count
from harness.spelling.lme4_spelling import lme4_formula
from harness.spelling.model_description import in_words


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_is_written_as_it_is_read(name):
    text = f"y ~ x + {name}(0 + f | a:b) + (1 | c)"
    model = parse_model(text)
    assert [t.structure for t in model.random] == [name, ""]
    assert lme4_formula(model) == text
    assert STRUCTURES[name].in_words.split(",", maxsplit=1)[0] in in_words(
        parse_model(f"y ~ {name}(1 + x | g)")
    )


@pytest.mark.parametrize(
    ("written", "structure"),
    [
        ("us(x | g)", ""),
        ("cs(x | g, hom = TRUE)", "homcs"),
        ("cs(x | g, hom = FALSE)", "cs"),
        ("diag(x | g, TRUE)", "homdiag"),
        ("ar1(0 + f | g, hom = F)", "hetar1"),
        ("ar1(0 + f | g, hom = TRUE)", "ar1"),
    ],
)
def test_lme4s_option_says_whether_variances_are_one(written, structure):
    assert parse_model(f"y ~ {written}").random[0].structure == structure


def test_nested_groups_have_the_structure_each():
    terms = parse_model("y ~ homcs(0 + f | a/b)").random
    assert [(t.group, t.structure) for t in terms] == [(("a",), "homcs"), (("a", "b"), "homcs")]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("system(1 | g)", "no structure of a random term"),
        ("eval(x | g)", "no structure of a random term"),
        ("__import__(x | g)", "no structure of a random term"),
        ("os.system(x | g)", "no structure of a random term"),
        ("log(x | g)", "no structure of a random term"),
        ("cs(x || g)", "takes '|'"),
        ("cs(x | g, hom = system('ls'))", "system() has no place here"),
        ("cs(x | g, nu = 2)", "hom = TRUE"),
        ("us(x | g, hom = TRUE)", "no option hom"),
        ("homcs(x | g, hom = TRUE)", "no option hom"),
        ("cs(x | g", "never closed"),
        ("cs(x)", "cs() is not supported"),
        ("x * cs(x | g)", ""),
        ("1 - cs(x | g)", "subtracted"),
    ],
)
def test_nothing_else_is_read(written, said):
    with pytest.raises(BadInput) as refused:
        parse_model(f"y ~ {written}")
    assert said in str(refused.value)


def test_a_structure_stands_beside_a_residual_covariance():
    model = parse_model("y ~ cs(0 + f | g)", residual="ar1(v | g)")
    assert model.structured.structure == "cs"
    assert model.residual.structure == "ar1"


def test_parameters_are_counted():
    counts = {name: parameter_count(name, 4) for name in ("", *STRUCTURES)}
    assert counts == {
        "": 10, "diag": 4, "homdiag": 1, "cs": 5, "homcs": 2, "ar1": 2, "hetar1": 5,
    }  # fmt: skip
