"""The conversation of an engine's program with the harness: one line of JSON a message.

A program is a file that calls :func:`converse` with a function that fits. It runs in the
environment of its engine, so that this module and those that it imports need the standard library
alone. The harness sends ``start``, then ``fit`` messages, then ``stop``, and waits for an answer to
each of the first two.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import sys
import time
import traceback
import warnings
from pathlib import Path

from column_words import with_intercepts
from model_request import Factor, Number, Request, Term
from plain_values import plain, rows_of

__all__ = [
    "Factor",
    "Number",
    "Refused",
    "Request",
    "Term",
    "Unsupported",
    "converse",
    "rejection",
    "rows_of",
    "with_intercepts",
]

PROTOCOL = 1


class Unsupported(Exception):
    """The engine cannot express the model."""


class Refused(Exception):
    """The engine rejects the data."""


def rejection(error):
    """Return what an engine's words mean: it cannot express this, or rejects the data."""
    text = str(error)
    words = (
        "not support",
        "unsupported",
        "syntax",
        "not implemented",
        "expected a response",
        "must be numeric",
    )
    return (Unsupported if any(w in text.lower() for w in words) else Refused)(text)


def converse(fit, *, name, packages, definitions, rows="complete", wants=(), tight=False):
    """Answer the messages of standard input on standard output until ``stop`` or its end.

    What is printed while fitting, by whatever language, goes to standard error. Exceptions become
    failures: :class:`Unsupported`, also NotImplementedError, and :class:`Refused`, also a
    ValueError that is raised on purpose, by those reasons, all others as errors, with what an
    attribute ``probes`` of theirs says.

    Parameters
    ----------
    fit : callable
        From a :class:`Request` to a dictionary with the fields of a ``fitted`` message.
    packages : list of str
        The distributions whose versions are stated.
    definitions : dict of str to str
        By quantity, which definition the engine states it by.
    rows : {"complete", "all"}
        Whether rows with missing values are wanted too.
    wants : tuple of str
        ``("design",)`` where the design matrices are wanted.
    tight : bool
        Whether the engine can search more strictly than it does by default.
    """
    questions = os.fdopen(os.dup(0), "r", encoding="utf-8", errors="replace", newline="\n")
    answers = os.fdopen(os.dup(1), "w", encoding="ascii", newline="\n")
    # Compiled code and child processes know the descriptors only.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    started = {
        "type": "started",
        "protocol": PROTOCOL,
        "name": name,
        "versions": _versions(packages),
        "build": _build(),
        "definitions": definitions,
        "rows": rows,
        "wants": list(wants),
        "settings": ["default", "tight"] if tight else ["default"],
    }
    for line in questions:
        if not line.strip():
            continue
        answer = _answer(line, fit, started)
        if answer is None:
            return
        answers.write(json.dumps(answer, allow_nan=False) + "\n")
        answers.flush()


def _answer(line, fit, started):
    """Return the answer to a line; None for stop."""
    try:
        message = json.loads(line)
        kind = message["type"]
    except (ValueError, TypeError, KeyError):
        return _failed({}, "error", f"this is no message: {line.strip()[:80]}")
    if kind == "stop":
        return None
    if kind == "start":
        if message.get("protocol") != PROTOCOL:
            asked = message.get("protocol")
            return _failed({}, "unsupported", f"protocol {PROTOCOL} is spoken here, not {asked}")
        return started
    if kind == "fit":
        return _fitted(message, fit)
    return _failed(message, "unsupported", f"no message of the type {kind!r} is known here")


def _fitted(message, fit):
    said = []
    begin = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            request = Request(message)
            request.caught = caught
            begin = time.perf_counter()
            found = fit(request)
            seconds = time.perf_counter() - begin
            said = plain(found.pop("messages", []))
            answer = plain(
                {
                    "type": "fitted",
                    "id": request.id,
                    "n_obs": request.n_rows,
                    "data_checksum": request.checksum,
                    "seconds": seconds,
                    **found,
                }
            )
        except KeyboardInterrupt:
            raise
        except (Unsupported, NotImplementedError) as error:
            answer = _failed(message, "unsupported", str(error))
        except Refused as error:
            answer = _failed(message, "refused", str(error))
        except BaseException as error:  # a panic of Rust code is no Exception
            text = f"{type(error).__name__}: {error}".strip().rstrip(":")
            answer = _failed(message, "refused" if _deliberate(error) else "error", text)
            answer["probes"] = getattr(error, "probes", {})
    answer["messages"] = [*_warned(caught), *said]
    return answer


def _deliberate(error):
    """Whether an engine has raised a ValueError itself: it then rejects the data."""
    if not isinstance(error, ValueError) or type(error).__name__ == "LinAlgError":
        return False
    last = traceback.extract_tb(error.__traceback__)[-1]
    folders = Path(last.filename).parts
    own = Path(last.filename).parent == Path(__file__).parent
    below = {"numpy", "scipy", "pandas"} & set(folders)
    return not own and not below and (last.line or "").startswith("raise ")


def _failed(message, reason, text):
    number = message.get("id") if isinstance(message, dict) else None
    return {
        "type": "failed",
        "id": number if isinstance(number, int) else 0,
        "reason": reason,
        "text": " ".join(text.split())[:2000] or "no reason was given",
    }


def _warned(caught):
    """Warnings as messages, each once."""
    said = {(str(w.message), w.category.__name__): None for w in caught}
    return [{"kind": "warning", "text": t, "category": c} for t, c in said]


def _versions(packages):
    versions = {"python": "{}.{}.{}".format(*sys.version_info)}
    for package in packages:
        versions[package] = importlib.metadata.version(package)
    return versions


def _build():
    """Return a digest of what the numbers depend on beyond versions."""
    digest = hashlib.sha256(sys.version.encode())
    here = Path(__file__).parent
    files = {getattr(module, "__file__", None) for module in tuple(sys.modules.values())}
    for file in sorted(file for file in files if file and Path(file).parent == here):
        digest.update(Path(file).read_bytes())
    installed = {f"{d.metadata['Name']} {d.version}" for d in importlib.metadata.distributions()}
    digest.update("\n".join(sorted(installed)).encode())
    return digest.hexdigest()[:16]
