"""Templates, style sheets and scripts of the HTML pages."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.page import numbers
from harness.page.html.html_line import bar, line_html
from harness.page.html.html_table import html_rows


@cache
def environment() -> Environment:
    """Return what templates are rendered with: every value is escaped, none may be missing."""
    made = Environment(
        loader=PackageLoader("harness.page.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["count"] = numbers.count
    made.filters["seconds"] = numbers.seconds
    made.globals |= {"line": line_html, "html_rows": html_rows, "bar": bar}
    return made


@cache
def asset(name: str) -> str:
    """Return a style sheet or script that pages carry with them."""
    loader = environment().loader
    assert loader is not None
    return loader.get_source(environment(), name)[0]


def csp_hash(content: str) -> str:
    """Return what a Content-Security-Policy needs to allow exactly this inline block.

    With it the page can run no other script and load nothing, whatever the records hold.
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
