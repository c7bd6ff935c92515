"""The sentence at the top of a run: every verdict has its words."""

import pytest

from harness.page.appearance import VERDICTS
from harness.page.words import headline_of


@pytest.mark.parametrize("engines", [(), ("nlme",), ("nlme", "lme4")])
@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_cannot_be_compared_or_differs_is_said_why(verdict, engines):
    headline = headline_of({(verdict, engines): 2, ("AGREE", ()): 3})
    family = VERDICTS[verdict].family
    if family == "silent":
        assert headline.rest.startswith("2 could not be compared: ")
        assert headline.rest.count(" 2") == 1
    if family == "differ":
        assert "2 differ, all explained: " in headline.lead
        assert headline.lead.endswith(("twice.", "2 times."))


def test_what_the_data_do_not_determine_is_no_engines_doing():
    headline = headline_of({("UNDETERMINED", ("nlme",)): 1, ("UNDETERMINED", ()): 1})
    assert headline.rest == (
        "2 could not be compared: the data of 2 do not determine the parameters."
    )
