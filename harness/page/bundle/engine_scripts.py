"""Which scripts a bundle has: one for each engine that ran, in its own language where known.

A user of statsmodels, lme4 or a ready program writes the model in a way that is known, see
``templates/``. Any other program is asked by the messages that asked it here: a shell script sends
them, and what is answered is laid out as the other scripts print their numbers.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import harness
from harness.base.errors import BadInput, EnvironmentProblem
from harness.base.json import decode, encode
from harness.base.numerics import repeatable
from harness.engines import environments
from harness.engines.command_engine import CommandEngine
from harness.engines.engine import Engine
from harness.engines.engine_wrapper import bare
from harness.engines.fit_request import fit_request, sent_case
from harness.engines.protocol import PROTOCOL, Failed, Fitted, FromEngine, Start, StopRequest
from harness.model.case import Case
from harness.page.bundle.bundle_scripts import (
    PYTHON_SCRIPT,
    R_SCRIPT,
    Ran,
    has_template,
    python_script,
    r_script_text,
    ready_script,
)
from harness.rbridge.failures import REnvironment
from harness.rbridge.rscript import run_rscript

_STANDARD = {"statsmodels": (PYTHON_SCRIPT, "python"), "lme4": (R_SCRIPT, "r")}
"""The script of an engine that is part of this program, and what its output is called after."""


@dataclass(frozen=True)
class Script:
    """A script of a bundle.

    Attributes
    ----------
    name, output : str
        Its file, and the file that keeps what it printed.
    command : str
        How a person runs it, in the folder of the bundle.
    beside : mapping
        Further files that it needs, by name.
    """

    engine: str
    name: str
    output: str
    text: str
    command: str
    beside: Mapping[str, str] = field(default_factory=dict)


def scripts_of(
    case: Case,
    title: str,
    engines: Iterable[Engine],
    environment: Mapping[str, str] | None = None,
) -> list[Script]:
    """Return the scripts of a bundle: of the engines given, and at least of two programs.

    Parameters
    ----------
    engines : iterable of Engine
        Those that can be given the model.
    environment : mapping, optional
        Variables of the BLAS under which the record's numbers were had.
    """
    found = [s for e in engines if (s := script_of(e, case, title, environment)) is not None]
    for name in reversed(_STANDARD):
        if len(found) < 2 and all(script.engine != name for script in found):
            found.append(_standard(name, case, title, environment))
    order = [*_STANDARD]
    return sorted(found, key=lambda s: order.index(s.engine) if s.engine in order else -1)


def script_of(
    engine: Engine, case: Case, title: str, environment: Mapping[str, str] | None = None
) -> Script | None:
    """Return the script by which a user of this engine fits the case, see :func:`scripts_of`.

    None for an engine that is part of this program and has no users of its own.
    """
    engine = bare(engine)
    if not isinstance(engine, CommandEngine):
        known = engine.name in _STANDARD
        return _standard(engine.name, case, title, environment) if known else None
    name = re.sub(r"[^\w.-]", "-", engine.name)
    output = f"output-{name}.txt"
    ready = environments.is_ready(engine.name, engine.command)
    # A program is started with these, whatever the process has that starts it.
    variables = repeatable() | dict(environment or {})
    known = ready and has_template(environments.program(engine.name), case)
    if known and case.model.criterion != "OLS":
        in_r = environments.program(engine.name).language == "r"
        file = f"reproduce-{name}.{'R' if in_r else 'py'}"
        text = ready_script(engine.name, case, title, file, variables)
        command = f"{'Rscript --vanilla' if in_r else 'python'} {file}"
        return Script(engine.name, file, output, text, command)
    file, messages = f"reproduce-{name}.sh", f"messages-{name}.jsonl"
    words, files = environments.stand_alone(engine.name) if ready else ([*engine.command], {})
    where = [f"{alias} is the column {column!a}" for column, alias in case.table.alias.items()]
    text = _shell_script(engine, words, title, file, messages, variables, where)
    beside = {messages: _messages(engine, case), **files}
    return Script(engine.name, file, output, text, f"sh {file}", beside)


def _standard(name: str, case: Case, title: str, environment: Mapping[str, str] | None) -> Script:
    file, kind = _STANDARD[name]
    if name == "lme4":
        text, command = r_script_text(case, title), f"Rscript --vanilla {file}"
    else:
        text, command = python_script(case, title, environment), f"python {file}"
    return Script(name, file, f"output-{kind}.txt", text, command)


def _messages(engine: CommandEngine, case: Case) -> str:
    """Return the messages that ask a program for a fit; empty where it cannot be started."""
    try:
        program = engine.start()
    except EnvironmentProblem:
        return ""
    request = fit_request(sent_case(case, program.rows), "default", 1, program)
    messages = (Start(PROTOCOL, harness.__version__), request, StopRequest())
    return "".join(encode(message).decode() + "\n" for message in messages)


def _shell_script(
    engine: CommandEngine,
    words: Sequence[str],
    title: str,
    file: str,
    messages: str,
    variables: Mapping[str, str],
    where: Sequence[str],
) -> str:
    settings = [f"{k}={v}" for k, v in {**variables, **engine.environment}.items()]
    return f"""#!/bin/sh
