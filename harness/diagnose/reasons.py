"""Why a term is singular, in words."""

from __future__ import annotations

from harness.base.text import count, listed, number
from harness.diagnose.singular_term import ByChance, Without
from harness.model.case import Case
from harness.model.formula import Name


def reasons_in_words(
    case: Case, t: int, effect: str, chance: ByChance | None, carried: Without | None
) -> tuple[str, ...]:
    """Say why a term is singular: by chance alone, and which group or row carries it.

    ``effect`` is the one whose variance is zero; empty for a correlation of 1 or -1.
    """
    group = case.design.random[t].group
    lines = any(set(r.names) != {"Intercept"} for r in case.design.random if r.group == group)
    said = [] if chance is None else [_by_chance(chance, group, _adjusted(case, t, effect), lines)]
    if carried is not None:
        said.append(_carried(case, carried, group, effect))
    return tuple(said)


def _adjusted(case: Case, t: int, effect: str) -> str:
    """Name what is adjusted for, with a comma on each side; empty for the mean alone."""
    design, term = case.design, case.design.random[t]
    parts = ["the fixed effects"] if design.x.shape[1] > 1 else []
    if effect:
        parts += [_the(name) for name in term.names if name != effect]
    else:
        parts.append("the other direction" if len(term.names) == 2 else "the other directions")
    for s, other in enumerate(design.random):
        same = other.group == term.group
        parts += [] if s == t else [_the(n) for n in other.names] if same else [other.group]
    return f", adjusted for {listed(list(dict.fromkeys(parts)))}," if parts else ""


def _the(effect: str) -> str:
    return "the groups' intercepts" if effect == "Intercept" else f"the groups' slopes of {effect}"


def _by_chance(chance: ByChance, group: str, adjusted: str, lines: bool) -> str:
    between = f"{number(chance.between)} on {chance.between_df} df"
    within = f"{number(chance.within)} on {chance.within_df} df within them"
    if chance.effect == "Intercept":
        who = f"intercepts of the groups of {group}" if lines else f"groups of {group}"
        return (
            f"The {who} differ no more than chance makes them: the mean square between "
            f"them{adjusted} is {between}, not above {within}."
        )
    if not chance.effect:
        return (
            f"In the direction without variance the groups of {group} differ no more than chance "
            f"makes them: by a mean square{adjusted} of {between}, not above {within}."
        )
    text = (
        f"The slopes of {chance.effect} differ between the groups of {group} no more than chance "
        f"makes them: by a mean square{adjusted} of {between}, not above {within}"
    )
    if chance.per_variance is not None:
        own, sampling = chance.between / chance.per_variance, chance.within / chance.per_variance
        text += (
            f"; the slopes of the groups have variance {number(own)}, and their sampling variance "
            f"is {number(sampling)}"
        )
    return f"{text}."


def _carried(case: Case, carried: Without, group: str, effect: str) -> str:
    what = "the intercept" if effect == "Intercept" else effect
    told = f"the variance of {what} by {group}" if effect else "the correlation"
    now = "0" if effect else number(carried.value_now)
    found = (
        f"Without {_named(case, carried, group)} alone {told} would be {number(carried.value)} "
        f"instead of {now}; one scoring step for each {carried.kind} says "
    )
    near = 0.25 * carried.value if effect else 0.1
    if abs(carried.about - carried.value) <= near:
        found += f"about {number(carried.about)} for this one, and "
    others, alike = carried.of - 1, carried.like_it - 1
    if not alike:
        return f"{found}the like for none of the other {others}."
    return f"{found}the like, though less, for {alike} of the other {others}."


def _named(case: Case, carried: Without, group: str) -> str:
    if carried.kind == "group":
        return f"{group} {carried.label} ({count(carried.rows, 'row')})"
    outcome = case.model.formula.outcome
    name = outcome.name if isinstance(outcome, Name) else "outcome"
    place = list(case.design.rows).index(int(carried.label) - 1)
    return f"row {carried.label} ({name} {number(float(case.design.y[place]))})"
