"""Run a page of text and Python, and write it as one HTML file: ``render.py SOURCE TARGET``.

The source is MyST Markdown as Jupyter reads it (jupytext, myst-nb): what is in a ``{code-cell}``
is run, cell after cell in one namespace, and shown with what it prints and with the value of its
last line. A cell that raises ends everything: there is no page whose numbers were not computed.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from html import escape
from pathlib import Path
from typing import Any

from harness.base import numerics

numerics.pin()

from markdown_it import MarkdownIt  # noqa: E402
from markdown_it.token import Token  # noqa: E402

import harness  # noqa: E402
from harness.base.files import write_file  # noqa: E402
from harness.page.html.html_environment import asset, csp_hash  # noqa: E402

HERE = Path(__file__).resolve().parent

CELL = "{code-cell}"


class CellFailed(Exception):
    """A cell raised; the text says where and what."""


def render(source: str, name: str = "the page") -> str:
    """Run a page and return its HTML.

    Raises
    ------
    CellFailed
    """
    text = re.sub(r"\A---\n.*?\n---\n", lambda m: "\n" * m[0].count("\n"), source, flags=re.DOTALL)
    namespace: dict[str, Any] = {"__name__": "__tutorial__"}
    markdown = MarkdownIt("commonmark").enable("table")
    body, sections = [], []
    for tokens in _blocks(markdown.parse(text)):
        first = tokens[0]
        if first.type == "fence" and first.info.startswith(CELL):
            assert first.map is not None
            body.append(_cell(first.content, namespace, name, first.map[0] + 1))
            continue
        if first.type == "heading_open" and first.tag in ("h1", "h2", "h3"):
            title = tokens[1].content
            key = re.sub(r"\W+", "-", title.lower()).strip("-")
            first.attrs["id"] = key
            sections += [(key, title, first.tag)]
        html = markdown.renderer.render(tokens, markdown.options, {})
        body.append(
            html.replace("<table>", '<div class="scroll" tabindex="0"><table>').replace(
                "</table>", "</table></div>"
            )
        )
    return _page(sections, "\n".join(body))


def _blocks(tokens: list[Token]) -> Iterator[list[Token]]:
    """Take the tokens of a page apart into its blocks."""
    block: list[Token] = []
    depth = 0
    for token in tokens:
        block.append(token)
        depth += token.nesting
        if depth == 0:
            yield block
            block = []


def _cell(code: str, namespace: dict[str, Any], name: str, line: int) -> str:
    """Run a cell and return its code with what came of it."""
    lines = code.splitlines()
    while lines and re.match(r":\w[\w-]*:", lines[0]):
        # Options of the cell are for Jupyter.
        lines.pop(0)
        line += 1
    code = "\n".join(lines).strip("\n")
    printed, value = io.StringIO(), None
    try:
        # Errors in a cell have the lines of the page.
        tree = ast.parse("\n" * line + code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        with redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            exec(compile(tree, name, "exec"), namespace)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    except Exception as error:
        at = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == name]
        where = at[-1] if at else getattr(error, "lineno", None) or line
        raise CellFailed(f"{name}, line {where}: {type(error).__name__}: {error}") from error
    said = _text(printed.getvalue().rstrip()) if printed.getvalue() else ""
    shown = "" if value is None else _shown(value)
    out = f'<div class="result">{said}{shown}</div>' if said or shown else ""
    return f'<pre class="code" tabindex="0"><code>{escape(code)}</code></pre>{out}'


def _shown(value: Any) -> str:
    """Return a value as a notebook shows it; a picture in the colours of the page."""
    if hasattr(value, "_repr_svg_"):
        return str(value.html())
    if hasattr(value, "_repr_html_"):
        table = re.sub(r' border="\d"| style="[^"]*"', "", value._repr_html_())
        table = re.sub(r"<style.*?</style>", "", table, flags=re.DOTALL)
        # An empty heading is none.
        table = re.sub(r"<th([^>]*)></th>", r"<td\1></td>", table)
        return f'<div class="scroll" tabindex="0">{table}</div>'
    return _text(repr(value))


def _text(text: str) -> str:
    return f'<pre tabindex="0">{escape(text)}</pre>'


def _page(sections: list[tuple[str, str, str]], body: str) -> str:
    title = next(text for _, text, tag in sections if tag == "h1")
    parts = [(key, text) for key, text, tag in sections if tag == "h2"]
    contents = "".join(f'<li><a href="#{key}">{escape(text)}</a></li>' for key, text in parts)
    style = asset("report.css") + asset("picture.css") + (HERE / "page.css").read_text("utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{
        csp_hash(style)
    }'; base-uri 'none'; form-action 'none'">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body class="tutorial">
<a class="skip" href="#main">Skip to the text</a>
<main id="main">
<nav class="contents" aria-label="Contents"><ol>{contents}</ol></nav>
<article>
{body}
</article>
</main>
<footer><p>lmm-parity {harness.__version__}. Every number and picture was computed when this page
was made.</p></footer>
</body>
</html>
"""


def main(source: str, target: str) -> int:
    """Render a file; 1 where a cell fails."""
    path = Path(source)
    try:
        page = render(path.read_text(encoding="utf-8"), path.name)
    except CellFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    write_file(Path(target), page)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
