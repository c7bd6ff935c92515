"""What the terminal shows."""

import math

import pytest

from harness.commands.installation import Check
from harness.page.terminal import _digits, _number, print_checks, print_rungs


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10.4672859, "10.46729"),
        (0.0012345678, "0.001235"),
        (3.26e-6, "3.260e-06"),
        (-871.81413, "-871.8141"),
        (0.0, "0.000000"),
        (1e8, "1.000e+08"),
        (math.nan, "nan"),
        (math.inf, "inf"),
    ],
)
def test_numbers_are_short_and_none_is_rounded_to_nothing(value, text):
    assert _number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.inf, "equal"), (15.95, "equal"), (8.04, "8.0"), (-1.3, "0.0"), (math.nan, "nan")],
)
def test_digits_of_agreement(value, text):
    assert _digits(value) == text


def test_every_failed_check_is_followed_by_what_mends_it(capsys):
    print_checks([Check("R", True, "4.2.2"), Check("lme4", False, "not installed", "apt-get it")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok", "FAIL", "mend", "1"]
    assert lines[2].strip() == "mend it: apt-get it"
    assert lines[-1] == "1 of 2 checks failed"


def test_all_well_is_said(capsys):
    print_checks([Check("R", True, "4.2.2")])
    assert capsys.readouterr().out.splitlines()[-1] == "all well"


def test_what_looks_like_markup_is_shown_as_it_is(capsys):
    """Rich would take [bold] in a file's name or an error for a style."""
    print_checks([Check("R", False, "no [bold]R[/bold] in [/usr]", "install [R]")])
    out = capsys.readouterr().out
    assert "no [bold]R[/bold] in [/usr]" in out
    assert "install [R]" in out


def test_rungs_are_listed_under_their_headings_in_order(capsys):
    from harness.data.rungs import full_ladder

    rungs = full_ladder()
    print_rungs(rungs)
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    headings = [line for line in lines if not line.startswith("  ")]
    assert headings == list(dict.fromkeys(rung.group for rung in rungs))
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [
        rung.case.id for rung in rungs
    ]
