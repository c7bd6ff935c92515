"""Any program as an engine: started when needed, asked by messages, restarted after a fault.

What goes wrong is the failure of one fit, in one line: a program that hangs, dies, prints what is
no message or answers for another fit loses that fit, and the next one finds it started anew.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

import harness
from harness.base.closable import Closable
from harness.base.deadline import Deadline
from harness.base.errors import EnvironmentProblem
from harness.base.json import decode, encode
from harness.engines.engine import Failure, Message, Outcome, Reason, Setting
from harness.engines.engine_process import EngineProcess, ProcessFailure, ProcessTimeout
from harness.engines.fit_request import fit_request, sent_case
from harness.engines.program_answer import (
    OtherData,
    UnreadableAnswer,
    read_failed,
    read_fitted,
    require_known,
)
from harness.engines.protocol import (
    PROTOCOL,
    Failed,
    Fitted,
    FromEngine,
    Start,
    Started,
    StopRequest,
    ToEngine,
)
from harness.model.case import Case
from harness.model.structure import STRUCTURES

START_SECONDS = 60.0
"""For the answer to ``start``: packages are imported and compiled code is made then."""

ANSWER_SECONDS = 10.0
"""For the answer to what takes no work."""

GRACE_SECONDS = 5.0
"""For ending when told to: threads of libraries are waited for."""

REMEMBERED_SECONDS = 60.0
"""How long a program that cannot be started is not tried again."""

_SHOWN = 60
"""Characters that are shown of what is no message."""

_NO_MEMORY = re.compile(
    r"MemoryError|bad_alloc|cannot allocate|unable to allocate|memory exhausted|out of memory"
    r"|OutOfMemory|memory allocation of \d+ bytes failed",
    re.IGNORECASE,
)
"""How languages and libraries say that there is no memory left."""

_NOT_FINITE = re.compile(rb"[:\[,]\s*(NaN|-?Infinity)")
_NO_JSON = 'JSON has no NaN and no Infinity; write the strings "nan", "inf" and "-inf"'


class NoAnswer(Exception):
    """A fit without an answer: the reason of its failure, and a line."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason: Reason = reason


