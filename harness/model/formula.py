"""Parse lme4-style formulas.

No Python library reads the random part of lme4's syntax right, so this small recursive-descent
parser does, with the operator precedence of R's formula language: ``^`` before ``:`` before ``*``
and ``/`` before ``+`` and ``-``, with ``|`` and ``||`` last. An error points at its place with a
caret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.base.errors import BadInput

FUNCTIONS = ("I", "log", "log2", "log10", "log1p", "exp", "sqrt", "abs")
"""Functions of one numeric argument that mean the same in R and in Python."""

FACTOR_FUNCTIONS = ("factor", "as.factor", "C")

_REFUSED = {
    "scale": "its divisor is n - 1 in R and n in patsy; make the scaled column yourself",
    "poly": "its basis differs between the two sides; use I(x^2) or make the columns yourself",
    "offset": "statsmodels MixedLM has no offset; subtract it from the outcome",
    "ns": "spline bases differ between the two sides; make the columns yourself",
    "bs": "spline bases differ between the two sides; make the columns yourself",
}


@dataclass(frozen=True)
class Name:
    """A column of the data; ``as_factor`` when wrapped in ``factor()`` or used as a group."""

    name: str
    as_factor: bool = False


@dataclass(frozen=True)
class Number:
    """A literal number, as written."""

    text: str


@dataclass(frozen=True)
class Call:
    """A function of one arithmetic expression, ``I(x^2)`` or ``log(x)``."""

    function: str
    argument: Node


@dataclass(frozen=True)
class Binary:
    """``left operator right``."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Unary:
    """A sign in front of an expression, ``-1``."""

    operator: str
    operand: Node


Node = Name | Number | Call | Binary | Unary


@dataclass(frozen=True)
class Bar:
    """A random part as written: ``(effects | group)`` or ``(effects || group)``."""

    effects: Node
    group: Node
    double: bool


@dataclass(frozen=True)
class Formula:
    """A parsed formula. ``fixed`` is None for ``y ~ (1 | g)``, where only the intercept is left."""

    text: str
    outcome: Node
    fixed: Node | None
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class _Token:
    kind: Literal["name", "number", "operator", "end"]
    text: str
    place: int


_TOKEN = re.compile(
    r"\s*(?:(?P<quoted>`(?:[^`\\]|\\.)*`)"
    r"|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<name>(?:[^\W\d]|\.(?!\d))[\w.]*)"
    r"|(?P<operator>\|\||\*\*|%in%|[-+*/:^()~|,]))"
)


_SPACE = re.compile(r"(?P<quoted>`(?:[^`\\]|\\.)*`)|\s+")
"""Space between tokens, which means nothing, told apart from space in a quoted name."""


class FormulaError(BadInput):
    """A formula that does not parse, with a caret under the place."""

    def __init__(self, message: str, text: str, place: int) -> None:
        super().__init__(f"formula: {message}\n  {text}\n  {' ' * place}^")


