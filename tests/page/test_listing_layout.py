"""What the doctor found, and the rungs of the ladder, on a terminal."""

from harness.diagnose.installation import Check
from harness.page.listing_layout import checks_page, rungs_page
from harness.page.terminal_page import print_page


def test_every_failed_check_is_followed_by_what_mends_it(capsys):
    print_page(
        checks_page(
            [Check("R", True, "4.2.2"), Check("lme4", False, "not installed", "apt-get it")]
        )
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok", "FAIL", "mend", "1"]
    assert lines[2].strip() == "mend it: apt-get it"
    assert lines[-1] == "1 of 2 checks failed"


def test_all_well_is_said(capsys):
    print_page(checks_page([Check("R", True, "4.2.2")]))
    assert capsys.readouterr().out.splitlines()[-1] == "all well"


def test_what_looks_like_markup_is_shown_as_it_is(capsys):
    """Rich would take [bold] in a file's name or an error for a style."""
    print_page(checks_page([Check("R", False, "no [bold]R[/bold] in [/usr]", "install [R]")]))
    out = capsys.readouterr().out
    assert "no [bold]R[/bold] in [/usr]" in out
    assert "install [R]" in out


def test_rungs_are_listed_under_their_headings_in_order(capsys):
    from harness.data.ladder import every_rung

    rungs = every_rung()
    print_page(rungs_page(rungs))
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    headings = [line for line in lines if not line.startswith("  ")]
    assert headings == list(dict.fromkeys(rung.group for rung in rungs))
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [
        rung.case.id for rung in rungs
    ]
