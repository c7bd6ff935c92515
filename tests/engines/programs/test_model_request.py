"""What a program reads of a fit message: data, groups, names of coefficients, parts of formulas."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from harness.base.json import encode
from harness.engines import environments
from harness.engines.fit_request import fit_request, sent_case
from harness.engines.protocol import Started
from harness.model.case import Case
from harness.model.model import bind, parse_model

PROGRAMS = Path(environments.__file__).parent / "programs"


@pytest.fixture(scope="module")
def model_request():
    sys.path.append(str(PROGRAMS))
    try:
        import model_request

        yield model_request
    finally:
        sys.path.remove(str(PROGRAMS))


@pytest.fixture(scope="module")
def request_of(model_request):
    frame = pd.DataFrame(
        {
            "y": [1.0, 2.0, 4.0, 3.0, 5.0, 9.0, 7.0, 6.0],
            "x": [0.0, 1.0, 2.0, 3.0, 0.5, 1.5, 2.5, 4.0],
            "f": ["b:c", "a", "b:c", "a", "a", "b:c", "a", "a"],
            "g": list("uuvvuuvv"),
            "h": list("pqpqqppq"),
        }
    )

    def make(formula):
        model = parse_model(formula)
        case = Case("case", model, bind(model, frame))
        program = Started(protocol=1, name="", versions={}, wants=("design",))
        message = fit_request(sent_case(case, "complete"), "default", 1, program)
        return model_request.Request(json.loads(encode(message))), case

    return make


def test_groups_of_an_interaction_are_those_of_the_design(request_of):
    request, case = request_of("y ~ x + (1 | g) + (1 | g:h)")
    for term, design in zip(request.random, case.design.random, strict=True):
        assert term.codes == design.codes.tolist()
        assert tuple(term.levels) == design.levels


def test_levels_that_an_engine_joins_otherwise_get_the_models_labels(request_of):
    request, _ = request_of("y ~ x + (1 | g:h)")
    (term,) = request.random
    assert term.labels_of(["p:u", "q:v"]) == ["u:p", "v:q"]
    assert term.labels_of(["u/q", "v/p"]) == ["u:q", "v:p"]
    assert term.labels_of(["else"]) == ["else"]


@pytest.mark.parametrize(
    ("native", "name"),
    [
        ("(Intercept)", "Intercept"),
        ("v3b:c", "v3[T.b:c]"),
        ("C(v3)[T.b:c]", "v3[T.b:c]"),
        ("v3b:c:v2", "v2:v3[T.b:c]"),
        ("v2:v3[T.b:c]", "v2:v3[T.b:c]"),
        ("I(v2**2)", "I(v2^2)"),
    ],
)
def test_coefficients_are_known_in_the_spelling_of_r_and_python(request_of, native, name):
    request, _ = request_of("y ~ x * f + I(x^2) + (1 | g)")
    assert request.own_name(native) == name
    assert name in request.fixed


def test_a_coefficient_that_the_model_has_not_is_no_guess(request_of):
    request, _ = request_of("y ~ x * f + (1 | g)")
    with pytest.raises(ValueError, match="'v3z' is no column of the model"):
        request.own_name("v3z")


def test_formulas_are_taken_apart(request_of):
    request, _ = request_of("log(y) ~ I(x^2) + f + (x || g) + (1 | g:h)")
    fixed, bars = request.formula_parts("np.")
    assert fixed == "np.log(v1) ~ I(v2**2) + v3"
    assert bars == ["(v2 || v4)", "(1 | v4:v5)"]


def test_a_diagonal_block_is_split_as_the_model_has_it_and_no_other(request_of):
    request, _ = request_of("y ~ x + (x || g)")
    block = {
        "group": "v3",
        "names": ["(Intercept)", "v2"],
        "covariance": [[4.0, 0.0], [0.0, 9.0]],
        "levels": ["u", "v"],
        "effects": [[1.0, 2.0], [3.0, 4.0]],
    }
    first, second = request.terms_of([block])
    assert (first["names"], first["covariance"], first["effects"]) == (
        ["Intercept"],
        [[4.0]],
        [[1.0], [3.0]],
    )
    assert (second["names"], second["covariance"]) == (["v2"], [[9.0]])
    (whole,) = request.terms_of([block | {"covariance": [[4.0, 1.0], [1.0, 9.0]]}])
    assert whole["names"] == ["Intercept", "v2"]
