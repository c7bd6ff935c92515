"""Read a statsmodels call, as text: which formulas, groups and options it gives to MixedLM.

The text is parsed and looked at, never run. What surrounds the call is followed as far as it says
what the model is: names bound to strings, columns pasted together or renamed, the ``fit``.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from harness.base.errors import BadInput
from harness.spelling.python_surroundings import Pasting, drops_rows, python_notes
from harness.spelling.trap import Trap

Free = Literal["all", "diagonal", "other"]
"""Which covariances ``fit(free=...)`` lets vary."""

_FUNCTIONS = re.compile(r"\b(mixedlm|MixedLM|from_formula|ols|OLS)\s*(\.\s*from_formula\s*)?\(")


@dataclass(frozen=True)
class MixedLMCall:
    """A call of ``mixedlm`` or ``ols``.

    Attributes
    ----------
    groups : tuple of str or None
        Columns whose interaction is the grouping factor; empty for one group of all rows; None for
        least squares.
    re_formula : str or None
        None where it is not given.
    vc_formula : dict
        Variance components by name.
    methods : tuple of str
        Optimizers asked for; empty for the default.
    drops_missing : bool
        Whether incomplete rows are dropped, by the call or before it.
    pasted : dict
        Columns made by pasting others together, by name.
    renamed : dict
        The user's name by the new one.
    unseparated : tuple of Pasting
        Groups made of columns with nothing between them.
    notes : tuple of Trap
        What else the code says.
    """

    formula: str
    groups: tuple[str, ...] | None
    re_formula: str | None = None
    vc_formula: dict[str, str] = field(default_factory=dict)
    free: Free = "all"
    reml: bool = True
    methods: tuple[str, ...] = ()
    drops_missing: bool = False
    pasted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    unseparated: tuple[Pasting, ...] = ()
    notes: tuple[Trap, ...] = ()


class CallError(BadInput):
    """A call that cannot be read, with a caret under the place."""

    def __init__(self, message: str, text: str, line: int = 1, place: int = 0) -> None:
        lines = text.splitlines() or [""]
        shown = lines[min(line, len(lines)) - 1]
        super().__init__(f"call: {message}\n  {shown}\n  {' ' * place}^")


def looks_like_call(text: str) -> bool:
    """Whether a text is meant as Python: it names a function of statsmodels and calls it."""
    return _FUNCTIONS.search(text) is not None


def read_call(text: str) -> MixedLMCall:
    """Read the model call in a piece of Python, and its fit if there is one.

    Raises
    ------
    CallError
        Where it is not Python, holds no such call or several, or says something that cannot be
        read without running it.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        # A parser's column counts from 1 and can lie behind the end of the line.
        raise CallError(
            f"not Python: {error.msg}", text, error.lineno or 1, max((error.offset or 1) - 1, 0)
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise BadInput("call: not Python that can be read") from None
    return _Reader(text, tree).call()


class _Reader:
    def __init__(self, text: str, tree: ast.Module) -> None:
        self.text = text
        self.tree = tree
        self.names: dict[str, ast.expr] = {}
        self.pasted: dict[str, tuple[str, ...]] = {}
        self.renamed: dict[str, str] = {}
        self.dropped = False
        self.unseparated: dict[tuple[str, ...], Pasting] = {}

    def error(self, message: str, node: ast.AST) -> CallError:
        line = getattr(node, "lineno", 1)
        column = getattr(node, "col_offset", 0)
        source = self.text.splitlines()[line - 1].encode()
        return CallError(message, self.text, line, len(source[:column].decode(errors="ignore")))

    def call(self) -> MixedLMCall:
        models = [n for n in ast.walk(self.tree) if isinstance(n, ast.Call) and self.is_model(n)]
        if not models:
            raise CallError(
                "there is no mixedlm(), MixedLM.from_formula() or ols() in it", self.text
            )
        if len(models) > 1:
            raise self.error("a second model; translate one at a time", models[1])
        for statement in self.tree.body:
            self.follow(statement)
        model = models[0]
        fits = [n for n in ast.walk(self.tree) if isinstance(n, ast.Call) and self.is_fit(n, model)]
        if len(fits) > 1:
            raise self.error("a second fit; translate one at a time", fits[1])
        return self.read(model, fits[0] if fits else None)

    def is_model(self, node: ast.Call) -> bool:
        called = node.func
        name = _last_name(called)
        if name == "from_formula" and isinstance(called, ast.Attribute):
            owner = _last_name(called.value)
            if owner in ("MixedLM", "OLS"):
                return True
            raise self.error(f"{owner}.from_formula() is no linear mixed model", node)
        if name in ("MixedLM", "OLS"):
            raise self.error(
                f"{name}(endog, exog, ...) holds arrays, whose columns have no names here; "
                "write the call with a formula",
                node,
            )
        return name in ("mixedlm", "ols")

    def is_fit(self, node: ast.Call, model: ast.Call) -> bool:
        if not isinstance(node.func, ast.Attribute):
            return False
        if node.func.attr == "fit_regularized":
            raise self.error("fit_regularized() has no equal in lme4", node)
        return node.func.attr == "fit" and self.resolved(node.func.value) is model

    def follow(self, statement: ast.stmt) -> None:
        """Note what a statement says about names and data."""
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return
        target, value = statement.targets[0], statement.value
        if isinstance(target, ast.Name):
            self.names[target.id] = value
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
                if value.func.attr == "dropna":
                    self.dropped = True
                if value.func.attr == "rename":
                    self.rename(value)
        elif isinstance(target, ast.Subscript):
            made, pasted = self.constant(target.slice), self.columns(value)
            if isinstance(made, str) and pasted:
                self.pasted[made] = pasted

    def rename(self, call: ast.Call) -> None:
        for keyword in call.keywords:
            if keyword.arg == "columns":
                for old, new in self.strings(keyword.value, "rename(columns=)").items():
                    self.renamed[new] = old

    def read(self, model: ast.Call, fit: ast.Call | None) -> MixedLMCall:
        places = ("formula", "data", "re_formula", "vc_formula", "subset")
        given: dict[str, ast.expr] = {}
        for place, argument in zip(places, model.args, strict=False):
            if isinstance(argument, ast.Starred):
                raise self.error("arguments behind a star cannot be read", argument)
            given[place] = argument
        for keyword in model.keywords:
            if keyword.arg is None:
                raise self.error("arguments behind ** cannot be read", keyword.value)
            given[keyword.arg] = keyword.value
        if "formula" not in given:
            raise self.error("there is no formula", model)
        if "weights" in given:
            raise self.error(
                "neither MixedLM nor ols takes weights=; ols drops them, MixedLM raises an error",
                given["weights"],
            )
        for refused in ("exog_re", "exog_vc", "offset"):
            if refused in given:
                raise self.error(
                    f"{refused}= holds an array, which has no name here", given[refused]
                )
        formula = self.string(given["formula"], "the formula")
        options = {k.arg: k.value for k in fit.keywords if k.arg} if fit is not None else {}
        for keyword in fit.keywords if fit is not None else []:
            if keyword.arg is None:
                raise self.error("arguments of fit() behind ** cannot be read", keyword.value)
        for refused in ("fe_pen", "cov_pen"):
            if refused in options and not _is_none(self.resolved(options[refused])):
                raise self.error(
                    f"{refused}= penalises the likelihood; lme4 has no such fit", options[refused]
                )
        notes = tuple(python_notes(self.tree, model, given, options, self.resolved))
        drops = (
            self.dropped
            or drops_rows(given.get("data"))
            or ("missing" in given and self.constant(given["missing"]) == "drop")
        )
        if _last_name(model.func) == "ols" or _owner(model.func) == "OLS":
            return MixedLMCall(
                formula, None, drops_missing=drops, renamed=self.renamed, notes=notes
            )
        if "groups" not in given:
            raise self.error("there is no groups=, which MixedLM needs", model)
        vc = given.get("vc_formula")
        has_vc = vc is not None and not _is_none(self.resolved(vc))
        re_node = given.get("re_formula")
        re_given = re_node is not None and not _is_none(self.resolved(re_node))
        if fit is not None and fit.args:
            raise self.error("write the arguments of fit() with their names", fit.args[0])
        groups = self.groups(given["groups"])
        components = self.strings(vc, "vc_formula") if has_vc and vc else {}
        words = set(re.findall(r"\w+", " ".join(components.values())))
        used = {groups, *(self.pasted[name] for name in self.pasted if name in words)}
        return MixedLMCall(
            formula=formula,
            groups=groups,
            re_formula=self.string(re_node, "re_formula") if re_given and re_node else None,
            vc_formula=components,
            free=self.free(options["free"]) if "free" in options else "all",
            reml=self.reml(options.get("reml")),
            methods=self.methods(options.get("method")),
            drops_missing=drops,
            pasted=self.pasted,
            renamed=self.renamed,
            unseparated=tuple(p for p in self.unseparated.values() if p.columns in used),
            notes=notes,
        )

    def resolved(self, node: ast.expr) -> ast.expr:
        """Follow names to what they were bound to."""
        for _ in range(20):
            if not isinstance(node, ast.Name) or node.id not in self.names:
                break
            node = self.names[node.id]
        return node

    def constant(self, node: ast.expr) -> object:
        node = self.resolved(node)
        return node.value if isinstance(node, ast.Constant) else None

    def string(self, node: ast.expr, what: str) -> str:
        value = self.constant(node)
        if not isinstance(value, str):
            raise self.error(f"{what} is not written out as a string", node)
        return value

    def strings(self, node: ast.expr, what: str) -> dict[str, str]:
        """Read a dict of strings, ``{...}`` or ``dict(...)``."""
        found = self.resolved(node)
        if isinstance(found, ast.Dict):
            pairs = list(zip(found.keys, found.values, strict=True))
            if all(key is not None for key, _ in pairs):
                return {
                    self.string(key, f"a name in {what}"): self.string(value, f"a value of {what}")
                    for key, value in pairs
                    if key is not None
                }
        if isinstance(found, ast.Call) and _last_name(found.func) == "dict" and not found.args:
            return {
                k.arg: self.string(k.value, f"a value of {what}") for k in found.keywords if k.arg
            }
        raise self.error(f"{what} is not written out as a dict", node)

    def reml(self, node: ast.expr | None) -> bool:
        if node is None:
            return True
        value = self.constant(node)
        if not isinstance(value, bool):
            raise self.error("reml= is neither True nor False", node)
        return value

    def methods(self, node: ast.expr | None) -> tuple[str, ...]:
        if node is None:
            return ()
        found = self.resolved(node)
        items = found.elts if isinstance(found, ast.List | ast.Tuple) else [found]
        return tuple(str(value) for item in items if (value := self.constant(item)) is not None)

    def groups(self, node: ast.expr) -> tuple[str, ...]:
        columns = self.columns(node)
        if columns is None:
            raise self.error(
                "groups= cannot be read; name a column, or np.ones(n) for one group of all", node
            )
        return columns

    def columns(self, node: ast.expr) -> tuple[str, ...] | None:
        """Return the columns an expression pastes together; () for a constant, None if unknown."""
        node = self.resolved(node)
        match node:
            case ast.Constant(value=str(name)):
                return self.pasted.get(name, (self.original(name),))
            case ast.Subscript(slice=inner):
                key = self.constant(inner)
                return self.columns(ast.Constant(key)) if isinstance(key, str) else None
            case (
                ast.Call(func=ast.Attribute(attr="astype" | "map" | "to_numpy", value=inner))
                | ast.Attribute(attr="values" | "array", value=inner)
            ):
                return self.columns(inner)
            case ast.Attribute(attr=name, value=ast.Name()):
                return self.columns(ast.Constant(name))
            case ast.Call(func=called) if _last_name(called) in (
                "ones",
                "zeros",
                "full",
                "ones_like",
                "zeros_like",
            ):
                return ()
            case ast.Call(
                func=ast.Attribute(attr="cat", value=ast.Attribute(attr="str", value=first)),
                args=[other],
                keywords=[ast.keyword(arg="sep", value=ast.Constant(value=str(separator)))],
            ) if separator:
                return self.sum(first, other, separated=True)
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return self.sum(left, right)
        return None

    def sum(
        self, left: ast.expr, right: ast.expr, *, separated: bool = False
    ) -> tuple[str, ...] | None:
        """Columns pasted with ``+``; a string between them is a separator."""
        found: list[str] = []
        parts = [*_summands(left), *_summands(right)]
        for part in parts:
            if isinstance(part, ast.Constant):
                continue
            columns = self.columns(part)
            if columns is None:
                return None
            found += columns
        adjacent = pairwise(parts)
        if not separated and any(
            not isinstance(a, ast.Constant) and not isinstance(b, ast.Constant) for a, b in adjacent
        ):
            as_text = "(str)" in ast.unparse(parts[0])
            self.unseparated[tuple(found)] = Pasting(tuple(found), as_text)
        return tuple(found)

    def original(self, name: str) -> str:
        return self.renamed.get(name, name)

    def free(self, node: ast.expr) -> Free:
        """Read which covariances ``MixedLMParams.from_components`` sets free."""
        found = self.resolved(node)
        if _is_none(found):
            return "all"
        if not isinstance(found, ast.Call) or _last_name(found.func) != "from_components":
            raise self.error("free= is not MixedLMParams.from_components(...)", node)
        given = dict(zip(("fe_params", "cov_re", "cov_re_sqrt", "vcomp"), found.args, strict=False))
        given |= {k.arg: k.value for k in found.keywords if k.arg}
        if "cov_re" not in given:
            raise self.error("free= has no cov_re", node)
        matrix = self.resolved(given["cov_re"])
        if isinstance(matrix, ast.Call):
            name = _last_name(matrix.func)
            if name in ("eye", "identity"):
                return "diagonal"
            if name == "ones":
                return "all"
            if name in ("array", "asarray") and matrix.args:
                matrix = self.resolved(matrix.args[0])
        try:
            rows = [[float(x) for x in row] for row in ast.literal_eval(matrix)]
        except (ValueError, TypeError, SyntaxError):
            raise self.error("the cov_re of free= cannot be read; write np.eye(k)", node) from None
        size = len(rows)
        if any(len(row) != size for row in rows):
            raise self.error("the cov_re of free= is not square", node)
        ones = [[x != 0.0 for x in row] for row in rows]
        if all(all(row) for row in ones):
            return "all"
        diagonal = all(ones[i][j] == (i == j) for i in range(size) for j in range(size))
        return "diagonal" if diagonal else "other"


def _summands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_summands(node.left), *_summands(node.right)]
    return [node]


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
    return ""


def _owner(node: ast.expr) -> str:
    return _last_name(node.value) if isinstance(node, ast.Attribute) else ""


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
