"""Pictures that a notebook shows: SVG with its own colours, one panel or several."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from markupsafe import Markup, escape

from harness.page.html.html_environment import asset
from harness.page.html.svg import Figure

GAP, TITLE = 16.0, 20.0
"""Between panels, and over each for its title, in picture units."""

ACROSS = 2
"""Panels beside each other."""

_SIZE = re.compile(r'<svg viewBox="0 0 ([\d.]+) ([\d.]+)"')


@dataclass(frozen=True)
class Picture:
    """One or several pictures side by side.

    Attributes
    ----------
    figures : tuple of Figure
        Each with its title, its SVG and the line of text under it.
    """

    figures: tuple[Figure, ...]

    @property
    def svg(self) -> str:
        """All panels in one SVG that needs no style sheet, on a light ground of its own."""
        sizes = [tuple(map(float, found.groups())) for f in self.figures if (found := _found(f))]
        panels, y, whole = [], 0.0, 0.0
        for start in range(0, len(sizes), ACROSS):
            x, tallest = 0.0, 0.0
            for figure, (wide, tall) in list(zip(self.figures, sizes, strict=True))[
                start : start + ACROSS
            ]:
                title = f'<text class="figure-title" x="4" y="14">{escape(figure.title)}</text>'
                panels.append(f'<g transform="translate({x:g} {y:g})">{title}</g>')
                panels.append(f'<g transform="translate({x:g} {y + TITLE:g})">{figure.svg}</g>')
                x += wide + GAP
                tallest = max(tallest, tall)
            whole = max(whole, x - GAP)
            y += TITLE + tallest + GAP
        width, height = whole, y - GAP
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="lmm-picture" '
            f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">'
            f"<style>{_style()}</style>"
            f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>{"".join(panels)}</svg>'
        )

    @property
    def captions(self) -> tuple[str, ...]:
        """The line of text under each picture."""
        return tuple(figure.caption for figure in self.figures)

    def html(self) -> str:
        """Return figures with titles and captions, for a page that has the style sheet."""
        drawn = [
            f'<figure{" class=wide" if f.wide else ""}><p class="figure-title">{escape(f.title)}'
            f"</p>{f.svg}<figcaption>{escape(f.caption)}</figcaption></figure>"
            for f in self.figures
        ]
        return f'<div class="figures">{"".join(drawn)}</div>'

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return "\n".join(f"{figure.title}: {figure.caption}" for figure in self.figures)


def beside(*pictures: Picture) -> Picture:
    """Return the panels of several pictures as one picture."""
    return Picture(tuple(figure for one in pictures for figure in one.figures))


def _found(figure: Figure) -> re.Match[str] | None:
    return _SIZE.match(figure.svg)


@cache
def _style() -> Markup:
    """Return the rules of the style sheet that pictures need, for them alone."""
    own = asset("picture.css")
    root = re.search(r":root \{(.*?)\}", asset("report.css"), re.DOTALL)
    assert root is not None
    colours = " ".join(re.findall(r"--(?:ink|dim|page|panel|sans|e\d|g\d): [^;]+;", root[1]))
    rules = re.sub(
        r"([^{}]+)(\{[^{}]*\})",
        lambda m: ", ".join(f".lmm-picture {one.strip()}" for one in m[1].split(",")) + m[2],
        own,
    )
    title = ".lmm-picture .figure-title { font: 600 13px var(--sans); fill: var(--ink); }"
    return Markup(f".lmm-picture {{ {colours} color: var(--ink); }}{rules}{title}")
