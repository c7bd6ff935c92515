"""How the columns of a model are written: in the messages, in R and in Python's formulas."""

from __future__ import annotations

import itertools
import re

_MEMORY = {}


def pieces(name, columns):
    """Split ``v2:v4[T.a:b]`` into ``("v2", "", "")`` and ``("v4", "T.", "a:b")``."""
    starts = re.compile(rf"(?:^|:)(?=(?:{'|'.join(columns)})(?:\[|:|$)|\w+\()")
    cuts = [match.end() for match in starts.finditer(name)] or [0]
    ends = [*(cut - 1 for cut in cuts[1:]), len(name)]
    for begin, end in zip(cuts, ends, strict=True):
        match = re.fullmatch(r"(v\d+)\[(T\.)?(.*)\]", name[begin:end], re.DOTALL)
        yield match.groups("") if match else (name[begin:end], "", "")


def spellings(name, columns):
    """All the ways in which a coefficient may be written, without spaces."""
    key = (name, columns)
    if key not in _MEMORY:
        if name == "Intercept":
            _MEMORY[key] = {"Intercept", "(Intercept)", "1", "const"}
        else:
            ways = []
            for column, treated, label in pieces(name, columns):
                if label:
                    own = [f"{column}{label}", f"{column}[{treated}{label}]", f"{column}[{label}]"]
                    own += [f"C({column})[{treated}{label}]", f"{column}_{label}"]
                    own += [f"{column}.{label}", f"{column}[T.{label}]"]
                else:
                    own = [column]
                ways.append([tight(way) for way in own])
            _MEMORY[key] = {
                ":".join(way)
                for order in itertools.permutations(ways)
                for way in itertools.product(*order)
            }
    return _MEMORY[key]


def tight(text):
    """Return a name without spaces, powers written by ``^``."""
    return re.sub(r"\s+", "", text).replace("**", "^")


def parenthesised(text):
    """Yield what is in outer parentheses, with them."""
    depth = begin = 0
    for i, sign in enumerate(text):
        if sign == "(":
            begin = i if depth == 0 else begin
            depth += 1
        elif sign == ")":
            depth -= 1
            if depth == 0:
                yield text[begin : i + 1]


def is_bar(text):
    """Whether what is in parentheses is a random-effects term."""
    return "|" in re.sub(r"\([^()]*\)", "", text[1:-1])


def with_intercepts(formula):
    """Spell out ``(1 + x | g)``, for engines that do not take the intercept for granted."""
    for bar in [text for text in parenthesised(formula) if is_bar(text)]:
        if not re.match(r"\(\s*(1|0|-\s*1)\b", bar):
            formula = formula.replace(bar, f"(1 + {bar[1:]}", 1)
    return formula