# {" ".join(title.split()) or "A model"}
#
# Asks {engine.name} for the fit by the messages in {messages}, a line of JSON each, and prints its
# answers. Run it where the program is found, or with another command for it:
#
#     sh {file}
#     sh {file} COMMAND ARGUMENT ...
#
# In the messages {", ".join(where)}.
#
# Written by lmm-parity {harness.__version__}.

folder=$(dirname "$0")
[ $# -gt 0 ] || set -- {shlex.join(words)}
exec env {shlex.join(settings)} "$@" < "$folder/{messages}"
"""


def run_script(folder: Path, script: str, *, engine: str = "", timeout: float) -> Ran:
    """Run one of a bundle's scripts and return what it printed.

    A script of a ready engine runs in that engine's environment. The scripts' own errors are in
    what they print; a program that is missing, hangs or dies is the ``problem``.
    """
    try:
        if script.endswith(".R"):
            done = run_rscript(folder / script, timeout=timeout)
        else:
            done = _run(folder, script, engine, timeout)
    except (REnvironment, EnvironmentProblem) as missing:
        return Ran("", str(missing))
    except subprocess.TimeoutExpired:
        return Ran("", f"it was ended after {timeout:g} seconds")
    except OSError as error:
        return Ran("", f"it could not be started: {error.strerror or error}")
    text = laid_out(done.stdout.splitlines()) if script.endswith(".sh") else done.stdout
    if done.returncode == 0:
        return Ran(text)
    last = [line for line in done.stderr.splitlines() if line.strip()][-1:] or ["no message"]
    return Ran(text, f"it ended with code {done.returncode}: {last[0].strip()}")


def _run(
    folder: Path, script: str, engine: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    ready = _interpreter(engine)
    shell = script.endswith(".sh")
    if shell and ready:
        words, _ = environments.stand_alone(engine)
        command = ["sh", script, *ready, *words[1:]]
    elif shell:
        # Its command was given from here.
        command = ["sh", str((folder / script).absolute())]
    else:
        command = [*(ready or [sys.executable]), "-I", "-X", "utf8", script]
    return subprocess.run(
        command,
        cwd=None if shell and not ready else folder,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _interpreter(engine: str) -> list[str]:
    """Return what runs the program of a ready engine; nothing for any other."""
    try:
        return environments.interpreter(engine)
    except BadInput:
        return []


def laid_out(answers: Iterable[str]) -> str:
    """Lay out the answers of a program as the other scripts print their numbers."""
    lines = []
    for line in answers:
        try:
            answer: FromEngine = decode(line.encode(), FromEngine)
        except msgspec.DecodeError:
            lines.append(line)
            continue
        if isinstance(answer, Failed):
            lines += ["", "== default ==", f"error      {answer.reason}: {answer.text}"]
        elif isinstance(answer, Fitted):
            lines += ["", "== default ==", *_numbers(answer)]
        else:
            lines.append(", ".join(f"{k} {v}" for k, v in answer.versions.items()) or answer.name)
    return "".join(f"{line}\n" for line in lines)


def _numbers(fit: Fitted) -> list[str]:
    table: list[tuple[str, ...]] = [("effect", "estimate", "SE", "df", "t", "p")]
    table += [
        (f"effect {c.name}", *map(_number, (c.estimate, c.se, c.df, c.statistic, c.p)))
        for c in fit.coefficients
    ]
    variances: list[tuple[str, ...]] = [
        (f"variance {term.group}: {name}", _number(term.covariance[i][j]))
        for term in fit.random
        for i, name in enumerate(term.names)
        for j in range(i + 1)
    ]
    variances.append(("variance residual", _number(fit.residual_variance)))
    return [f"logLik     {_number(fit.loglik)}", *_aligned(table), *_aligned(variances)]


def _number(value: float | None) -> str:
    return "nan" if value is None else f"{value:.15g}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])])
        for name, *numbers in rows
    ]
