"""The text of an issue for a fault: what was called, what it printed, what is right, how known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.conformance.asked_cases import Asked
from harness.conformance.scoreboard import Fault, Scoreboard
from harness.engines.engine import Failure, Fit, Outcome
from harness.judge.causes.entries import load_known
from harness.judge.causes.predicates import ACCOMPANYING
from harness.judge.sentence import sentences
from harness.page.bundle.bundle_scripts import Ran
from harness.page.bundle.check_script import CHECK_DATA, CHECK_SCRIPT
from harness.page.bundle.engine_scripts import Script
from harness.page.scoreboard_layout import Reproduction
from harness.spelling.lme4_spelling import lme4_formula

PRINTED, BETTER = "what was printed", "the best point known"
"""What the points are called at which a likelihood is shown."""


_HIGHER = 1e-5
"""By how much a log-likelihood has to be higher to be worth a word."""


@dataclass(frozen=True)
class Shown:
    """A case of a fault, and what its scripts printed.

    Attributes
    ----------
    outcome : Fit or Failure or None
        The engine's, where it is known.
    folder : str
        Where its files are, from the README: ``"."`` for beside it.
    ran : (Script, Ran) or None
        The script of the engine's users; none where there is none.
    checked : str
        What the script printed that computes the likelihood by its definition.
    """

    asked: Asked
    outcome: Outcome | None
    folder: str
    ran: tuple[Script, Ran] | None
    checked: str

    def file(self, name: str) -> str:
        """Return where one of its files is, from the README."""
        return name if self.folder == "." else f"{self.folder}/{name}"


def fault_text(board: Scoreboard, fault: Fault, shown: Sequence[Shown], there: Reproduction) -> str:
    """Return the text of an issue for a fault on its smallest case."""
    known = load_known().get(fault.kind)
    version = board.header.versions.get(fault.engine, "")
    title = fault.kind.capitalize() if known is None else known.title
    if fault.kind.startswith("no cause found"):
        title = "A false number, for no known cause"
    lines = [f"# {fault.engine} {version}".rstrip() + f": {title}", "", *_said(fault), ""]
    for one in shown:
        lines += [*_called(fault.engine, one), ""]
    lines += ["## What is right, and how that is known", ""]
    for one in shown:
        lines += _right(fault.engine, one)
    lines += _why(fault)
    lines += ["## With lmm-parity", "",
              "From the folder in which the scoreboard was made:", "",
              "```", *filter(None, (there.fit, there.check)), "```", ""]  # fmt: skip
    return "\n".join(lines)


def _said(fault: Fault) -> Iterator[str]:
    """Yield what was found, for somebody who knows no referee."""
    told = fault.sentence.removeprefix("referee is right. ")
    if told.startswith("referee is right; short of it:"):
        told = f"{fault.engine} stops at a point whose log-likelihood is not the highest."
    yield told


def _called(engine: str, one: Shown) -> Iterator[str]:
    case = one.asked.case
    rows = len(case.design.y)
    changed = f"{one.asked.changed}: ".capitalize() if one.asked.changed else ""
    formula = lme4_formula(case.model)
    # A formula may have backquotes of its own.
    code = f"`` {formula} ``" if "`" in formula else f"`{formula}`"
    yield f"## {changed or 'The fit: '}{code} by {case.model.criterion}"
    yield ""
    data = f"{rows} rows, in `{one.file('data.csv')}`."
    if one.ran is None:
        yield data
        if isinstance(one.outcome, Failure):
            yield f"{engine} said: {one.outcome.text}"
        return
    script, ran = one.ran
    where = "in this folder" if one.folder == "." else f"in the folder `{one.folder}`"
    yield f"{data} `{script.command}`, {where}, {_calls(engine, script)}. It printed"
    yield ""
    yield from ("```", *ran.text.strip("\n").splitlines(), "```")
    if ran.problem:
        yield ""
        yield f"{ran.problem[:1].upper()}{ran.problem[1:]}."


def _calls(engine: str, script: Script) -> str:
    """Say how a script has the fit: as a user of the engine, or by the messages of a program."""
    if not script.name.endswith(".sh"):
        return f"calls {engine} as its users do"
    programs = [name for name in script.beside if not name.endswith(".jsonl")]
    beside = f", `{programs[0]}` beside it," if programs else ""
    return f"sends the model as JSON to a program{beside} that calls {engine}"


def _right(engine: str, one: Shown) -> Iterator[str]:
    """Yield the point printed and the best one, with both log-likelihoods."""
    fit, best = one.outcome, one.asked.best
    if one.asked.changed:
        yield f"{one.asked.changed[:1].upper()}{one.asked.changed[1:]}:"
        yield ""
    if best is not None:
        yield "| at | log-likelihood | variances and covariances |"
        yield "|---|---|---|"
        if isinstance(fit, Fit):
            yield _row(f"what {engine} printed", fit)
        yield _row("the best point known", best)
        yield ""
    if isinstance(fit, Fit) and best is not None and fit.loglik is not None:
        yield from _higher(fit.loglik, best.loglik)
    if one.checked:
        yield (
            f"`python {one.file(CHECK_SCRIPT)}` computes what follows from the definition of the "
            f"likelihood, with numpy alone, from `{one.file(CHECK_DATA)}`:"
        )
        yield ""
        yield from ("```", *one.checked.splitlines(), "```", "")


def _row(name: str, fit: Fit) -> str:
    variances = [
        f"{term.group}: {what} {term.covariance[i][j]:.10g}"
        for term in fit.random
        for i, first in enumerate(term.names)
        for j, second in enumerate(term.names[: i + 1])
        for what in (first if i == j else f"{second} x {first}",)
    ]
    stated = "not stated" if fit.loglik is None else f"{fit.loglik:.10g}"
    cells = "; ".join([*variances, f"residual {fit.residual_variance:.10g}"])
    return f"| {name} | {stated} | {cells} |".replace("\\", "\\\\")


def _higher(stated: float, best: float | None) -> Iterator[str]:
    if best is None or not best - stated > _HIGHER:
        return
    yield (
        f"The log-likelihood is {best - stated:.3g} higher at the best point known. To see it, "
        "evaluate the program's own likelihood at these variances, or start it from there."
    )
    yield ""


def _why(fault: Fault) -> Iterator[str]:
    """Yield the cause: what was found in this case, and what it is in general."""
    known = load_known().get(fault.kind)
    evidence = () if fault.outcome is None else fault.outcome.evidence
    own = tuple(e for e in evidence if e.engine in ("", fault.engine))
    found = sentences(tuple(e for e in own if e.cause not in ACCOMPANYING) or own)
    notes = () if fault.outcome is None else fault.outcome.notes
    if known is None and not found:
        yield "No cause was found: the numbers above are all that is known."
        yield ""
        return
    yield "## Why"
    yield ""
    yield from (f"- {line}" for line in (*dict.fromkeys(found), *notes))
    yield ""
    if known is not None:
        yield known.definition
        yield ""
        own_project = [i for i in known.upstream if fault.engine.startswith(i.partition("#")[0])]
        if own_project:
            yield f"Known upstream: {', '.join(own_project)}."
            yield ""
