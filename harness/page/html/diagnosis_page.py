"""A diagnosis as one HTML file in the style of the parity report, and as a piece of a notebook."""

from __future__ import annotations

import html
from pathlib import Path

from harness.base.files import write_file
from harness.base.json import encode
from harness.diagnose.diagnosis import Diagnosis
from harness.page.diagnosis_layout import diagnosis_page, shown_engines
from harness.page.html.diagnosis_pictures import pictures
from harness.page.html.html_page import render_page

NAME = "diagnosis"
"""Files are ``diagnosis.html`` and ``diagnosis.json``."""


def render_diagnosis(found: Diagnosis) -> str:
    """Return the page of a diagnosis; equal diagnoses give equal pages, byte for byte."""
    return render_page(diagnosis_page(found, pictures(found, shown_engines(found))))


def write_diagnosis(found: Diagnosis, folder: Path) -> Path:
    """Write ``diagnosis.html`` and ``diagnosis.json`` to a folder and return the page's path.

    Each file is there whole or not at all; the page comes last.

    Raises
    ------
    BadInput
        When the folder cannot be written.
    """
    written, page = diagnosis_files(folder)
    write_file(written, encode(found) + b"\n")
    write_file(page, render_diagnosis(found))
    return page


def diagnosis_files(folder: Path) -> tuple[Path, Path]:
    """Return where a diagnosis is written: its JSON and its page."""
    return folder / f"{NAME}.json", folder / f"{NAME}.html"


def notebook_html(found: Diagnosis, *, height: int = 720) -> str:
    """Return the page in a frame of its own: neither its styles nor a notebook's leak.

    The frame may run nothing: the page has no scripts, and its policy allows none.
    """
    content = html.escape(render_diagnosis(found), quote=True)
    title = html.escape(f"Diagnosis of {found.case.formula}", quote=True)
    return (
        f'<iframe title="{title}" sandbox="allow-popups" width="100%" height="{height}" '
        f'style="border: 1px solid #8888; border-radius: 3px" srcdoc="{content}"></iframe>'
    )
