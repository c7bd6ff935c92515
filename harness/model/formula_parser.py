"""Parse lme4-style formulas.

No Python library reads the random part of lme4's syntax right, so this small recursive-descent
parser does, with the operator precedence of R's formula language: ``^`` before ``:`` before ``*``
and ``/`` before ``+`` and ``-``, with ``|`` and ``||`` last. An error points at its place with a
caret.
"""

from __future__ import annotations

from harness.base.errors import BadInput
from harness.model.coding import CODINGS, Coding, coding_named
from harness.model.formula import Bar, Binary, Call, Formula, Name, Node, Number, Unary
from harness.model.functions import FUNCTIONS, REFUSED, Value, read_options
from harness.model.structure import structure_named
from harness.model.tokens import FormulaError, Token, plain_space, tokens

FACTOR_FUNCTIONS = ("factor", "as.factor", "C", "relevel")


def parse(text: str) -> Formula:
    """Parse ``outcome ~ terms + (effects | group)``.

    Raises
    ------
    FormulaError
        With the place and, where there is one, what to write instead.
    """
    text = plain_space(text)
    if not text:
        raise BadInput("formula: it is empty; write for example 'y ~ x + (1 | g)'")
    try:
        return _Parser(text).formula()
    except RecursionError:
        raise BadInput("formula: its parentheses are nested too deeply") from None


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(tokens(text))
        self.at = 0
        self.bars: list[Bar] = []
        self.offsets: list[Node] = []
        self.weights: Name | None = None

    def error(self, message: str, place: int) -> FormulaError:
        return FormulaError(message, self.text, place)

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def is_operator(self, *operators: str) -> bool:
        return self.token.kind == "operator" and self.token.text in operators

    def take(self) -> Token:
        token = self.token
        self.at += 1
        return token

    def expect(self, operator: str, message: str) -> Token:
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
        return Formula(
            self.text, outcome, fixed, tuple(self.bars), tuple(self.offsets), self.weights
        )

    def sum(self, *, top: bool = False) -> Node | None:
        """Terms joined by + and -; random terms, allowed at the top only, go to ``bars``."""
        result: Node | None = None
        sign = self.take().text if self.is_operator("+", "-") else "+"
        while True:
            place = self.token.place
            bar = self.bar() if top else None
            if top and self.known_part():
                if sign == "-":
                    raise self.error("an offset or weights cannot be subtracted", place)
            elif bar is None:
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

    def known_part(self) -> bool:
        """Read ``offset(o)`` or ``weights(w)`` where one is next, which are no terms."""
        token = self.token
        if token.kind != "name" or token.text not in ("offset", "weights"):
            return False
        if self.tokens[self.at + 1].text != "(" or self.text[token.place] == "`":
            return False
        self.take()
        self.take()
        found = self.arithmetic()
        self.expect(")", f"{token.text}( is never closed; it takes one argument")
        if token.text == "offset":
            self.offsets.append(found)
        elif not isinstance(found, Name) or self.weights is not None:
            raise self.error("weights() takes one column, and stands once", token.place)
        else:
            self.weights = found
        return True

    def bar(self) -> Bar | None:
        """Read a random term: a parenthesis with a '|' at its own depth, or ``cs(...)``."""
        start, named = self.at, self.token
        if named.kind == "name" and self.text[named.place] != "`":
            self.at += 1
        if not self.is_operator("(") or not self.has_bar():
            self.at = start
            return None
        opening = self.take()
        effects = self.sum()
        if effects is None or not self.is_operator("|", "||"):
            raise self.error("expected effects before '|'", self.token.place)
        double = self.take().text == "||"
        group = self.group()
        call = None if named is opening else named
        given = [] if call is None else self.options(call)
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
        if call is None:
            return Bar(effects, group, double)
        try:
            return Bar(effects, group, False, structure_named(call.text, given, double=double))
        except BadInput as error:
            raise self.error(str(error), call.place) from None

    def has_bar(self) -> bool:
        """Whether the parenthesis that is next has a '|' at its own depth."""
        depth = 0
        for at in range(self.at, len(self.tokens)):
            token = self.tokens[at]
            if token.kind != "operator":
                continue
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                return False
            if depth == 1 and token.text in ("|", "||"):
                return True
        return False

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

    def name(self, token: Token) -> Name:
        if token.text == ".":
            raise self.error("'.' is not supported; name the columns", token.place)
        return Name(token.text)

    def call(self, token: Token) -> Node:
        if token.text in FACTOR_FUNCTIONS:
            return self.factor(token)
        if token.text not in FUNCTIONS:
            why = REFUSED.get(token.text, f"known are {', '.join(FUNCTIONS)} and factor")
            raise self.error(f"{token.text}() is not supported: {why}", token.place)
        self.take()
        argument = self.arithmetic()
        place = self.token.place
        given = self.options(token)
        if not self.is_operator(")") and self.token.kind != "end":
            raise self.error(
                f"unexpected {self.token.text!r} in {token.text}(); an operator may be missing "
                f"before it{self.spaced()}",
                self.token.place,
            )
        self.expect(")", f"{token.text}( is never closed{FUNCTIONS[token.text].takes}")
        try:
            function, options = read_options(token.text, given)
        except BadInput as error:
            raise self.error(str(error), place) from None
        return Call(function, argument, options)

    def options(self, token: Token) -> list[tuple[str, Value | str]]:
        """Values after the first argument, with their names where they have one."""
        found = []
        while self.is_operator(","):
            self.take()
            found.append(self.option(token))
        return found

    def option(self, token: Token) -> tuple[str, Value | str]:
        """Read ``2`` or ``degree = 2``."""
        name = ""
        if self.token.kind == "name" and self.tokens[self.at + 1].text == "=":
            name = self.take().text
            self.take()
        return name, self.value(token)

    def value(self, call: Token) -> Value | str:
        """Read a number, several in c(), TRUE or FALSE, a text, or a name."""
        token = self.token
        if self.is_operator("-", "+", "(") or token.kind == "number":
            return self.numbers() if self.is_operator("(") else self.signed()
        if token.kind in ("name", "text"):
            self.take()
            if token.kind == "name" and self.is_operator("("):
                if token.text == "c":
                    return self.numbers()
                raise self.error(
                    f"{token.text}() has no place here; write its value, 2 or c(1, 2)", token.place
                )
            if token.kind == "name" and token.text in ("TRUE", "True", "T"):
                return True
            if token.kind == "name" and token.text in ("FALSE", "False", "F"):
                return False
            return token.text
        raise self.error(f"expected a value in {call.text}(), not {token.text!r}", token.place)

    def numbers(self) -> tuple[float, ...]:
        self.take()
        found = [self.signed()]
        while self.is_operator(","):
            self.take()
            found.append(self.signed())
        self.expect(")", "expected ')' after the numbers")
        return tuple(found)

    def signed(self) -> float:
        sign = -1.0 if self.is_operator("-", "+") and self.take().text == "-" else 1.0
        token = self.take()
        if token.kind != "number":
            raise self.error("expected a number", token.place)
        return sign * float(token.text)

    def factor(self, token: Token) -> Name:
        """Read ``factor(f)``, ``C(f, contr.sum)`` or ``relevel(f, ref = "b")``."""
        self.take()
        column = self.token
        if column.kind != "name":
            raise self.error(f"{token.text}() takes the name of a column", column.place)
        self.take()
        if self.is_operator("(") and column.text in ("factor", "as.factor"):
            inner = self.factor(column)
        else:
            inner = Name(column.text, as_factor=True)
        coding = None
        if self.is_operator(",") and token.text == "C":
            coding = self.coding()
        elif self.is_operator(",") and token.text == "relevel":
            (given,) = self.options(token)[:1]
            if given[0] not in ("", "ref") or not isinstance(given[1], str):
                raise self.error('relevel() takes a level: relevel(f, ref = "b")', token.place)
            coding = Coding("treatment", given[1])
        elif token.text == "relevel":
            raise self.error('relevel() takes a level: relevel(f, ref = "b")', token.place)
        self.expect(
            ")", f"{token.text}() takes one column; set levels in the data or with --levels"
        )
        return Name(inner.name, as_factor=True, coding=coding)

    def coding(self) -> Coding:
        """Read what follows the column in ``C(f, Sum)`` or ``C(f, Treatment("b"))``."""
        self.take()
        token = self.take()
        kind = coding_named(token.text) if token.kind in ("name", "text") else None
        if kind is None:
            raise self.error(
                f"{token.text!r} is no coding of a factor; known are {', '.join(CODINGS)}",
                token.place,
            )
        reference: list[tuple[str, Value | str]] = []
        if self.is_operator("("):
            self.take()
            if not self.is_operator(")"):
                reference = [self.option(token), *self.options(token)]
            self.expect(")", f"{token.text}( is never closed")
        elif self.is_operator(","):
            reference = self.options(token)
        if not reference:
            return Coding(kind)
        name, level = reference[0]
        if kind == "treatment" and level == -1.0 and not name:
            return Coding("SAS")  # patsy's Treatment(-1): the last level
        if kind != "treatment" or name not in ("", "reference", "ref") or len(reference) > 1:
            raise self.error(
                'the reference of treatment coding is given by its name, relevel(f, ref = "b")'
                if kind == "treatment"
                else f"{token.text} takes no option; only treatment coding has one, its reference",
                token.place,
            )
        if isinstance(level, bool | tuple):
            raise self.error("the reference is the name of a level", token.place)
        return Coding(kind, level if isinstance(level, str) else f"{level:.15g}")

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
                quoted = self.text[token.place] == "`"
                return Number("pi") if token.text == "pi" and not quoted else self.name(token)
            if token.text in FACTOR_FUNCTIONS:
                raise self.error("a factor has no place in arithmetic", token.place)
            found = self.call(token)
            if FUNCTIONS[token.text].several:
                raise self.error(
                    f"{token.text}() makes several columns and has no place in arithmetic",
                    token.place,
                )
            return found
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