def parse(text: str) -> Formula:
    """Parse ``outcome ~ terms + (effects | group)``.

    Raises
    ------
    FormulaError
        With the place and, where there is one, what to write instead.
    """
    text = _SPACE.sub(lambda hit: hit["quoted"] or " ", text).strip()
    if not text:
        raise BadInput("formula: it is empty; write for example 'y ~ x + (1 | g)'")
    try:
        return _Parser(text).formula()
    except RecursionError:
        raise BadInput("formula: its parentheses are nested too deeply") from None


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokens())
        self.at = 0
        self.bars: list[Bar] = []

    def _tokens(self) -> Iterator[_Token]:
        place = 0
        while place < len(self.text.rstrip()):
            match = _TOKEN.match(self.text, place)
            if match is None:
                start = place + len(self.text[place:]) - len(self.text[place:].lstrip())
                if self.text[start] == "`":
                    raise self.error("this backtick is never closed", start)
                raise self.error(f"unexpected character {self.text[start]!r}", start)
            kind = match.lastgroup or ""
            word = match.group(kind)
            start = match.start(kind)
            if kind == "quoted":
                yield _Token("name", re.sub(r"\\(.)", r"\1", word[1:-1]), start)
            elif kind == "name":
                yield _Token("name", word, start)
            elif kind == "number":
                yield _Token("number", word, start)
            else:
                yield _Token("operator", "^" if word == "**" else word, start)
            place = match.end()
        yield _Token("end", "", len(self.text))

    def error(self, message: str, place: int) -> FormulaError:
        return FormulaError(message, self.text, place)

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def is_operator(self, *operators: str) -> bool:
        return self.token.kind == "operator" and self.token.text in operators

    def take(self) -> _Token:
        token = self.token
        self.at += 1
        return token

    def expect(self, operator: str, message: str) -> _Token:
        if not self.is_operator(operator):
            raise self.error(message, self.token.place)
        return self.take()

    def spaced(self) -> str:
        """Return a hint where a name stands after something: it may be one name with a space."""
        if self.token.kind != "name":
            return ""
        return "; a name with a space in it is written in backquotes: `blood pressure`"

    def formula(self) -> Formula:
        if self.is_operator("~"):
            raise self.error("there is no outcome before '~'", self.token.place)
        outcome = self.arithmetic()
        self.expect("~", f"expected '~' after the outcome{self.spaced()}")
        fixed = self.sum(top=True)
        if self.token.kind != "end":
            what = self.token.text
            hint = {
                "~": "a second '~'",
                "|": "a random term needs parentheses: (x | g)",
                "||": "a random term needs parentheses: (x || g)",
                ")": "this ')' has no '('",
            }.get(what, f"unexpected {what!r}; an operator may be missing before it{self.spaced()}")
            raise self.error(hint, self.token.place)
        return Formula(self.text, outcome, fixed, tuple(self.bars))

    def sum(self, *, top: bool = False) -> Node | None:
        """Terms joined by + and -; random terms, allowed at the top only, go to ``bars``."""
        result: Node | None = None
        sign = self.take().text if self.is_operator("+", "-") else "+"
        while True:
            place = self.token.place
            bar = self.bar() if top else None
            if bar is None:
                term = self.product()
                if sign == "-" and not _is_one(term) and result is None:
                    raise self.error("only the intercept can be taken out first: '-1'", place)
                if result is None:
                    result = term if sign == "+" else Unary("-", term)
                else:
                    result = Binary(sign, result, term)
            else:
                if sign == "-":
                    raise self.error("a random term cannot be subtracted", place)
                self.bars.append(bar)
            if not self.is_operator("+", "-"):
                return result
            sign = self.take().text

    def bar(self) -> Bar | None:
        """Read a random term: a parenthesis with a '|' at its own depth."""
        if not self.is_operator("("):
            return None
        depth, at = 0, self.at
        for at in range(self.at, len(self.tokens)):
            token = self.tokens[at]
            if token.kind != "operator":
                continue
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                return None
            if depth == 1 and token.text in ("|", "||"):
                break
        else:
            return None
        opening = self.take()
        effects = self.sum()
        if effects is None or not self.is_operator("|", "||"):
            raise self.error("expected effects before '|'", self.token.place)
        double = self.take().text == "||"
        group = self.group()
        if not self.is_operator(")"):
            if self.is_operator("|", "||"):
                raise self.error("a second '|' in one random term", self.token.place)
            if self.is_operator("+", "*"):
                raise self.error(
                    "one grouping factor per term: write (x | a) + (x | b)", self.token.place
                )
            if self.token.kind == "end":
                raise self.error("this '(' is never closed", opening.place)
            what = f"unexpected {self.token.text!r} in a group{self.spaced()}"
            raise self.error(what, self.token.place)
        self.take()
        return Bar(effects, group, double)

    def group(self) -> Node:
        """Names joined by ':' and '/', as in ``a/b`` and ``a:b``; ``a/b:c`` is ``a/(b:c)``."""
        node = self.group_interaction()
        while self.is_operator("/"):
            self.take()
            node = Binary("/", node, self.group_interaction())
        return node

    def group_interaction(self) -> Node:
        node: Node = self.group_name()
        while self.is_operator(":"):
            self.take()
            node = Binary(":", node, self.group_name())
        return node

    def group_name(self) -> Name:
        token = self.token
        if token.kind != "name":
            if token.kind == "number" and token.text == "1":
                raise self.error("a grouping factor must be a column, not 1", token.place)
            raise self.error("expected the name of a grouping factor", token.place)
        self.take()
        if self.is_operator("(") and token.text in FACTOR_FUNCTIONS:
            self.take()
            inner = self.group_name()
            self.expect(")", "expected ')'")
            return inner
        if self.is_operator("("):
            raise self.error(f"{token.text}() is not possible in a group", token.place)
        return Name(token.text, as_factor=True)

    def product(self) -> Node:
        node = self.interaction()
        while self.is_operator("*", "/", "%in%"):
            operator = self.take()
            if operator.text == "%in%":
                raise self.error("%in% is not supported; write a:b", operator.place)
            node = Binary(operator.text, node, self.interaction())
        return node

    def interaction(self) -> Node:
        node = self.power()
        while self.is_operator(":"):
            self.take()
            node = Binary(":", node, self.power())
        return node

    def power(self) -> Node:
        place = self.token.place
        node = self.atom()
        if self.is_operator("^"):
            self.take()
            exponent = self.token
            if exponent.kind != "number" or not exponent.text.isdigit():
                raise self.error(
                    "the power of a set of terms must be a whole number", exponent.place
                )
            if isinstance(node, Name):
                raise self.error(
                    f"{node.name}^{exponent.text} means {node.name} here; "
                    f"write I({node.name}^{exponent.text}) for the power",
                    place,
                )
            self.take()
            node = Binary("^", node, Number(exponent.text))
        return node

    def atom(self) -> Node:
        token = self.token
        if token.kind == "name":
            self.take()
            return self.call(token) if self.is_operator("(") else self.name(token)
        if token.kind == "number":
            if token.text not in ("0", "1"):
                raise self.error("only 0 and 1 have a meaning as terms", token.place)
            self.take()
            return Number(token.text)
        if self.is_operator("("):
            self.take()
            inner = self.sum()
            if self.is_operator("|", "||"):
                raise self.error(
                    "a random term stands on its own, joined to the others by '+'", self.token.place
                )
            if not self.is_operator(")"):
                raise self.error("this '(' is never closed", token.place)
            self.take()
            assert inner is not None
            return inner
        if token.kind == "end":
            raise self.error("the formula ends where a term is expected", token.place)
        raise self.error(f"expected a term, not {token.text!r}", token.place)

    def name(self, token: _Token) -> Name:
        if token.text == ".":
            raise self.error("'.' is not supported; name the columns", token.place)
        return Name(token.text)

    def call(self, token: _Token) -> Node:
        if token.text in FACTOR_FUNCTIONS:
            self.take()
            name = self.token
            if name.kind != "name":
                raise self.error(f"{token.text}() takes the name of a column", name.place)
            self.take()
            self.expect(
                ")", f"{token.text}() takes one column; set levels in the data or with --levels"
            )
            return Name(name.text, as_factor=True)
        if token.text not in FUNCTIONS:
            why = _REFUSED.get(token.text, f"known are {', '.join(FUNCTIONS)} and factor")
            raise self.error(f"{token.text}() is not supported: {why}", token.place)
        self.take()
        argument = self.arithmetic()
        self.expect(")", f"{token.text}( is never closed; it takes one argument")
        return Call(token.text, argument)

    def arithmetic(self) -> Node:
        """Arithmetic as inside I(): + - * / ^ on columns and numbers."""
        node = self.arithmetic_product()
        while self.is_operator("+", "-"):
            operator = self.take().text
            node = Binary(operator, node, self.arithmetic_product())
        return node

    def arithmetic_product(self) -> Node:
        node = self.arithmetic_sign()
        while self.is_operator("*", "/"):
            operator = self.take().text
            node = Binary(operator, node, self.arithmetic_sign())
        return node

    def arithmetic_sign(self) -> Node:
        # The sign binds looser than the power, as in R and Python: -x^2 is -(x^2).
        if self.is_operator("-", "+"):
            return Unary(self.take().text, self.arithmetic_sign())
        node = self.arithmetic_atom()
        if self.is_operator("^"):
            self.take()
            return Binary("^", node, self.arithmetic_sign())
        return node

    def arithmetic_atom(self) -> Node:
        token = self.token
        if token.kind == "number":
            self.take()
            return Number(token.text)
        if token.kind == "name":
            self.take()
            if not self.is_operator("("):
                return self.name(token)
            if token.text in FACTOR_FUNCTIONS:
                raise self.error("a factor has no place in arithmetic", token.place)
            return self.call(token)
        if self.is_operator("("):
            self.take()
            inner = self.arithmetic()
            self.expect(")", "expected ')'")
            return inner
        if token.kind == "end":
            raise self.error("the formula ends where a column is expected", token.place)
        raise self.error(f"expected a column or a number, not {token.text!r}", token.place)


def _is_one(node: Node) -> bool:
    return node == Number("1")


def names_in(node: Node | None) -> Iterator[Name]:
    """Every column named in an expression, left to right."""
    match node:
        case Name():
            yield node
        case Call():
            yield from names_in(node.argument)
        case Unary():
            yield from names_in(node.operand)
        case Binary():
            yield from names_in(node.left)
            yield from names_in(node.right)
