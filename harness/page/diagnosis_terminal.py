"""A diagnosis on the terminal: the answer first, then the evidence, complete without pictures."""

from __future__ import annotations

from rich.console import Console

from harness.diagnose.diagnosis import Diagnosis
from harness.page.diagnosis_layout import diagnosis_page
from harness.page.terminal_page import print_page


def print_diagnosis(found: Diagnosis, console: Console | None = None) -> None:
    """Print a diagnosis; see :func:`harness.page.terminal_page.print_page`."""
    print_page(diagnosis_page(found), console)
