"""The engines that a diagnosis is about, and those it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.base.errors import BadInput, EnvironmentProblem
from harness.rbridge.environment import find_r
from harness.rbridge.failures import RFailure
from harness.rbridge.worker import RSession

if TYPE_CHECKING:
    from harness.data.rungs import Rung
    from harness.diagnose.given import Given
    from harness.engines.engine import Engine, OwnModel
    from harness.engines.mixedlm_evaluations import Evaluations
    from harness.judge.records import CaseRecord

USER_ENGINES = ("statsmodels", "lme4")
"""Engines that a diagnosis is about unless it is told otherwise."""

R_SCRIPTS = ("all_fit.R", "take_apart.R", "shown_code.R")
"""What a diagnosis needs of R besides the engine's own scripts."""


@dataclass(frozen=True)
class Opened:
    """Engines ready to run.

    Attributes
    ----------
    engines : tuple of str
        The user's that are here.
    running : tuple of Engine
        All that fit the case, the reference last: lme4 where it is there. With one engine of the
        user the referee is the reference.
    absent : str
        Why an engine that was asked for is not here.
    given : Given or None
        A fit that stands for that of its engine.
    evaluations : Evaluations or None
        What MixedLM has evaluated already, for all runs of it.
    """

    engines: tuple[str, ...]
    running: tuple[Engine, ...]
    session: RSession | None = None
    absent: str = ""
    given: Given | None = None
    evaluations: Evaluations | None = None

    @property
    def reference(self) -> str:
        """Name of the engine that the others are compared with."""
        return self.running[-1].name

    def own(self, rung: Rung) -> dict[str, OwnModel]:
        """Return the model that a given fit of a case is of, by engine, where it is another."""
        given = self.given
        if given is None or given.own is None or given.rung is not rung:
            return {}
        return {given.fit.engine: given.own}


@contextmanager
def r_begun(engines: Sequence[str], *, timeout: float = 120.0) -> Iterator[RSession | None]:
    """Begin to start R where an engine asked for needs it: it takes as long as all imports here.

    Yields None where none does. That there is no R is said by :func:`opened`.
    """
    if "lme4" not in engines:
        yield None
        return
    with RSession(timeout=timeout, extra_scripts=R_SCRIPTS) as session:
        session.start()
        yield session


@contextmanager
def opened(
    engines: Sequence[str] = USER_ENGINES,
    *,
    timeout: float = 120.0,
    session: RSession | None = None,
) -> Iterator[Opened]:
    """Open the engines asked for; without R the diagnosis goes on with the others.

    Parameters
    ----------
    engines : sequence of str
        Names of the registry, or ``module:attribute``.
    session : RSession, optional
        Of :func:`r_begun`, where there was something else to do meanwhile.

    Raises
    ------
    BadInput
        For a name that no engine has, and for two engines that call themselves the same.
    EnvironmentProblem
        When lme4 alone is asked for and R is not there.
    """
    absent = ""
    wanted = list(dict.fromkeys(engines))
    if "lme4" in wanted:
        try:
            find_r()
        except RFailure as failure:
            if wanted == ["lme4"]:
                raise EnvironmentProblem(f"{failure} (lmm-parity doctor says more)") from None
            absent = f"lme4 was not run: {failure}"
            wanted.remove("lme4")
    with ExitStack() as stack:
        if "lme4" not in wanted:
            session = None
        elif session is None:
            session = stack.enter_context(r_begun(wanted, timeout=timeout))
        # R starts while these are imported.
        from harness.engines.lme4 import Lme4Engine
        from harness.engines.mixedlm_evaluations import Evaluations
        from harness.engines.referee_engine import RefereeEngine
        from harness.engines.registry import open_engine
        from harness.engines.statsmodels import StatsmodelsEngine

        evaluations = Evaluations()
        found: list[Engine] = []
        for name in wanted:
            if name == Lme4Engine.name and session is not None:
                found.append(Lme4Engine(session))
            elif name == StatsmodelsEngine.name:
                found.append(StatsmodelsEngine(evaluations=evaluations))
            else:
                found.append(stack.enter_context(open_engine(name, timeout=timeout)))
        names = tuple(engine.name for engine in found)
        if len(set(names)) < len(names):
            raise BadInput(f"engines that call themselves the same: {', '.join(names)}")
        if len(found) == 1 and RefereeEngine.name not in names:
            found.append(RefereeEngine())
        running = in_order(found)
        yield Opened(names, running, session, absent, evaluations=evaluations)


def written_otherwise(record: CaseRecord) -> list[str]:
    """Return the engines whose users write a model in a way that is not known here."""
    from harness.judge.causes.view import LMER, MIXEDLM

    known = (*LMER, *MIXEDLM, "lm", "OLS")
    return [
        engine
        for engine in record.engines
        if engine not in (*USER_ENGINES, "referee")
        and getattr(record.fit(engine), "fitter", "") not in known
    ]


def in_order(engines: Sequence[Engine]) -> tuple[Engine, ...]:
    """Put the reference last: of several lme4, else the referee, else the one that is last."""
    alone = len(engines) == 2 and engines[-1].name == "referee"
    order = ("referee",) if alone else ("lme4", "referee")
    last = next((e for name in order for e in engines if e.name == name), engines[-1])
    return (*(e for e in engines if e is not last), last)
