"""The words of a formula: names, numbers, texts and operators, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.base.errors import BadInput


@dataclass(frozen=True)
class Token:
    """A word of a formula and where it begins."""

    kind: Literal["name", "number", "text", "operator", "end"]
    text: str
    place: int


_TOKEN = re.compile(
    r"\s*(?:(?P<quoted>`(?:[^`\\]|\\.)*`)"
    r"|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<name>(?:[^\W\d]|\.(?!\d))[\w.]*)"
    r"|(?P<operator>\|\||\*\*|%in%|[-+*/:^()~|,=]))"
)

_SPACE = re.compile(r"(?P<quoted>`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')|\s+")
"""Space between tokens, which means nothing, told apart from space in a quoted name."""


class FormulaError(BadInput):
    """A formula that does not parse, with a caret under the place."""

    def __init__(self, message: str, text: str, place: int) -> None:
        super().__init__(f"formula: {message}\n  {text}\n  {' ' * place}^")


def plain_space(text: str) -> str:
    """Return a formula with single spaces between its words."""
    return _SPACE.sub(lambda hit: hit["quoted"] or " ", text).strip()


def tokens(text: str) -> Iterator[Token]:
    """Split a formula into its words; the last one is its end.

    Raises
    ------
    FormulaError
        For a character that begins none.
    """
    place = 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None:
            start = place + len(text[place:]) - len(text[place:].lstrip())
            if text[start] == "`":
                raise FormulaError("this backtick is never closed", text, start)
            if text[start] in "\"'":
                raise FormulaError("this quotation mark is never closed", text, start)
            raise FormulaError(f"unexpected character {text[start]!r}", text, start)
        kind = match.lastgroup or ""
        word = match.group(kind)
        start = match.start(kind)
        if kind == "quoted":
            yield Token("name", _unquoted(word), start)
        elif kind == "text":
            yield Token("text", _unquoted(word), start)
        elif kind == "name":
            yield Token("name", word, start)
        elif kind == "number":
            yield Token("number", word, start)
        else:
            yield Token("operator", "^" if word == "**" else word, start)
        place = match.end()
    yield Token("end", "", len(text))


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1])
