"""Is an adapter sound: an engine asked what has a known answer, before its numbers are judged.

What an adapter gets wrong (names, the order of levels and rows, missing values, which word is said
for what it cannot do) looks like a fault of the engine behind it. Each check below is of one such
thing, on a table of which the referee knows the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from harness.base.errors import EnvironmentProblem
from harness.base.text import number
from harness.diagnose.installation import Check, smoke_case
from harness.engines.command_engine import CommandEngine
from harness.engines.engine import Engine, Failure, Fit, Outcome
from harness.engines.guard import guarded
from harness.engines.referee_engine import RefereeEngine
from harness.judge.judge import judge_outcomes
from harness.judge.sentence import finding_sentence
from harness.model.case import Case
from harness.model.model import bind, parse_model

_SOUND = ("RIGHT", "UNDETERMINED", "WRONG_OPTIMUM")
"""Verdicts that lay nothing to an adapter: where an optimizer stops is the engine's own."""

_NUMPY = re.compile(r"not JSON serializable|\b(np|numpy)\.(float|int|bool|array)")
"""Numbers of numpy, which JSON has not: the error of Python's json, or what print writes."""

_SAID = ("unsupported", "refused", "error")


def check_engine(engine: Engine) -> Iterator[Check]:
    """Ask an engine what has a known answer, the simplest first."""
    if isinstance(engine, CommandEngine):
        started = _started(engine)
        yield started
        if not started.ok:
            return
        yield _unknown_message(engine)
    first = _first(engine)
    yield first
    if not first.ok:
        return
    for name, case, mend in _cases():
        yield _judged(name, engine, case, mend)
    yield _again(engine)
    for name, case in _beyond():
        yield _told(name, engine, case)
    if isinstance(engine, CommandEngine):
        yield _stopped(engine)


def _started(engine: CommandEngine) -> Check:
    try:
        program = engine.start()
    except EnvironmentProblem as problem:
        said = str(problem).removeprefix(f"engine {engine.name!r}: ")
        return Check("starts", False, said, "answer the message start by started, see the schema")
    versions = ", ".join(f"{name} {version}" for name, version in program.versions.items())
    means = ", ".join(f"{q} {key}" for q, key in program.definitions.items()) or "nothing"
    return Check("starts", True, f"{versions or 'no versions'}; declares {means}")


def _unknown_message(engine: CommandEngine) -> Check:
    name, mend = "unknown message", "answer it by failed, with its id, reason unsupported"
    try:
        answer = engine.answer_to_unknown()
    except EnvironmentProblem as problem:
        return Check(name, False, str(problem), mend)
    return Check(name, not answer, answer or "answered by failed", mend)


def _first(engine: Engine) -> Check:
    case, right = smoke_case()
    name = "known answer"
    outcome = _fitted(engine, case)
    if isinstance(outcome, Failure):
        said = f"{outcome.reason}: {outcome.text}"
        if _NUMPY.search(outcome.text):
            return Check("number types", False, said, "write float(x), int(n) and array.tolist()")
        return Check(name, False, said, "it has to fit y ~ 1 + (1 | g)")
    found = {"mean": outcome.coefficients[0].estimate if outcome.coefficients else np.nan}
    if outcome.random:
        found["variance between groups"] = outcome.random[0].covariance[0][0]
    found["variance within groups"] = outcome.residual_variance
    wrong = [
        f"{what} {number(found.get(what, np.nan))} instead of {number(value)}"
        for what, value in right.items()
        if not abs(found.get(what, np.nan) - value) <= 1e-3 * abs(value)
    ]
    mend = "variances are in squared units of the outcome, names those of the message"
    return Check(name, not wrong, "; ".join(wrong) or "as it has to be", mend)


def _judged(name: str, engine: Engine, case: Case, mend: str) -> Check:
    outcome = _fitted(engine, case)
    if isinstance(outcome, Failure) and outcome.reason in _SAID[:2]:
        return Check(name, True, f"{outcome.reason}: {outcome.text}")
    if isinstance(outcome, Failure):
        return Check(name, False, f"{outcome.reason}: {outcome.text}", mend)
    judged = judge_outcomes(case, [outcome, RefereeEngine().fit(case, "default")])
    found = judged.judgement(engine.name)
    if found.verdict == "RIGHT":
        text = _effects_in_order(outcome, case)
        return Check(name, not text, text or "right", mend)
    text = f"{found.verdict}: {finding_sentence(found.finding)}"
    if found.verdict == "FALSE_STATEMENT":
        mend = (
            "declare what the number means (definitions), or say null; else it is the engine's own"
        )
    return Check(name, found.verdict in _SOUND, text, mend)


def _effects_in_order(outcome: Fit, case: Case) -> str:
    """Say of random effects that they are not under the labels of their groups."""
    right = RefereeEngine().fit(case, "default")
    assert isinstance(right, Fit)
    for term, wanted in zip(outcome.random, right.random, strict=False):
        if term.effects is None or wanted.effects is None:
            continue
        if sorted(term.levels) != sorted(wanted.levels):
            return f"the levels of {term.group} are {', '.join(term.levels[:4])}, ..."
        mine = dict(zip(term.levels, term.effects, strict=True))
        rightly = np.array(wanted.effects)
        off = np.abs(np.array([mine[level] for level in wanted.levels]) - rightly).max()
        if off > 1e-2 * max(np.abs(rightly).max(), 1e-8):
            return f"random effects of {term.group} are not those of the levels they are given to"
    return ""


