"""The dispersion of a call of glmmTMB, read as weights and a residual covariance."""

from __future__ import annotations

import re

from harness.base.errors import BadInput
from harness.spelling.trap import Trap

_NAME = r"[^\W\d][\w.]*|\.[\w.]*|`[^`]+`"
_WEIGHTS = re.compile(rf"offset\(\s*-\s*log\(\s*({_NAME})\s*\)\s*\)")
_STRATUM = re.compile(rf"(?:{_NAME})(?:[*:](?:{_NAME}))*")
_TERM = re.compile(r"\b(ar1|hetar1|cs|homcs|us|toep|homtoep|ou)\(([^|()]*(?:\([^()]*\))?[^|()]*)\|")
_EFFECT = re.compile(
    rf"(?:0\+|-1\+)?(?:(?:factor|as\.factor|(?:glmmTMB::)?numFactor)\()?({_NAME})\)?(?:\+0|-1)?"
)

_STRUCTURES = {
    "ar1": ("ar1", False),
    "hetar1": ("ar1", True),
    "homcs": ("cs", False),
    "cs": ("cs", True),
    "us": ("us", False),
    "homtoep": ("toep", False),
    "toep": ("toep", True),
    "ou": ("car1", False),
}
"""Structure of the residuals, and whether each visit has a variance of its own."""


def glmmtmb_residual(formula: str, dispersion: str) -> tuple[str, str, tuple[Trap, ...]]:
    """Return the formula with its weights, the residual covariance, and what is to be known.

    Beside ``dispformula = ~ 0`` there is no residual, and a term of visits within subjects is the
    residual covariance; an offset of the dispersion is minus the logarithm of weights.

    Raises
    ------
    BadInput
        For a dispersion that is neither of these nor variances by factors.
    """
    text = re.sub(r"\s+(?=(?:[^`]*`[^`]*`)*[^`]*$)", "", dispersion).lstrip("~")
    if text == "0":
        rest, residual = _term_of_visits(formula)
        return rest, residual, ()
    weights = _WEIGHTS.search(text)
    parts = [p for p in _WEIGHTS.sub("", text).split("+") if p not in ("", "1")]
    if not all(_STRATUM.fullmatch(part) for part in parts):
        raise BadInput(
            f"call: glmmTMB(dispformula = {dispersion}) is not translated: known are "
            "~ 1 + offset(-log(w)), which are weights, ~ f of a factor and ~ 0 beside a term of "
            "visits"
        )
    strata = [f"het({part.replace('*', ':')})" for part in parts]
    notes = [
        Trap(
            "dispersion",
            f"dispformula = {dispersion} is {' + '.join(strata)} where its columns are factors; of "
            "a number it is another model, variances that grow with it",
        )
    ]
    if weights is not None:
        formula += f" + weights({weights[1]})"
    return formula, " + ".join(strata), tuple(notes if strata else ())


def _term_of_visits(formula: str) -> tuple[str, str]:
    found = list(_TERM.finditer(formula))
    if len(found) == 1:
        hit = found[0]
        end = formula.find(")", hit.end())
        group = formula[hit.end() : end].strip()
        effect = _EFFECT.fullmatch(hit[2].replace(" ", ""))
        if effect is not None and end > 0 and "," not in group and "(" not in group:
            structure, by_visit = _STRUCTURES[hit[1]]
            strata = f" + het({effect[1]})" if by_visit else ""
            rest = re.sub(r"\+\s*(?=\+|$)", "", (formula[: hit.start()] + formula[end + 1 :]))
            rest = re.sub(r"~\s*\+", "~", rest.strip()).strip().rstrip("+ ")
            rest = f"{rest} 1" if rest.endswith("~") else rest
            group = re.sub(r"\s*/\s*", ":", group)
            return rest, f"{structure}({effect[1]} | {group}){strata}"
    raise BadInput(
        "call: glmmTMB(dispformula = ~ 0) leaves no residual, and is read beside one term of "
        "visits within subjects, such as ar1(0 + visit | id)"
    )
