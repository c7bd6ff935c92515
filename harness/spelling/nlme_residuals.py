"""The residual covariance of a call of nlme or mmrm, read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.base.errors import BadInput
from harness.spelling.trap import Trap

_CLASSES = {"AR1": "ar1", "CAR1": "car1", "CompSymm": "cs", "Symm": "corr"}

_NAME = r"[\w.]+|`[^`]+`"


GAPS = Trap(
    "visits",
    "nlme evaluates form = in each group by itself, so that factor() in it numbers the visits that "
    "a group has: it is the model shown where no visit is missing; as.integer() of a factor of the "
    "data keeps the gaps",
)


def closes_gaps(given: Mapping[str, str]) -> bool:
    """Whether the visits of a correlation are numbered anew in each group."""
    return re.search(r"\bfactor\(", given.get("correlation", "")) is not None


def nlme_residual(function: str, given: Mapping[str, str], *, group: str = "") -> tuple[str, str]:
    """Return the residual covariance of ``correlation =`` and ``weights =``, and the weights.

    Parameters
    ----------
    group : str
        The innermost group of the random effects, which is that of a correlation without one.

    Returns
    -------
    residual : str
        ``"ar1(visit | subject) + het(sex)"``; empty for none.
    weights : str
        Column of weights, of ``varFixed(~ 1 / w)``; empty for none.

    Raises
    ------
    BadInput
        For a class that is not known here; one line.
    """
    structure, position, inside = _correlation(function, given.get("correlation", "NULL"), group)
    strata, weights = _variances(function, given.get("weights", "NULL"))
    if structure == "corr" and position in strata:
        structure = "us"
        strata.remove(position)
    parts = [f"{structure}({position or '1'} | {inside})"] if structure else []
    return " + ".join([*parts, *(f"het({columns})" for columns in strata)]), weights


def _correlation(function: str, text: str, own: str) -> tuple[str, str, str]:
    if text == "NULL":
        return "", "", ""
    made = re.fullmatch(r"(?:nlme::)?cor(\w+)\((.*)\)", text.strip(), re.DOTALL)
    if made is None or made[1] not in _CLASSES:
        raise BadInput(
            f"call: {function}(correlation = {text}) is not translated: known are corAR1, corCAR1, "
            "corCompSymm and corSymm"
        )
    form = re.search(r"~\s*([^|~,]*?)\s*\|\s*([^,()|]+)", made[2])
    if form is None and own and "|" not in made[2]:
        at = re.search(r"~\s*([^~,]+?)\s*(?:,|$)", made[2])
        return _visits(_CLASSES[made[1]], at[1] if at else "1", own)
    if form is None:
        raise BadInput(
            f"call: {function}(correlation = {text}) does not say its groups; write "
            "form = ~ visit | subject"
        )
    return _visits(_CLASSES[made[1]], form[1].strip(), re.sub(r"\s*/\s*", ":", form[2].strip()))


def _visits(structure: str, position: str, group: str) -> tuple[str, str, str]:
    numbered = re.fullmatch(r"as\.(?:integer|numeric)\((?:factor\((.+)\)|([^()]+))\)", position)
    if numbered:
        column = numbered[1] or numbered[2]
        position = column if structure == "corr" else f"factor({column})"
    return structure, "" if position == "1" else position, group


def _variances(function: str, text: str) -> tuple[list[str], str]:
    if text == "NULL":
        return [], ""
    together = re.fullmatch(r"(?:nlme::)?varComb\((.*)\)", text.strip(), re.DOTALL)
    rest = together[1] if together else text
    strata, weights = [], ""
    pattern = re.compile(r"\s*(?:nlme::)?var(Ident|Fixed)\(([^()]*(?:\([^()]*\)[^()]*)*)\)\s*,?")
    while rest.strip():
        found = pattern.match(rest)
        ident = re.search(r"~\s*1\s*\|\s*([^,]+)", found[2]) if found else None
        fixed = re.search(rf"~\s*(?:I\()?\s*1\s*/\s*({_NAME})", found[2]) if found else None
        if found is not None and found[1] == "Ident" and ident:
            strata.append(re.sub(r"\s*\*\s*", ":", ident[1].strip()))
        elif found is not None and found[1] == "Fixed" and fixed:
            weights = fixed[1]
        else:
            raise BadInput(
                f"call: {function}(weights = {text}) is not translated: known are "
                "varIdent(form = ~ 1 | f) and varFixed(~ 1 / w)"
            )
        rest = rest[found.end() :]
    return strata, weights


_MMRM = {"us": "us", "ar1": "ar1", "toep": "toep", "cs": "cs", "sp_exp": "car1"}


def mmrm_residual(structure: str, inside: str) -> str:
    """Return the residual covariance of a term of mmrm, ``us(visit | id)``.

    Raises
    ------
    BadInput
        For structures that are not known here, and for those that differ between groups.
    """
    visits, _, group = (part.strip() for part in inside.rpartition("|"))
    by_visit = structure.endswith("h")
    name = structure.removesuffix("h")
    if name not in _MMRM or "/" in group or "," in visits:
        raise BadInput(
            f"call: mmrm()'s {structure}({inside.strip()}) is not translated: known are us, ar1, "
            "toep, cs and sp_exp, with h for variances by visit, the same for all subjects"
        )
    return f"{_MMRM[name]}({visits} | {group})" + (f" + het({visits})" if by_visit else "")