def _again(engine: Engine) -> Check:
    case, _ = smoke_case()
    one, two = (_fitted(engine, case) for _ in range(2))
    same = (
        isinstance(one, Fit)
        and isinstance(two, Fit)
        and one.coefficients == two.coefficients
        and one.loglik == two.loglik
    )
    told = [m.text for m in two.messages if "twice" in m.text] if isinstance(two, Fit) else []
    if told:
        return Check("answers once", False, told[0], "one line for each message, and no other")
    return Check(
        "repeats itself", same, "the same numbers" if same else "other numbers the second time",
        "a fit may not depend on those before it; fix the seed of what is drawn",
    )  # fmt: skip


def _told(name: str, engine: Engine, case: Case) -> Check:
    outcome = _fitted(engine, case)
    if isinstance(outcome, Fit):
        return Check(name, True, "it gives a fit")
    mend = "say unsupported for what it cannot express, refused for data that it rejects"
    return Check(name, outcome.reason in _SAID, f"{outcome.reason}: {outcome.text}", mend)


def _stopped(engine: CommandEngine) -> Check:
    ended = engine.stopped_by_itself()
    return Check("stops", ended, "it ends when told to" if ended else "it had to be killed",
                 "end the program at the message stop")  # fmt: skip


def _fitted(engine: Engine, case: Case) -> Outcome:
    return guarded(engine, case, "default")()


def _cases() -> Iterator[tuple[str, Case, str]]:
    frame = _frame()
    shuffled = frame.sample(frac=1.0, random_state=3)
    holes = shuffled.copy()
    holes.loc[holes.index[[2, 9]], "y"] = np.nan
    holes.loc[holes.index[5], "x"] = np.nan
    holes.loc[holes.index[11], "f"] = None
    levels = {"f": ("ref", "10", "9", "b:c"), "g": ("10", "9", "g x", "ä", "1", "2", "3", "a:b")}
    model = parse_model("y ~ x + (1 | g)", "REML")
    yield (
        "maximum likelihood",
        _case("y ~ x + (1 | g)", frame, {}, "ML"),
        ("with criterion ML it has to maximise the likelihood, not the restricted one"),
    )
    yield (
        "order of rows",
        Case("rows", model, bind(model, shuffled, levels={"g": levels["g"]})),
        ("fitted values and groups go by the rows as they are sent"),
    )
    yield (
        "order of levels",
        _case("y ~ x + f + (1 | g)", shuffled, levels),
        ("the first level sent is the reference; levels are not sorted anew"),
    )
    yield (
        "missing values",
        _case("y ~ x + f + (1 | g)", holes, levels),
        ("codes of -1 and null are missing; leave the row out, or ask for rows complete"),
    )
    yield (
        "random slope",
        _case("y ~ x + (x | g)", shuffled, {"g": levels["g"]}),
        ("effects are in the order of the names sent; covariances in units of the outcome"),
    )
    yield (
        "interaction as a group",
        _case("y ~ x + (1 | g) + (1 | g:f)", shuffled, levels),
        ("levels of an interaction are joined by a colon, the first factor's slowest"),
    )


def _beyond() -> Iterator[tuple[str, Case]]:
    """Give cases that an engine may not be able to fit, for what it says of that."""
    frame = _frame()
    twice = frame.assign(x2=2.0 * frame["x"])
    yield "dependent columns", _case("y ~ x + x2 + (1 | g)", twice, {})
    yield "crossed random slopes", _case("y ~ x + (x | g) + (x | f)", frame, {})
    few = frame.iloc[::6].copy()
    few["g"] = [f"g{i}" for i in range(len(few))]
    yield "one row in each group", _case("y ~ x + (1 | g)", few, {})


def _case(
    formula: str, frame: pd.DataFrame, levels: dict[str, tuple[str, ...]], criterion: str = "REML"
) -> Case:
    model = parse_model(formula, "ML" if criterion == "ML" else "REML")
    used = {n.name for n in model.names()}
    given = {name: order for name, order in levels.items() if name in used}
    return Case(formula, model, bind(model, frame, levels=given))


def _frame() -> pd.DataFrame:
    """Eight groups of six rows with labels that sort in three ways, effects far apart."""
    draw = np.random.default_rng(20261129)
    groups = np.array(["10", "9", "g x", "ä", "1", "2", "3", "a:b"])
    g, f = np.repeat(np.arange(8), 6), np.tile([0, 1, 2, 3, 1, 2], 8)
    x = draw.normal(0.0, 1.0, 48).round(2)
    u, slope = draw.normal(0.0, 2.0, 8), draw.normal(0.0, 0.7, 8)
    inner = draw.normal(0.0, 1.0, (8, 4))
    y = 3.0 + (1.5 + slope[g]) * x + np.array([0.0, 2.0, 5.0, 9.0])[f] + u[g] + inner[g, f]
    y = (y + draw.normal(0.0, 0.8, 48)).round(3)
    labels = np.array(["ref", "10", "9", "b:c"])
    return pd.DataFrame({"y": y, "x": x, "f": labels[f], "g": groups[g]})
