"""A bundle's scripts run again, to see whether they still show the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from harness.base.errors import BadInput
from harness.judge.lre import lre
from harness.page.bundle.bundle_folder import DATA, ScriptRun, checksum, read_manifest
from harness.page.bundle.bundle_numbers import Printed, agreement, columns, printed_numbers
from harness.page.bundle.engine_scripts import run_script


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """A script of a bundle run again.

    Attributes
    ----------
    state : str
        ``same``: the same text; ``close``: the log-likelihoods within 1e-6 and every estimate and
        standard error to four digits, as another BLAS or version of a library may give; ``other``;
        ``not run``.
    sentence : str
    """

    script: str
    state: str
    sentence: str
    text: str


def rerun(directory: Path, *, timeout: float = 300.0) -> tuple[Rerun, ...]:
    """Run the scripts of a bundle again and hold what they print against what was printed.

    Raises
    ------
    BadInput
        When the folder is no bundle, or a script or the data have been changed.
    """
    manifest = read_manifest(directory)
    names = (DATA, *(name for entry in manifest.scripts for name in (entry.script, entry.output)))
    for name in names:
        if checksum(directory / name) != manifest.files.get(name):
            raise BadInput(f"{directory / name}: missing, or not as it was when it was written")
    return tuple(_rerun(directory, entry, timeout) for entry in manifest.scripts)


def _rerun(directory: Path, entry: ScriptRun, timeout: float) -> Rerun:
    before = (directory / entry.output).read_text(encoding="utf-8")
    ran = run_script(directory, entry.script, engine=entry.engine, timeout=timeout)
    if ran.problem:
        return Rerun(script=entry.script, state="not run", sentence=ran.problem, text=ran.text)
    if entry.problem:
        sentence = f"it has run now, and had not before ({entry.problem})"
        return Rerun(script=entry.script, state="other", sentence=sentence, text=ran.text)
    if ran.text == before:
        sentence = "prints the same, digit for digit"
        return Rerun(script=entry.script, state="same", sentence=sentence, text=ran.text)
    state, sentence = _compared(printed_numbers(before), printed_numbers(ran.text))
    old, new = before.partition("\n")[0], ran.text.partition("\n")[0]
    if old != new:
        sentence += f" ({new}; before: {old})"
    return Rerun(script=entry.script, state=state, sentence=sentence, text=ran.text)


def _compared(before: Mapping[str, Printed], after: Mapping[str, Printed]) -> tuple[str, str]:
    """Classify two outputs; see :class:`Rerun`."""
    if before.keys() != after.keys():
        return "other", f"settings {', '.join(after)}, before {', '.join(before)}"
    said = []
    close = True
    for setting, old in before.items():
        new = after[setting]
        if old == new:
            continue
        if old.error or new.error:
            close = close and bool(old.error and new.error)
            said.append(f"{setting}: {new.error or 'a fit'}, before {old.error or 'a fit'}")
            continue
        close = close and _is_close(old, new)
        said.append(
            f"{setting}: {agreement(new, old)}; log-likelihood {new.loglik}, before {old.loglik}"
        )
    if not said:
        return "close", "prints the same numbers, and other words"
    return ("close" if close else "other"), "; ".join(said)


def _is_close(old: Printed, new: Printed) -> bool:
    if len(old.effects) != len(new.effects):
        return False
    pairs = columns(old, new, slice(0, 2))
    return abs(float(old.loglik) - float(new.loglik)) <= 1e-6 and all(
        lre(float(a), float(b)) >= 4.0 for a, b in pairs if a != b
    )
