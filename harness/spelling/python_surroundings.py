"""What a statsmodels call says beside its model: rows, prepared columns, options of the fit."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from harness.spelling.trap import Trap, listed, rows_trap, search_trap

_MODEL = ("formula", "data", "groups", "re_formula", "vc_formula", "subset", "missing")
_SEARCH = (
    "start_params",
    "method",
    "niter_sa",
    "do_cg",
    "full_output",
    "maxiter",
    "gtol",
    "disp",
    "callback",
    "skip_hessian",
    "use_sqrt",
    "retall",
)
_STANDARD_ERRORS = ("cov_type", "cov_kwds", "use_t")


class Pasting(NamedTuple):
    """Columns joined by ``+`` with nothing between them, as text or, without ``astype``, as is."""

    columns: tuple[str, ...]
    as_text: bool


def python_notes(
    tree: ast.Module,
    model: ast.Call,
    given: Mapping[str, ast.expr],
    options: Mapping[str, ast.expr],
    resolved: Callable[[ast.expr], ast.expr],
) -> Iterator[Trap]:
    """Say what a call holds that the call of R made from it does not.

    Parameters
    ----------
    given, options : mapping
        Arguments of the model and of its ``fit``.
    resolved : function
        Follows a name to what it was bound to.
    """
    subset = given.get("subset")
    if subset is not None and not _is_none(resolved(subset)):
        yield rows_trap(f"subset={ast.unparse(subset)}", "R")
    if "data" in given:
        yield from _data(tree, model, given["data"])
    searching = [
        f"{name}={_short(value)}"
        for name, value in {**given, **options}.items()
        if name in _SEARCH and name not in _MODEL
    ]
    if searching:
        yield search_trap(searching)
    errors = [f"{name}={_short(options[name])}" for name in _STANDARD_ERRORS if name in options]
    if errors:
        yield Trap(
            "standard-errors",
            f"{listed(errors)}: standard errors of another kind than those of the R call, which "
            "are the model's own",
        )
    known = (*_MODEL, *_SEARCH, *_STANDARD_ERRORS, "free", "reml")
    unread = [f"{k}={_short(v)}" for k, v in {**given, **options}.items() if k not in known]
    if unread:
        verb = "is" if len(unread) == 1 else "are"
        yield Trap("not-translated", f"{listed(unread)} {verb} not in the R call")


def _data(tree: ast.Module, model: ast.Call, node: ast.expr) -> Iterator[Trap]:
    """Say which rows and columns the data of the call are, where they are not a table as read."""
    dropped = _dropna(node)
    if isinstance(node, ast.Subscript | ast.Call) and not _reads(node) and dropped is None:
        yield Trap(
            "rows",
            f"data={ast.unparse(node)} is not the table as it is: R must be given the rows and "
            "columns that this makes",
        )
    if dropped == "any":
        yield _drops_any(ast.unparse(node))
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    steps: list[str] = []
    before = [s for s in tree.body if s.lineno < model.lineno]
    for statement in reversed(before):
        step, sources = _step(statement, names, _columns_in(model))
        if step:
            steps.insert(0, step)
        names |= sources
        if step is not None and _dropna(getattr(statement, "value", None)) == "any":
            yield _drops_any(step or ast.unparse(statement))
    if steps:
        yield Trap(
            "prepared-data",
            f"the data are prepared before the call ({'; '.join(steps)}), which the R call does "
            "not do: R must be given the table that this makes",
        )


def _drops_any(step: str) -> Trap:
    return Trap(
        "missing",
        f"{step} drops a row for a missing value in any column, also in one that the model does "
        "not use; lme4 looks at the model's columns only",
    )


def _step(statement: ast.stmt, names: set[str], used: set[str]) -> tuple[str | None, set[str]]:
    """Return how a statement makes one of the ``names`` ("" where it is followed elsewhere).

    None where it does not; and the tables that it is made from.
    """
    value = getattr(statement, "value", None)
    if isinstance(statement, ast.Expr):
        call = statement.value
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id in names
            and any(k.arg == "inplace" for k in call.keywords)
        ):
            return ("" if call.func.attr == "dropna" else ast.unparse(statement)), set()
        return None, set()
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign):
        targets = [statement.target]
    else:
        return None, set()
    for target in targets:
        if isinstance(target, ast.Name) and target.id in names:
            if value is None or _reads(value) or _dropna(value) or _renames(value):
                return "", _tables(value)
            return ast.unparse(statement), _tables(value)
        if isinstance(target, ast.Subscript | ast.Attribute) and _base(target) in names:
            column = _column(target)
            if column is not None and column not in used:
                return None, set()
            return ("" if _pastes(value) else ast.unparse(statement)), set()
    return None, set()


def _tables(value: ast.expr | None) -> set[str]:
    return set() if value is None else {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}


def _reads(value: ast.expr) -> bool:
    """Whether a table is read or written out here, not made from another."""
    if isinstance(value, ast.Attribute):
        return _reads(value.value)
    if not isinstance(value, ast.Call):
        return False
    name = _name(value.func)
    return name.startswith(("read_", "load", "get_")) or name == "DataFrame"


def _dropna(value: ast.expr | None) -> str | None:
    """Return which columns ``dropna()`` looks at, "named" or "any"; None where it is not that."""
    if not isinstance(value, ast.Call) or _name(value.func) != "dropna":
        return None
    inner = value.func.value if isinstance(value.func, ast.Attribute) else None
    if not isinstance(inner, ast.Name) and not (inner is not None and _reads(inner)):
        return None
    return "named" if any(k.arg == "subset" for k in value.keywords) else "any"


def drops_rows(value: ast.expr | None) -> bool:
    """Whether an expression is a table without its incomplete rows."""
    return _dropna(value) is not None


def _renames(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and _name(value.func) == "rename"


def _pastes(value: ast.expr | None) -> bool:
    """Whether a column is others joined as text, which is followed where it is a group."""
    return value is not None and "astype(str)" in ast.unparse(value) and _only_sums(value)


def _only_sums(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return isinstance(value.op, ast.Add) and _only_sums(value.left) and _only_sums(value.right)
    return isinstance(value, ast.Constant) or (
        isinstance(value, ast.Call) and _name(value.func) in ("astype", "map")
    )


def _columns_in(model: ast.Call) -> set[str]:
    """Words in the strings of the call, and attributes: what may be a column."""
    words: set[str] = set()
    for node in ast.walk(model):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words |= {node.value, *re.findall(r"\w+", node.value)}
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
    return words


def _base(target: ast.expr) -> str:
    while isinstance(target, ast.Subscript | ast.Attribute):
        target = target.value
    return target.id if isinstance(target, ast.Name) else ""


def _column(target: ast.Subscript | ast.Attribute) -> str | None:
    if isinstance(target, ast.Attribute):
        return target.attr
    key = target.slice
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _short(value: ast.expr) -> str:
    text = ast.unparse(value)
    return text if len(text) <= 40 else "..."


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