class CommandEngine(Closable):
    """An engine that is a program speaking the messages of :mod:`harness.engines.protocol`.

    Parameters
    ----------
    name : str
        What it is called here, whatever the program calls itself: two versions of a package are
        two names.
    command : sequence of str
        The program and its arguments.
    timeout : float
        Seconds that a fit may take before the program is killed.
    memory_mb : int or None
        Megabytes that each of its processes may allocate on top of what it has when it has
        started; on Linux.
    environment : mapping, optional
        Variables to set besides those of this process.
    """

    sources = ("harness.base", "harness.engines", "harness.model", "harness.spelling")
    residuals = True
    """Which residual covariances it takes the program says."""

    elsewhere = True
    """It keeps to its time limit by itself."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        timeout: float = 120.0,
        memory_mb: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self.timeout = timeout
        self.memory_mb = memory_mb
        self.environment = dict(environment or {})
        self._process: EngineProcess | None = None
        self._program: Started | None = None
        self._broken = ""
        self._broken_until = 0.0
        self._number = 0
        self._again = ""

    def start(self) -> Started:
        """Start the program, unless it runs, and return what it says of itself.

        Raises
        ------
        EnvironmentProblem
            When it cannot be started, or says something else than it should.
        """
        try:
            return self._running()
        except NoAnswer as problem:
            raise EnvironmentProblem(f"engine {self.name!r}: {problem}") from None

    def versions(self) -> dict[str, str]:
        """Return the versions that the program states, under its name; none without a start."""
        try:
            program = self._running()
        except NoAnswer:
            return {}
        own = program.versions.get(program.name)
        # Two engines may use two versions of one component.
        parts = {f"{self.name}: {part}": text for part, text in program.versions.items()}
        return ({} if own is None else {self.name: own}) | parts

    def identity(self) -> dict[str, str] | None:
        """Return what decides its numbers: None for a program that states no ``build``."""
        try:
            program = self._running()
        except NoAnswer:
            return None
        if not program.build:
            return None
        return {
            "command": shlex.join(self.command),
            "files": _files_digest(self.command),
            "build": program.build,
            "environment": repr(sorted(self.environment.items())),
            **program.versions,
        }

    def unsupported(self, case: Case) -> str | None:  # noqa: ARG002
        """Return None: the program is asked with the fit."""
        return None

    @property
    def structures(self) -> tuple[str, ...]:
        """Structures of random terms that the program takes; all while it cannot be started."""
        try:
            return self._running().structures
        except NoAnswer:
            return tuple(STRUCTURES)

    def fit(self, case: Case, setting: Setting) -> Outcome:
        """Fit the case and wait for the result."""
        began = time.perf_counter()
        try:
            return self._fit(case, setting)
        except NoAnswer as problem:
            return Failure(
                engine=self.name,
                setting=setting,
                reason=problem.reason,
                text=str(problem),
                seconds=time.perf_counter() - began,
            )

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Return the fit to be run when it is asked for."""
        return partial(self.fit, case, setting)

    def answer_to_unknown(self) -> str:
        """Send a message of no known kind, and say what is wrong with the answer; empty for none.

        Raises
        ------
        EnvironmentProblem
            As :meth:`start`.
        """
        self.start()
        self._number += 1
        try:
            answer = self._asked({"type": "no such message", "id": self._number}, ANSWER_SECONDS)
        except NoAnswer as problem:
            return str(problem)
        return "" if isinstance(answer, Failed) else f"it answered {_tag(answer)!r}"

    def stopped_by_itself(self) -> bool:
        """Tell the program to stop, and say whether it did; it is ended anyway."""
        process, self._process, self._program = self._process, None, None
        if process is None:
            return True
        process.send(encode(StopRequest()))
        ended = process.ends_within(GRACE_SECONDS)
        process.close()
        return ended

    def close(self) -> None:
        """Tell the program to stop, and end it."""
        self.stopped_by_itself()

    def _fit(self, case: Case, setting: Setting) -> Outcome:
        program = self._running()
        if case.model.formula.weights is not None and "weights" not in program.takes:
            return Failure(
                engine=self.name,
                setting=setting,
                reason="unsupported",
                text=f"{program.name or self.name} takes no weights",
            )
        lacking = _lacking(program, case)
        if lacking:
            text = f"it has no residual covariance {lacking}"
            return Failure(engine=self.name, setting=setting, reason="unsupported", text=text)
        sent = sent_case(case, program.rows)
        self._number += 1
        request = fit_request(sent, setting, self._number, program)
        answer = self._asked(request, self.timeout)
        if isinstance(answer, Failed) and _NO_MEMORY.search(answer.text):
            self._end()
            raise NoAnswer("memory", f"{self._limit_in_words}: {answer.text}")
        if not isinstance(answer, Fitted | Failed):
            raise self._unexpected(answer, request)
        if self._again:
            said = Message("warning", self._again)
            answer = structs.replace(answer, messages=(*answer.messages, said))
        if isinstance(answer, Failed):
            return read_failed(answer, case, sent, setting, self.name)
        try:
            return read_fitted(answer, case, sent, program, setting, self.name)
        except OtherData as problem:
            raise NoAnswer("data", str(problem)) from None
        except UnreadableAnswer as problem:
            raise NoAnswer("error", f"its answer cannot be read: {problem}") from None

    @property
    def _limit_in_words(self) -> str:
        limit = "" if self.memory_mb is None else f" of the {self.memory_mb} MB that it may have"
        return f"it ran out of memory{limit}"

    def _running(self) -> Started:
        """Start the program where it does not run, and return what it says of itself."""
        if self._process is not None and self._process.ended:
            self._end()
        if self._process is not None and self._program is not None:
            return self._program
        if time.monotonic() < self._broken_until:
            raise NoAnswer("environment", self._broken)
        try:
            self._program = self._started()
        except NoAnswer as problem:
            self._end()
            self._broken = str(problem)
            self._broken_until = time.monotonic() + REMEMBERED_SECONDS
            raise NoAnswer("environment", self._broken) from None
        return self._program

    def _started(self) -> Started:
        try:
            self._process = EngineProcess(self.command, self.environment)
        except ProcessFailure as problem:
            raise NoAnswer("environment", str(problem)) from None
        start = Start(PROTOCOL, harness.__version__)
        told = self._asked(start, START_SECONDS)
        if not isinstance(told, Started):
            raise self._unexpected(told, start)
        if told.protocol != PROTOCOL:
            raise NoAnswer(
                "environment",
                f"it speaks version {told.protocol} of the protocol, and this program {PROTOCOL}",
            )
        try:
            require_known(told.definitions)
        except UnreadableAnswer as problem:
            raise NoAnswer("environment", str(problem)) from None
        if self.memory_mb:
            self._process.limit_memory(self.memory_mb)
        return told

    def _asked(self, question: ToEngine | dict[str, Any], seconds: float) -> FromEngine:
        """Ask the program, and wait for its answer; without one it is ended."""
        process = self._process
        assert process is not None
        self._again = ""
        process.send(encode(question))
        deadline = Deadline(seconds)
        while True:
            try:
                line = process.receive(deadline.left)
            except ProcessTimeout:
                self._process = None
                text = f"stopped after {seconds:.0f} s"
                raise NoAnswer("timeout", _with_words(text, process)) from None
            except ProcessFailure as problem:
                self._process = None
                text = _with_words(str(problem), process)
                if any(map(_NO_MEMORY.search, process.said)):
                    raise NoAnswer("memory", f"{self._limit_in_words}: {text}") from None
                raise NoAnswer("crash", text) from None
            found = self._read(line, process)
            if isinstance(found, Fitted | Failed) and found.id != self._number:
                if 0 < found.id < self._number:
                    # Once more, to what was answered: the first answer stands.
                    self._again = f"it answered fit {found.id} twice; the first answer was taken"
                    continue
                self._end()
                said = f"it answered for fit {found.id} where {self._number} was asked"
                raise NoAnswer("error", said)
            return found

    def _unexpected(self, answer: FromEngine, question: ToEngine) -> NoAnswer:
        self._end()
        return NoAnswer("error", f"it answered {_tag(answer)!r} to {_tag(question)!r}")

    def _read(self, line: bytes, process: EngineProcess) -> FromEngine:
        try:
            found: FromEngine = decode(line, FromEngine)
        except msgspec.DecodeError as error:
            self._end()
            what = _excerpt(line, error)
            why = _NO_JSON if _NOT_FINITE.search(line) else error
            wrote = f"it wrote {what} where an answer was expected: {why}"
            raise NoAnswer("error", _with_words(wrote, process)) from None
        return found

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()


