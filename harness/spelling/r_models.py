"""Models of nlme and mmrm as lme4 writes them, where it can."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.base.errors import BadInput
from harness.spelling.lme4_spelling import quote_name
from harness.spelling.nlme_residuals import GAPS, closes_gaps, mmrm_residual, nlme_residual
from harness.spelling.trap import Trap

NLME = Trap(
    "nlme-tests",
    "nlme prints degrees of freedom by its own rule, and multiplies standard errors of ML fits by "
    "sqrt(n / (n - p)); lmerTest and statsmodels do neither",
)

_DIAGONAL = Trap(
    "double-bar-factor",
    "pdDiag() is written with ||, which is the same for numbers; for a factor lme4's || does not "
    "make the levels uncorrelated, pdDiag() does",
)


def lme_formula(fixed: str, given: Mapping[str, str]) -> tuple[str, str, tuple[Trap, ...]]:
    """Return an ``lme`` model in lme4's syntax, and its residual covariance.

    Raises
    ------
    BadInput
        For classes of covariance matrices and of variance functions that are not known here.
    """
    random = given.get("random")
    if random is None:
        raise BadInput(
            "call: lme() without random = takes the groups from the data (a groupedData); write "
            "random = ~ x | g"
        )
    notes: list[Trap] = [GAPS] if closes_gaps(given) else []
    levels = _levels(random)
    inner = re.sub(r"\s*/\s*", ":", levels[-1][1])
    residual, weights = nlme_residual("lme", given, group=inner)
    terms = [_bar(*level) for level in levels]
    if any(" || " in term for term in terms):
        notes.append(_DIAGONAL)
    terms += [f"weights({weights})"] if weights else []
    return f"{fixed} + {' + '.join(terms)}", residual, tuple(notes)


def _levels(random: str) -> list[tuple[str, str, str]]:
    """Read ``~ x | g``, ``list(a = ~1, b = ~x)`` and ``list(g = pdDiag(~x))``."""
    text = random.strip()
    listing = re.fullmatch(r"list\((.*)\)", text, re.DOTALL)
    if listing is None:
        side, bar, group = text.lstrip("~ ").rpartition("|")
        if not text.startswith("~") or not bar:
            raise BadInput(
                f"call: lme(random = {text}) is not read; write random = ~ x | g or "
                "random = list(g = ~ x)"
            )
        return [(side.strip(), group.strip(), "")]
    found: list[tuple[str, str, str]] = []
    outer: list[str] = []
    for piece in _split(listing[1]):
        named = re.match(r"([\w.]+|`[^`]+`)\s*=\s*(.*)", piece, re.DOTALL)
        if named is None:
            raise BadInput(f"call: lme(random = {text}): {piece} has no group's name")
        outer.append(named[1])
        effects, structure = _class(named[2].strip())
        # A list nests its groups in the order in which they stand.
        found.append((effects, ":".join(outer), structure))
    return found


_BLOCKS = {
    "pdSymm": "",
    "pdLogChol": "",
    "pdNatural": "",
    "pdDiag": "||",
    "pdIdent": "homdiag",
    "pdCompSymm": "homcs",
}


def _class(text: str) -> tuple[str, str]:
    """Read ``~ x`` or ``pdClass(~ x)``: the effects, and the structure of their covariance."""
    made = re.fullmatch(r"(?:nlme::)?(pd\w+)\(\s*(?:form\s*=\s*)?(~[^()]*)\)", text)
    if made is None:
        if not text.startswith("~") or ("(" in text and text.lstrip("~ ").startswith("pd")):
            raise BadInput(f"call: lme()'s {text} is not read")
        return text.lstrip("~ "), ""
    if made[1] in _BLOCKS:
        effects = re.sub(r"-\s*1\b", "+ 0", made[2].lstrip("~ "))
        return effects, _BLOCKS[made[1]]
    raise BadInput(f"call: lme()'s {made[1]} is not translated: known are {', '.join(_BLOCKS)}")


def _bar(effects: str, group: str, structure: str) -> str:
    alone = effects.replace(" ", "") in ("1", "")
    if alone or structure in ("", "||"):
        return f"({effects or '1'} {'||' if structure and not alone else '|'} {group})"
    return f"{structure}({effects} | {group})"


def _split(text: str) -> list[str]:
    pieces, depth, begin = [], 0, 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            pieces.append(text[begin:at].strip())
            begin = at + 1
    return [p for p in (*pieces, text[begin:].strip()) if p]


def gls_formula(model: str, given: Mapping[str, str]) -> tuple[str, str, tuple[Trap, ...]]:
    """Return a ``gls`` model in lme4's syntax, and its residual covariance.

    Compound symmetry alone is a random intercept, where the correlation is not negative; beside
    weights it is not, for they scale the whole covariance, and of a random intercept nothing.

    Raises
    ------
    BadInput
        For correlations and variance functions that are not known here.
    """
    residual, weights = nlme_residual("gls", given)
    model += f" + weights({weights})" if weights else ""
    symmetry = re.fullmatch(r"cs\(.* \| ([^()]+)\)", residual)
    if symmetry is not None and not weights:
        group = symmetry[1]
        return f"{model} + (1 | {group})", "", (_symmetric("corCompSymm()", group), NLME)
    if residual:
        return model, residual, (GAPS, NLME) if closes_gaps(given) else (NLME,)
    return (
        model,
        "",
        (Trap("no-random-effects", "gls() without correlation and weights is least squares"),),
    )


def _symmetric(what: str, group: str) -> Trap:
    return Trap(
        "compound-symmetry",
        f"{what} is (1 | {group}) where the correlation within {group} is not negative; a negative "
        "one, which it allows, lmer and MixedLM put at zero",
    )


_COLUMN = re.compile(r"(?:[\w.]+\$)?([^\W\d][\w.]*|\.[\w.]*|`[^`]+`)")
_ELEMENT = re.compile(r"""[\w.]+\[\[\s*(?:"([^"`]+)"|'([^'`]+)')\s*\]\]""")


def column_named(text: str) -> str:
    """Return the column that ``w``, ``d$w`` or ``d[["w"]]`` names; empty where it is none."""
    element = _ELEMENT.fullmatch(text.strip())
    if element is not None:
        return quote_name(element[1] or element[2])
    found = _COLUMN.fullmatch(text.strip())
    return found[1] if found is not None and found[1] not in ("NULL", "NA") else ""


def mmrm_formula(formula: str, given: Mapping[str, str]) -> tuple[str, str, tuple[Trap, ...]]:
    """Return an ``mmrm`` model in lme4's syntax, and its residual covariance.

    Compound symmetry is a random intercept, where the correlation is not negative and there are no
    weights.

    Raises
    ------
    BadInput
        For covariance structures that are not known here.
    """
    if "covariance" in given:
        raise BadInput(
            "call: mmrm(covariance = ...) is not read; write cs(visit | id) in the formula"
        )
    found = re.search(r"\b(usr?|tohh?|toeph?|ar1h?|adh?|csh?|sp_exp)\s*\(([^()]*)\)", formula)
    if found is None:
        raise BadInput("call: mmrm()'s formula has no covariance structure such as us(visit | id)")
    structure, inside = found[1], found[2]
    rest = (formula[: found.start()] + formula[found.end() :]).strip()
    rest = re.sub(r"\+\s*(?=\+|$)", "", rest).strip().rstrip("+ ")
    rest = re.sub(r"~\s*\+", "~", rest)
    rest = f"{rest} 1" if rest.endswith("~") else rest
    residual = mmrm_residual(structure, inside)
    visits, _, group = (part.strip() for part in inside.rpartition("|"))
    if given.get("weights", "NULL") != "NULL":
        column = column_named(given["weights"])
        if not column:
            raise BadInput(
                f"call: mmrm(weights = {given['weights']}) names no column; make one of the data"
            )
        return f"{rest} + weights({column})", residual, ()
    if structure != "cs":
        return rest, residual, ()
    return f"{rest} + (1 | {group})", "", (_symmetric(f"cs({visits} | {group})", group),)
