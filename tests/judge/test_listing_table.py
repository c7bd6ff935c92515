"""A listing in CSV is that in TOML, and what cannot be read is said in one line."""

import pytest

from harness.base.errors import BadInput
from harness.judge.listing import read_listing
from harness.judge.listing_table import QUANTITIES, is_table

TOML = """
program = "SAS 9.4"
criterion = "REML"
rows = 180
[log_likelihood]
minus_two = "1743.6"
aic = "1751.6"
[coefficient.Days]
estimate = "10.467"
se = "1.546"
df = "17"
statistic = "6.77"
p = "<.0001"
interval = { level = "0.9", lower = "7.778", upper = "13.157", scale = "100 * exp" }
[variance]
"Subject Intercept" = "612.10"
"Subject Days" = { sd = "5.922", interval = { lower = "3.8", upper = "8.75" } }
[correlation]
Subject = { value = "0.07", interval = { lower = "-0.48", upper = "0.68" } }
[covariance]
Subject = "9.604"
[comparison."Reaction ~ 1 + (1 | Subject)"]
statistic = "42.8"
df = "2"
p = "<.0001"
"""

CSV = """# of a paper
quantity,item,value,level,scale
program,,SAS 9.4
criterion,,REML
rows,,180
minus_two,,1743.6
aic,,1751.6
estimate,Days,10.467
se,Days,1.546
df,Days,17
statistic,Days,6.77
p,Days,<.0001
lower,Days,7.778,0.9,100 * exp
upper,Days,13.157,0.9,100 * exp
variance,Subject Intercept,612.10
sd,Subject Days,5.922
sd lower,Subject Days,3.8
sd upper,Subject Days,8.75
correlation,Subject,0.07
correlation lower,Subject,-0.48
correlation upper,Subject,0.68
covariance,Subject,9.604
ratio,Reaction ~ 1 + (1 | Subject),42.8
ratio df,Reaction ~ 1 + (1 | Subject),2
ratio p,Reaction ~ 1 + (1 | Subject),<.0001
"""


@pytest.mark.parametrize("change", [str, lambda t: t.replace(",", ";"), lambda t: "\ufeff" + t])
def test_a_table_is_the_listing_that_its_toml_file_is(change):
    text = change(CSV)
    assert is_table(text)
    assert not is_table(TOML)
    assert read_listing(text) == read_listing(TOML)


def test_every_quantity_can_be_read():
    used = {line.split(",")[0] for line in CSV.splitlines()}
    of_residuals = {"covariance parameter", "sd ratio", "sd ratio lower", "sd ratio upper"}
    rest = {"alpha", "f", "loglik", "bic", "variance lower", "variance upper"} | of_residuals
    assert set(QUANTITIES) - used == rest


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("estimat,Days,1", "no quantity is called 'estimat'"),
        ("estimate,Days,abc", "estimate of coefficient 'Days' is no number: 'abc'"),
        ("estimate,Days,", "estimate of Days has no value"),
        ("estimate,,1", "estimate is of an item, which its line does not name"),
        ("aic,Days,1", "aic is of the whole model, not of 'Days'"),
        ("estimate,Days,1\nestimate,Days,2", "estimate of Days is there twice; give it once"),
        (
            "variance,Subject,1\nsd,Subject,1\nsd lower,Subject,0\nsd upper,Subject,2",
            "an interval of the variance or of the sd: give one of them",
        ),
        ("alpha,,small", "alpha is no number: 'small'"),
        ("lower,Days,1", "has no upper"),
        ("lower,Days,1,0.9\nupper,Days,2,0.95", "the ends of the interval of Days have two levels"),
        ("lower,Days,1,high\nupper,Days,2,high", "the level of interval of coefficient 'Days'"),
        ("rows,,many", "rows is a whole number, not 'many'"),
        ("criterion,,ols", "criterion is REML or ML, not 'ols'"),
        ("correlation lower,Subject,1\ncorrelation upper,Subject,1", "has no value"),
        ("program,,SAS", "has no number"),
    ],
)
def test_a_line_that_cannot_be_read_is_said(line, said):
    with pytest.raises(BadInput) as error:
        read_listing(f"quantity,item,value,level\n{line}")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quantity,item,value\nse,Days,1\nestimate,Days,10,467", "line 3: '467' has no column"),
        ("# so\n\nquantity;item;value\nse;Days;1;0.95", "line 4: '0.95' has no column"),
        ("# so\nquantity,item,value\n\nestimat,Days,1", "line 4: no quantity is called 'estimat'"),
        ("estimate,Days,10.467", "no first line that names its columns: begin it with quantity,"),
        ("sd; Days; 1\n", "no first line that names its columns"),
        ("estimate of Days 10.467", "the numbers are neither TOML (Expected '='"),
    ],
)
def test_where_a_table_is_wrong_is_said(text, said):
    with pytest.raises(BadInput) as error:
        read_listing(text)
    assert said in str(error.value)


def test_empty_cells_more_are_nothing_and_columns_have_any_order():
    assert read_listing("quantity,item,value\nse,Days,1,,\n") == read_listing(
        "item,value,quantity\nDays,1,se"
    )


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("quantity,label,value", "a column 'label'; there are quantity, item, value"),
        ("quantity,value", "no column 'item'"),
    ],
)
def test_a_header_that_is_another_is_said(header, said):
    with pytest.raises(BadInput, match=said):
        read_listing(f"{header}\nestimate,Days,1")


def test_a_variance_and_its_standard_deviation_are_two_lines():
    found = read_listing(
        "quantity,item,value\nalpha,,0.1\nvariance,Subject,612.10\nsd,Subject,24.741"
    )
    assert found.alpha == 0.1
    assert found.spreads["Subject"].printed.text == "612.10"
    assert found.deviations["Subject"].text == "24.741"
