"""A fit that is asked for, read from its message: data, model, and names in the engine's words."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import struct

from column_words import is_bar, parenthesised, pieces, spellings, tight
from plain_values import plain, real, rows_of


class Number:
    """A numeric column; ``values`` are floats, NaN where missing."""

    def __init__(self, column):
        self.name = column["name"]
        self.values = [real(value) for value in column["values"]]

    def update(self, digest):
        """Add the column to a checksum, see ``Table.checksum`` in harness/model/table.py."""
        missing = [math.isnan(value) for value in self.values]
        digest.update(b"n" + struct.pack("<i", len(missing)) + bytes(missing))
        # Adding 0.0 turns -0.0 into 0.0: they print and compare as equal.
        numbers = [0.0 if m else value + 0.0 for m, value in zip(missing, self.values, strict=True)]
        digest.update(struct.pack(f"<{len(numbers)}d", *numbers))


class Factor:
    """A factor; ``codes`` are indices into ``levels``, -1 where missing."""

    def __init__(self, column):
        self.name = column["name"]
        self.levels = column["levels"]
        self.codes = column["codes"]

    @property
    def labels(self):
        """The label of every row, None where missing."""
        return [self.levels[code] if code >= 0 else None for code in self.codes]

    def update(self, digest):
        """Add the column to a checksum."""
        n = len(self.codes)
        digest.update(b"f" + struct.pack("<i", n) + bytes(code < 0 for code in self.codes))
        digest.update(struct.pack(f"<{n}i", *(code + 1 for code in self.codes)))
        digest.update(struct.pack("<i", len(self.levels)))
        for level in self.levels:
            digest.update(level.encode() + b"\0")


class Term:
    """A random-effects term with its grouping factor and, where wanted, its design.

    Attributes
    ----------
    group : str
        ``"v3:v5"`` for an interaction of the ``factors`` v3 and v5.
    effects : list of str
        Their names, ``["Intercept", "v2"]``.
    codes, levels : list
        The group of each row, as an index, and the levels that occur.
    z : list of columns or None
        Values of the effects, for programs that want the design.
    """

    def __init__(self, term, request, design):
        self.group = term["group"]
        self.factors = term["factors"]
        self.effects = term["effects"]
        self.z = None if design is None else design["z"]
        self.codes, self.levels = request.grouped(self.factors)
        self._request = request

    def labels_of(self, natives):
        """Return the labels of the levels that an engine has joined otherwise: ``a/b``, ``b:a``."""
        if len(self.factors) > 1 and not set(natives) <= set(self.levels):
            for order, sign in itertools.product((1, -1), (":", "/", "_", ".", "|", " ", "__")):
                _, joined = self._request.grouped(self.factors, order, sign)
                label = dict(zip(joined, self.levels, strict=True))
                if len(label) == len(joined) and set(natives) <= set(label):
                    return [label[native] for native in natives]
        return natives


class Request:
    """A fit that is asked for: data, model, criterion and setting."""

    def __init__(self, message):
        self.id = message["id"]
        self.setting = message["setting"]
        self.criterion = message["criterion"]
        self.formula = message["formula"]
        self.n_rows = message["table"]["rows"]
        kinds = {"number": Number, "factor": Factor}
        columns = [kinds[column["kind"]](column) for column in message["table"]["columns"]]
        self.columns = {column.name: column for column in columns}
        model = message["model"]
        self.outcome = model["outcome"]
        self.intercept = model["intercept"]
        self.fixed = model["fixed"]
        design = message.get("design")
        self.y = None if design is None else design["y"]
        self.x = None if design is None else design["x"]
        designs = [None] * len(model["random"]) if design is None else design["random"]
        self.random = [Term(t, self, d) for t, d in zip(model["random"], designs, strict=True)]
        self.caught = []

    def warned(self, *words):
        """Whether a warning so far has one of these words in it."""
        warned = " ".join(str(warning.message) for warning in self.caught)
        return any(word in warned for word in words)

    @property
    def reml(self):
        """Whether the criterion is REML."""
        return self.criterion == "REML"

    @property
    def checksum(self):
        """MD5 of the data as they were received."""
        digest = hashlib.md5(usedforsecurity=False)
        for column in self.columns.values():
            column.update(digest)
        return digest.hexdigest()

    def frame(self, *, categories=True):
        """Return the data as a pandas data frame.

        Parameters
        ----------
        categories : bool
            Whether factors are categorical columns with the levels in their order, or text.
        """
        import pandas as pd

        def values(column):
            if isinstance(column, Number):
                return column.values
            if categories:
                return pd.Categorical.from_codes(column.codes, categories=column.levels)
            return column.labels

        return pd.DataFrame({name: values(column) for name, column in self.columns.items()})

    def grouped(self, factors, order=1, sign=":"):
        """Return codes and levels of an interaction of factors; only levels that occur.

        The first factor is the slowest. Labels are joined by ``sign``, in reverse for ``order`` -1.
        """
        rows = list(zip(*(self.columns[name].codes for name in factors), strict=True))
        present = sorted(set(rows))
        index = {cell: i for i, cell in enumerate(present)}
        parts = [self.columns[name].levels for name in factors]
        labels = [[part[code] for part, code in zip(parts, cell, strict=True)] for cell in present]
        levels = [sign.join(label[::order]) for label in labels]
        return [index[cell] for cell in rows], levels

    def own_name(self, native, names=None):
        """Return the name of the model for a coefficient that the engine calls ``native``.

        Known are the spellings of R (``v4b``), patsy and formulaic (``v4[T.b]``, ``C(v4)[T.b]``),
        and factors of an interaction in any order.

        Parameters
        ----------
        names : list of str, optional
            The names to choose from; those of the fixed effects where left out.

        Raises
        ------
        ValueError
            When it is none of the model's, or may be two of them.
        """
        found = {
            name
            for name in (self.fixed if names is None else names)
            if tight(native) in spellings(name, tuple(self.columns))
        }
        if len(found) != 1:
            what = "several columns" if found else "no column"
            raise ValueError(f"the coefficient {native!r} is {what} of the model")
        return found.pop()

    def coefficients(self, names, *columns):
        """Return rows of a ``fitted`` message under the names of the model; see rows_of."""
        return rows_of(map(self.own_name, names), *columns)

    def terms_of(self, blocks):
        """Return random-effects terms as the model has them, of an engine's blocks.

        An engine may keep ``(x || g)`` in one diagonal block: it is split where its covariances are
        zero. A block that is no term of the model is left as it is.

        Parameters
        ----------
        blocks : iterable of dict
            With the engine's ``names`` and the fields of a term of a ``fitted`` message.
        """
        terms, left = [], [self._named(block) for block in blocks]
        for term in self.random:
            block = next((b for b in left if _holds(b, term)), None)
            if block is not None:
                places = [block["names"].index(name) for name in term.effects]
                levels = term.labels_of([str(level) for level in block.get("levels", ())])
                own = {"group": term.group, "levels": levels}
                terms.append(_part(block, places) | own)
                rest = [i for i in range(len(block["names"])) if i not in places]
                left.remove(block)
                left += [_part(block, rest)] if rest else []
        return terms + left

    def _named(self, block):
        known = [e for term in self.random if _same_group(block, term) for e in term.effects]
        names = []
        for native in block["names"]:
            try:
                names.append(self.own_name(native, known))
            except ValueError:
                names.append(native)
        return block | {"names": names, "covariance": plain(block["covariance"])}

    def formula_parts(self, functions=None):
        """Return the formula of the fixed effects, for Python, and the random terms as written.

        Parameters
        ----------
        functions : str, optional
            What stands before the names of functions, ``"np."``.
        """
        outcome, right = self.formula.split(" ~ ", 1)
        bars = [text for text in parenthesised(right) if is_bar(text)]
        for bar in bars:
            right = right.replace(bar, "", 1)
        terms = re.sub(r"(\s*\+\s*)+$", "", right).strip() or "1"
        fixed = f"{outcome} ~ {terms}".replace("^", "**")
        if functions:
            fixed = re.sub(r"\b(log|log2|log10|log1p|exp|sqrt|abs)\(", rf"{functions}\1(", fixed)
        return fixed, bars

    def fixed_factors(self):
        """Return the factors among the columns of the fixed effects."""
        parts = {column for name in self.fixed for column, _, _ in pieces(name, self.columns)}
        return [c for name, c in self.columns.items() if name in parts and isinstance(c, Factor)]


def _same_group(block, term):
    return sorted(block["group"].split(":")) == sorted(term.factors)


def _holds(block, term):
    """Whether a term is in a block by itself, or without covariance with what else is there."""
    names, psi = block["names"], block["covariance"]
    if not (_same_group(block, term) and set(term.effects) <= set(names)):
        return False
    inside = {names.index(effect) for effect in term.effects}
    outside = set(range(len(names))) - inside
    return all(psi[i][j] == 0.0 for i in inside for j in outside)


def _part(block, places):
    effects = block.get("effects")
    return block | {
        "names": [block["names"][i] for i in places],
        "covariance": [[block["covariance"][i][j] for j in places] for i in places],
        "effects": None if effects is None else [[row[i] for i in places] for row in effects],
    }
