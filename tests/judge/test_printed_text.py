"""Numbers as programs and papers write them: read, or refused in one line."""

import pytest

import harness
from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from harness.judge.listing import listing_of, printed, read_listing
from harness.judge.printed_text import plain_number
from harness.judge.slips import slip

READ = {
    "0.0363": (0.03625, 0.03635),
    ".05": (0.045, 0.055),
    "-.05": (-0.055, -0.045),
    "1.2e-3": (0.00115, 0.00125),
    "1.2E-03": (0.00115, 0.00125),
    "1.2D-03": (0.00115, 0.00125),
    "1.2 x 10^-3": (0.00115, 0.00125),
    "1.2 × 10−3": (0.00115, 0.00125),
    "−1.5": (-1.55, -1.45),
    "–1.5": (-1.55, -1.45),
    "0,55": (0.545, 0.555),
    "-10,47": (-10.475, -10.465),
    "1,234.5": (1234.45, 1234.55),
    "1,234,567": (1234566.5, 1234567.5),
    "1 234.5": (1234.45, 1234.55),
    "1\u202f234.5": (1234.45, 1234.55),
    "0.55**": (0.545, 0.555),
    "0.55†": (0.545, 0.555),
}


@pytest.mark.parametrize(("text", "ends"), READ.items())
def test_a_number_is_read_as_it_is_written(text, ends):
    found = printed(text, "estimate of coefficient 'x'")
    assert (found.low, found.high) == pytest.approx(ends, rel=1e-12)
    assert found.text == text


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("<.0001", (0.0, 0.0001)),
        ("≤ .001", (0.0, 0.001)),
        ("p < .001", (0.0, 0.001)),
        ("p = .03", (0.025, 0.035)),
        ("= .03", (0.025, 0.035)),
        ("> .05", (0.05, 1.0)),
        ("P>0.999", (0.999, 1.0)),
    ],
)
def test_a_p_may_be_a_bound(text, ends):
    found = printed(text, "p of coefficient 'x'")
    assert (found.low, found.high) == pytest.approx(ends)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10,467", "may be 10467 or 10.467: write one of them"),
        ("10,467***", "may be 10467"),
        ("4.1%", "has a percent sign"),
        ("", "is empty: leave it out"),
        (".", "is empty: leave it out"),
        ("ten", "is no number: 'ten'"),
        ("10.467 ms", "is no number"),
        ("> 3", "is a bound, which only a p may be"),
        ("nan", "is no number"),
    ],
)
def test_what_is_no_number_is_refused_in_one_line(text, said):
    with pytest.raises(BadInput, match=r"^estimate of coefficient 'p' ") as caught:
        printed(text, "estimate of coefficient 'p'")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_decimal_comma_tells_what_the_others_are():
    days = {"estimate": "10,467", "se": "1,546", "p": "<0,001"}
    found = listing_of({"coefficient": {"Days": days}}).coefficients["Days"]
    assert found["estimate"].value == pytest.approx(10.467)
    assert found["se"].value == pytest.approx(1.546)
    # As thousands they stay where nothing says otherwise, and a point beside them does.
    found = listing_of({"coefficient": {"Days": {"estimate": "1,234,567", "se": "2,468.0"}}})
    assert found.coefficients["Days"]["se"].value == pytest.approx(2468.0)


def test_a_table_with_semicolons_has_decimal_commas():
    text = "quantity;item;value\nestimate;Days;10,467\nse;Days;1,546"
    found = read_listing(text).coefficients["Days"]
    assert found["estimate"].value == pytest.approx(10.467)
    with pytest.raises(BadInput, match=r"may be 10467 or 10\.467"):
        read_listing(f"{text}\nminus_two;;1743.6")


@pytest.mark.parametrize("text", ["10,47", "1.047e1", "1,047 × 10^1", "10.47***"])
def test_slips_are_sought_in_numbers_however_they_are_written(text):
    assert slip(printed(text, "x"), [("gls", 1.047)]) == ("decimal-point", 1.047)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"se": "-1.5"}, "se of coefficient 'Days' cannot be negative: -1.5"),
        ({"df": "-3"}, "df of coefficient 'Days' cannot be negative: -3"),
        ({"p": "1.2"}, "p of coefficient 'Days' lies between 0 and 1, not 1.2"),
        ({"interval": {"level": 1, "lower": "1", "upper": "2"}}, "lies between 0 and 1, not 1"),
        ({"interval": {"level": 250, "lower": "1", "upper": "2"}}, "between 0 and 1, not 250"),
    ],
)
def test_what_no_listing_prints_is_refused(given, said):
    with pytest.raises(BadInput) as caught:
        listing_of({"coefficient": {"Days": {"estimate": "1", **given}}})
    assert said in str(caught.value)


@pytest.mark.parametrize("level", [0.9, 90, "90", "90 %", "90%", "0.90"])
def test_a_level_in_percent_is_understood(level):
    interval = {"level": level, "lower": "7.2", "upper": "13.7"}
    found = listing_of({"coefficient": {"Days": {"interval": interval}}})
    assert found.intervals["Days"].level == pytest.approx(0.9, abs=1e-15)


@pytest.mark.parametrize("rows", [180, "180", 180.0, "1,800"])
def test_rows_are_a_number_however_they_are_written(rows):
    found = listing_of({"rows": rows, "criterion": "reml", "variance": {"g": "1"}})
    assert (found.rows, found.criterion) == (int(str(rows).replace(",", "").split(".")[0]), "REML")


@pytest.mark.parametrize("rows", ["about 180", 180.5, -1, 0, True, "0"])
def test_rows_that_are_no_number_are_refused(rows):
    with pytest.raises(BadInput, match="rows is a whole number, not"):
        listing_of({"rows": rows, "variance": {"g": "1"}})


def test_a_listing_of_decimal_commas_is_audited_as_one_of_points():
    frame = load_dataset("sleepstudy").frame
    days = {"estimate": "10,467", "se": "1,546", "df": "17,00", "p": "3,26 × 10−6"}
    formula = "Reaction ~ Days + (Days | Subject)"
    assert harness.audit(frame, formula, {"coefficient": {"Days": days}}).right
    wrong = harness.audit(frame, formula, {"coefficient": {"Days": {**days, "se": "1,646"}}})
    assert "right is 1.546" in repr(wrong)


def test_what_is_no_number_stays_as_it_is():
    assert plain_number("ten") == "ten"
    assert plain_number("a,b") == "a,b"
