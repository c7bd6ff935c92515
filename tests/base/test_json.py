"""Numbers on their way to JSON and back: what is not finite stays what it was."""

import json
import math

import msgspec
import pytest

from harness.base.json import Matrix, Real, Vector, decode, encode


class Holder(msgspec.Struct, tag="holder"):
    one: Real
    maybe: Real | None = None
    many: Vector = ()
    square: Matrix = ()
    named: dict[str, Real] = {}


@pytest.mark.parametrize("value", [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.pi, 3.0])
def test_a_finite_number_comes_back_to_the_last_bit(value):
    back = decode(encode(Holder(value)), Holder).one
    assert back.hex() == value.hex()


@pytest.mark.parametrize(("value", "text"), [(math.inf, "inf"), (-math.inf, "-inf")])
def test_infinity_travels_as_a_word(value, text):
    line = encode(Holder(value))
    assert json.loads(line)["one"] == text
    assert decode(line, Holder).one == value


def test_nan_travels_as_a_word_and_none_as_null():
    line = encode(Holder(math.nan))
    assert json.loads(line)["one"] == "nan"
    assert json.loads(line)["maybe"] is None
    back = decode(line, Holder)
    assert math.isnan(back.one)
    assert back.maybe is None


def test_nested_numbers_come_back_with_their_nans():
    sent = Holder(
        1.0, math.nan, (1.0, math.inf), ((math.nan, 2.0), (-math.inf, 0.5)), {"a": math.nan}
    )
    back = decode(encode(sent), Holder)
    assert math.isnan(back.maybe)
    assert back.many == (1.0, math.inf)
    assert math.isnan(back.square[0][0])
    assert back.square[1] == (-math.inf, 0.5)
    assert math.isnan(back.named["a"])


def test_a_line_holds_no_token_that_json_lacks():
    line = encode(Holder(math.nan, math.inf, (-math.inf,)))
    assert line.count(b"\n") == 0

    def refuse(token):
        raise AssertionError(token)

    json.loads(line, parse_constant=refuse)


@pytest.mark.parametrize("line", [b"", b"{", b"null", b'{"type":"other","one":1}', b'{"one":"x"}'])
def test_what_is_not_the_structure_is_refused(line):
    with pytest.raises(msgspec.DecodeError):
        decode(line, Holder)


@pytest.mark.parametrize(
    "many",
    [(), (1.0, math.nan, 2.0), (math.inf, -math.inf), (1e308, 1e308), (math.nan,), (0.5, -0.0)],
)
def test_a_vector_comes_back_whatever_its_sum_is(many):
    back = decode(encode(Holder(1.0, many=many, square=(many, (3.0,)))), Holder)
    assert list(map(repr, back.many)) == list(map(repr, many))
    assert list(map(repr, back.square[0])) == list(map(repr, many))


def test_an_integer_of_any_size_and_bytes_that_look_like_infinity_are_written():
    value = {"a": 2**70, "b": [1.5, math.inf], "c": "\xcb\x7f\xf0", "d": -3.4e-300}
    assert json.loads(encode(value)) == value | {"b": [1.5, "inf"]}
