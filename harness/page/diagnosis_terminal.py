"""A diagnosis on the terminal: the answer first, then the evidence, complete without pictures."""

from __future__ import annotations

from rich.console import Console

from harness.diagnose.diagnosis import Diagnosis
from harness.page.diagnosis_layout import diagnosis_page
from harness.page.terminal_page import print_page, print_sections, standard_output


def print_diagnosis(found: Diagnosis, console: Console | None = None) -> None:
    """Print a diagnosis; see :func:`harness.page.terminal_page.print_page`."""
    print_page(diagnosis_page(found), console)


def print_rest(found: Diagnosis, shown: Diagnosis, console: Console | None = None) -> None:
    """Print what a diagnosis has besides what was shown of it; all of it where the answer changed.

    Parameters
    ----------
    shown : Diagnosis
        The same when its answer was there, which was printed then.
    """
    page, before = diagnosis_page(found), diagnosis_page(shown)
    if page.answer != before.answer:
        (console or standard_output()).print(
            "\nWhat was run since changes the answer. It is now:\n"
        )
        print_page(page, console)
        return
    # A NaN is not equal to itself, so that it is written out.
    told = set(map(repr, before.sections))
    print_sections([s for s in page.sections if repr(s) not in told], console)
