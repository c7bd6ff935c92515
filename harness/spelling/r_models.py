"""Models of nlme and mmrm as lme4 writes them, where it can."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.base.errors import BadInput
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


def lme_formula(fixed: str, given: Mapping[str, str]) -> tuple[str, tuple[Trap, ...]]:
    """Return an ``lme`` model in lme4's syntax.

    Raises
    ------
    BadInput
        For residual correlation, variance functions and covariance classes that lme4 lacks.
    """
    _refuse_residuals("lme", given)
    random = given.get("random")
    if random is None:
        raise BadInput(
            "call: lme() without random = takes the groups from the data (a groupedData); write "
            "random = ~ x | g"
        )
    notes: list[Trap] = []
    terms = [
        _bar(effects, group, diagonal=diagonal) for effects, group, diagonal in _levels(random)
    ]
    if any(" || " in term for term in terms):
        notes.append(_DIAGONAL)
    return f"{fixed} + {' + '.join(terms)}", tuple(notes)


def _levels(random: str) -> list[tuple[str, str, bool]]:
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
        return [(side.strip(), group.strip(), False)]
    found: list[tuple[str, str, bool]] = []
    outer: list[str] = []
    for piece in _split(listing[1]):
        named = re.match(r"([\w.]+|`[^`]+`)\s*=\s*(.*)", piece, re.DOTALL)
        if named is None:
            raise BadInput(f"call: lme(random = {text}): {piece} has no group's name")
        outer.append(named[1])
        effects, diagonal = _class(named[2].strip())
        # A list nests its groups in the order in which they stand.
        found.append((effects, ":".join(outer), diagonal))
    return found


def _class(text: str) -> tuple[str, bool]:
    """Read ``~ x`` or ``pdClass(~ x)``: the effects, and whether they are uncorrelated."""
    made = re.fullmatch(r"(?:nlme::)?(pd\w+)\(\s*(?:form\s*=\s*)?(~[^()]*)\)", text)
    if made is None:
        if not text.startswith("~") or ("(" in text and text.lstrip("~ ").startswith("pd")):
            raise BadInput(f"call: lme()'s {text} is not read")
        return text.lstrip("~ "), False
    if made[1] in ("pdSymm", "pdLogChol", "pdNatural"):
        return made[2].lstrip("~ "), False
    if made[1] == "pdDiag":
        return made[2].lstrip("~ "), True
    raise BadInput(
        f"call: lme()'s {made[1]} is not translated: lme4 has unstructured (x | g) and "
        "uncorrelated (x || g) covariances only"
    )


def _bar(effects: str, group: str, *, diagonal: bool) -> str:
    alone = effects.replace(" ", "") in ("1", "")
    return f"({effects or '1'} {'||' if diagonal and not alone else '|'} {group})"


def _split(text: str) -> list[str]:
    pieces, depth, begin = [], 0, 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            pieces.append(text[begin:at].strip())
            begin = at + 1
    return [p for p in (*pieces, text[begin:].strip()) if p]


def _refuse_residuals(function: str, given: Mapping[str, str]) -> None:
    for argument, what in (
        ("correlation", "correlated residuals"),
        ("weights", "residual variances that differ"),
    ):
        if given.get(argument, "NULL") != "NULL":
            raise BadInput(
                f"call: {function}({argument} = {given[argument]}) is not translated: neither lmer "
                f"nor MixedLM has {what}"
            )


def gls_formula(model: str, given: Mapping[str, str]) -> tuple[str, tuple[Trap, ...]]:
    """Return a ``gls`` model in lme4's syntax: without correlation, or with compound symmetry.

    Raises
    ------
    BadInput
        For any other correlation, and for variance functions.
    """
    text = given.get("correlation", "NULL")
    symmetry = re.fullmatch(
        r"(?:nlme::)?corCompSymm\((?:.*,)?\s*form\s*=\s*~\s*(?:1\s*)?\|\s*([^,()|]+?)\s*\)", text
    )
    if symmetry is None:
        _refuse_residuals("gls", given)
        return model, (
            Trap("no-random-effects", "gls() without correlation and weights is least squares"),
        )
    _refuse_residuals("gls", {"weights": given.get("weights", "NULL")})
    # a/b here is one grouping factor, the levels of b within a.
    group = re.sub(r"\s*/\s*", ":", symmetry[1])
    return f"{model} + (1 | {group})", (_symmetric("corCompSymm()", group), NLME)


def _symmetric(what: str, group: str) -> Trap:
    return Trap(
        "compound-symmetry",
        f"{what} is (1 | {group}) where the correlation within {group} is not negative; a negative "
        "one, which it allows, lmer and MixedLM put at zero",
    )


def mmrm_formula(formula: str, given: Mapping[str, str]) -> tuple[str, tuple[Trap, ...]]:
    """Return an ``mmrm`` model in lme4's syntax: with compound symmetry only.

    Raises
    ------
    BadInput
        For every other covariance structure.
    """
    if "covariance" in given:
        raise BadInput(
            "call: mmrm(covariance = ...) is not read; write cs(visit | id) in the formula"
        )
    found = re.search(r"\b(usr?|tohh?|toeph?|ar1h?|adh?|csh?|sp_exp)\s*\(([^()]*)\)", formula)
    if found is None:
        raise BadInput("call: mmrm()'s formula has no covariance structure such as us(visit | id)")
    structure, inside = found[1], found[2]
    visits, _, group = inside.rpartition("|")
    if structure != "cs" or "/" in group:
        raise BadInput(
            f"call: mmrm()'s {structure}({inside.strip()}) is not translated: it is a covariance "
            "matrix of the residuals, which neither lmer nor MixedLM has (cs() for all subjects "
            "alike can be written with a random intercept)"
        )
    rest = (formula[: found.start()] + formula[found.end() :]).strip()
    rest = re.sub(r"\+\s*(?=\+|$)", "", rest).strip().rstrip("+ ")
    rest = re.sub(r"~\s*\+", "~", rest)
    rest = f"{rest} 1" if rest.endswith("~") else rest
    group = group.strip()
    return f"{rest} + (1 | {group})", (_symmetric(f"cs({visits.strip()} | {group})", group),)
