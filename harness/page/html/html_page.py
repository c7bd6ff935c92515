"""A page as one HTML file in the style of the parity report, readable without scripts."""

from __future__ import annotations

from markupsafe import Markup

from harness.page.html.html_environment import asset, csp_hash, environment
from harness.page.page import Page


def render_page(page: Page) -> str:
    """Return the page; equal pages are equal byte for byte."""
    style = asset("report.css") + asset("picture.css") + asset("page.css")
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            style=Markup(style),
            style_hash=csp_hash(style),
            script_hash="",
        )
    )
