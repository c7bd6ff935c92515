"""Residual covariances: how they are written, what they are on the rows, what is refused."""

import re

import numpy as np
import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.model.residual import parse_residual


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("ar1(visit | subject)", "ar1(visit | subject)"),
        ("cs(1|a:b)+het(sex)", "cs(1 | a:b) + het(sex)"),
        ("us(factor(v)|s) * het(`a b`)", "us(factor(v) | s) + het(`a b`)"),
        ("het( a:b )", "het(a:b)"),
        ("toep(`a)(`|s)", "toep(`a)(` | s)"),
    ],
)
def test_written_again_it_is_the_same(text, canonical):
    once = parse_residual(text)
    assert once.text() == canonical
    assert parse_residual(once.text()) == once


def test_under_other_names_columns_have_other_names_only():
    names = {"visit": "v1", "subject": "v2", "sex": "v3"}
    assert parse_residual("ar1(visit | subject) + het(sex)").text(names) == "ar1(v1 | v2) + het(v3)"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("foo(a | b)", "known are"),
        ("ar1(a)", "write ar1(visit | subject)"),
        ("ar1(a || b)", "write ar1(visit | subject)"),
        ("ar1(a | b", "never closed"),
        ("ar1(a | b) +", "ends where"),
        ("ar1(a | b) het(c)", "joined by '+'"),
        ("ar1(a | b) + cs(a | b)", "exclude each other"),
        ("car1(1 | b)", "column of the times"),
        ("ar1(a + b | c)", "one column, or 1"),
        ("ar1(log(a) | c)", "one column, or 1"),
        ("het(1)", "are columns"),
        ("het()", "no column"),
        ("het(a) + het(a)", "twice"),
        ("het(a + b)", "a:b"),
        ("us(v | s) + het(v)", "already"),
        ("__import__('os').system('x')", "no structure"),
        ("lambda: 0", "no structure"),
        ("eval(a | b)", "known are"),
    ],
)
def test_what_does_not_parse_is_refused_in_one_line(text, says):
    with pytest.raises(BadInput, match=re.escape(says)) as refused:
        parse_residual(text)
    assert "\n" not in str(refused.value)


def frame():
    return pd.DataFrame(
        {
            "y": [1.0, 2.5, 3.0, 4.1, 2.0, 0.3],
            "s": ["a", "a", "a", "b", "b", "b"],
            "visit": [1, 2, 4, 1, 2, 4],
            "time": [0.5, 1.25, 3.0, 0.0, 2.0, 2.5],
            "sex": ["f", "f", "f", "m", "m", "m"],
            "week": ["w1", "w2", "w4", "w1", "w2", "w4"],
        }
    )


def residual(text, data=None, **options):
    data = frame() if data is None else data
    model = parse_model("y ~ 1", residual=text)
    return build_design(model, bind(model, data, **options)).residual


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ar1(visit | s)", ("rho",)),
        ("cs(1 | s) + het(sex)", ("rho", "sd ratio m")),
        ("toep(visit | s)", ("rho(1)", "rho(2)", "rho(3)")),
        ("corr(visit | s)", ("rho(1,2)", "rho(1,4)", "rho(2,4)")),
        ("corr(week | s)", ("rho(w1,w2)", "rho(w1,w4)", "rho(w2,w4)")),
        ("us(visit | s)", ("rho(1,2)", "rho(1,4)", "rho(2,4)", "sd ratio 2", "sd ratio 4")),
        ("us(1 | s)", ("rho(1,2)", "rho(1,3)", "rho(2,3)", "sd ratio 2", "sd ratio 3")),
        ("het(sex:s)", ("sd ratio m:b",)),
        ("het(week)", ("sd ratio w2", "sd ratio w4")),
    ],
)
def test_the_parameters_are_named_by_the_data(text, names):
    assert residual(text).names == names


def test_a_model_with_a_residual_covariance_and_no_random_term_keeps_its_criterion():
    assert parse_model("y ~ 1", "ML", "ar1(visit | s)").criterion == "ML"
    assert parse_model("y ~ 1", "ML").criterion == "OLS"


def test_levels_of_a_factor_are_visits_at_their_distance():
    order = {"week": ("w1", "w2", "w3", "w4")}
    assert residual("ar1(week | s)", levels=order).position.tolist() == [0, 1, 3, 0, 1, 3]


def test_without_a_column_rows_are_taken_as_they_come():
    shuffled = frame().iloc[[3, 0, 1, 4, 2, 5]]
    assert residual("ar1(1 | s)", shuffled).position.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_row_without_its_visit_is_left_out():
    data = frame()
    data.loc[1, "visit"] = np.nan
    assert len(residual("ar1(visit | s)", data).group) == 5


@pytest.mark.parametrize(
    ("text", "change", "says"),
    [
        ("ar1(visit | s)", {"visit": [1, 1, 4, 1, 2, 4]}, "'a' has two rows at the same"),
        ("us(visit | s)", {"visit": [1, 1, 4, 1, 2, 4]}, "two rows"),
        ("ar1(time | s)", {}, "whole numbers.*write car1"),
        ("toep(time | s)", {}, "whole numbers"),
        ("car1(week | s)", {}, "is a factor"),
        ("ar1(visit | s)", {"s": list("abcdef")}, "no group of 's' has two rows"),
        ("corr(visit | s)", {"visit": [1, 2, 4, 1, 3, 5]}, "no group has rows at both"),
        ("ar1(nowhere | s)", {}, "nowhere"),
        ("het(nowhere)", {}, "nowhere"),
    ],
)
def test_what_the_rows_cannot_tell_is_refused_in_one_line(text, change, says):
    with pytest.raises(BadInput, match=says) as refused:
        residual(text, frame().assign(**change))
    assert "\n" not in str(refused.value)


def test_more_parameters_than_anyone_can_read_are_refused():
    data = pd.DataFrame(
        {"y": np.arange(45.0) ** 2, "s": np.repeat(list("abc"), 15), "v": list(range(15)) * 3}
    )
    with pytest.raises(BadInput, match="119 parameters"):
        residual("us(v | s)", data)