def _excerpt(line: bytes, error: msgspec.DecodeError) -> str:
    """Return what is no message, or of a long one the part at which it is none."""
    hit = re.search(r"\(byte (\d+)\)", str(error))
    begin = 0 if hit is None else max(0, int(hit[1]) - _SHOWN // 2)
    shown = line[begin : begin + _SHOWN].decode("utf-8", "replace").strip()
    before, after = "..." if begin else "", "..." if len(line) > begin + _SHOWN else ""
    return repr(f"{before}{shown}{after}") if shown else "an empty line"


def _tag(message: ToEngine | FromEngine) -> str:
    return str(type(message).__struct_config__.tag)


def _with_words(text: str, process: EngineProcess) -> str:
    """Add the last line that a program wrote to stderr, which says why as a rule."""
    return f"{text}; it wrote: {process.said[-1]}" if process.said else text


def _files_digest(command: Sequence[str]) -> str:
    """Return a digest of the files that a command names."""
    digest = hashlib.sha256()
    for word in command:
        path = Path(word)
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _lacking(program: Started, case: Case) -> str:
    """Name the part of the residual covariance of a case that a program does not know."""
    residual = case.model.residual
    if residual is None:
        return ""
    wanted = [residual.structure] if residual.structure else []
    wanted += ["het"] if residual.strata else []
    return " + ".join(f"{part}()" for part in wanted if part not in program.residuals)
