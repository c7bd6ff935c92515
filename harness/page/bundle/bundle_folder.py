"""A reproduction bundle: a folder that shows one case to anyone, without this program.

It holds the data, a script for each engine, what they printed, the text of an issue, the record of
the case and a manifest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness.base.errors import BadInput
from harness.base.files import require_writable
from harness.base.json import decode, encode
from harness.base.numerics import repeatable
from harness.campaign import provenance
from harness.campaign.record_file import RecordWriter
from harness.campaign.serial import Plan, header_of, run
from harness.data.anonymisation import Key, anonymisations
from harness.data.exact_csv import csv_text
from harness.data.rungs import Rung
from harness.engines.diagonal_terms import case_apart
from harness.engines.engine import Failure, Outcome
from harness.judge.case_verdict import told
from harness.judge.records import CaseRecord, Header
from harness.page.bundle.bundle_numbers import unlike_record
from harness.page.bundle.engine_scripts import run_script, scripts_of
from harness.page.bundle.issue_text import Shown, issue_text, issue_title

FORMAT = 2
"""Version of the manifest; a reader refuses what it does not know."""

MANIFEST, ISSUE, DATA, RECORD = "bundle.json", "issue.md", "data.csv", "record.jsonl"


class ScriptRun(msgspec.Struct, frozen=True, kw_only=True):
    """One script's run when the bundle was written.

    Attributes
    ----------
    engine : str
        The engine that it fits with.
    problem : str
        Why it did not run to its end; empty when it did.
    unlike_record : tuple of str
        That the record is of other engines; otherwise, by setting, to how many digits it agrees
        with the record; empty when it prints the same 15. lme4's sums over crossed factors change
        in the last digits with where the system puts its data in memory, from run to run.
    """

    script: str
    output: str
    engine: str
    problem: str = ""
    unlike_record: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle holds.

    Attributes
    ----------
    verdicts : tuple of (str, str, tuple of str)
        Setting, class and causes.
    anonymised : str
        What was hidden; empty when nothing was.
    files : dict
        SHA-256 by name of every other file.
    """

    format: int
    program: str
    created: str
    title: str
    case: str
    formula: str
    criterion: str
    data_checksum: str
    engines: tuple[str, ...]
    verdicts: tuple[tuple[str, str, tuple[str, ...]], ...]
    anonymised: str
    scripts: tuple[ScriptRun, ...]
    files: dict[str, str]


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written. ``key`` reads anonymised data back; it is not in the folder."""

    directory: Path
    manifest: Manifest
    record: CaseRecord
    key: Key | None = None


def write_bundle(
    directory: Path,
    rung: Rung,
    record: CaseRecord,
    plan: Plan,
    *,
    anonymise: bool = False,
    seed: int | None = None,
    shuffle: bool = False,
    replacing: bool = False,
    timeout: float = 300.0,
) -> Bundle:
    """Write the bundle of a case, whole or not at all, and run its scripts.

    Parameters
    ----------
    directory : Path
        Its folder; it must not exist yet, unless it is empty or, with ``replacing``, a bundle.
    rung, record
        The case and its record.
    plan : Plan
        The run that the record is from: its engines fit again when the case is anonymised.
    anonymise : bool
        Hide names, labels and, where the verdict and its causes stay the same, units and origins.
    seed, shuffle
        See :func:`harness.data.anonymisation.anonymisations`.
    timeout : float
        Seconds that a script may take. Where R is missing, the R script is written and not run.

    Raises
    ------
    BadInput
        When the folder is taken or cannot be written, the data cannot be written as CSV, or no way
        of anonymising keeps the verdict.
    """
    require_free(directory, replacing=replacing)
    key = None
    if anonymise:
        rung, record, key = anonymised(
            rung, record, replace(plan, rungs=(rung,)), seed=seed, shuffle=shuffle
        )
    return write_case(directory, rung, record, plan, key=key, replacing=replacing, timeout=timeout)


def write_case(
    directory: Path,
    rung: Rung,
    record: CaseRecord,
    plan: Plan,
    *,
    key: Key | None = None,
    more: Mapping[str, bytes] | None = None,
    answer: Sequence[str] = (),
    main: str = "",
    replacing: bool = False,
    timeout: float = 300.0,
) -> Bundle:
    """Write the bundle of a case as it is; see :func:`write_bundle`.

    Parameters
    ----------
    key : Key, optional
        Says that the case is anonymised: command and options of the plan, which hold the user's
        file and column names, stay out.
    more : mapping, optional
        Further files by name.
    answer : sequence of str
        What a diagnosis says of the case, for the text of the issue.
    main : str
        The title of the cause that it puts first, for the title of the issue.
    """
    require_free(directory, replacing=replacing)
    plan = replace(plan, rungs=(rung,))
    if key is not None:
        plan = replace(plan, title="anonymised", command="", options=())
    header = header_of(plan)
    with _whole(directory, replacing=replacing) as folder:
        for name, content in (more or {}).items():
            (folder / name).write_bytes(content)
        manifest = _write(folder, rung, record, plan, header, key, answer, main, timeout)
    return Bundle(directory=directory, manifest=manifest, record=record, key=key)


def _write(
    folder: Path,
    rung: Rung,
    record: CaseRecord,
    plan: Plan,
    header: Header,
    key: Key | None,
    answer: Sequence[str],
    main: str,
    timeout: float,
) -> Manifest:
    case = rung.case.in_columns
    if case.model.structured is not None:
        case = case_apart(case) or case  # diag() as every program can write it
    title = issue_title(record, main)
    _put(folder / DATA, csv_text(case.table))
    fitted = [engine for engine in plan.engines if not _unsupported(record.fit(engine.name))]
    scripts = scripts_of(case, rung.title, fitted, _blas_variables(header))
    for script in scripts:
        for name, text in {script.name: script.text, **script.beside}.items():
            _put(folder / name, text)
    with RecordWriter(folder / RECORD) as writer:
        writer.write(header)
        writer.write(record)
        writer.finish(provenance.now(), record.seconds)
    shown, runs = [], []
    for script in scripts:
        ran = run_script(folder, script.name, engine=script.engine, timeout=timeout)
        unlike = () if ran.problem else unlike_record(ran, record, script.engine)
        _put(folder / script.output, ran.text)
        shown.append(Shown(script.engine, script.command, ran, unlike))
        runs.append(
            ScriptRun(
                script=script.name,
                output=script.output,
                engine=script.engine,
                problem=ran.problem,
                unlike_record=unlike,
            )
        )
    strength = "" if key is None else key.strength
    _put(folder / ISSUE, issue_text(case, record, header, shown, strength, answer, main))
    manifest = Manifest(
        format=FORMAT,
        program=header.program,
        created=header.created,
        title=title,
        case=case.id,
        formula=record.formula,
        criterion=record.criterion,
        data_checksum=case.table.checksum(),
        engines=header.engines,
        verdicts=tuple((v.setting, v.verdict, v.causes) for v in told(record)),
        anonymised=strength,
        scripts=tuple(runs),
        files={path.name: checksum(path) for path in sorted(folder.iterdir())},
    )
    (folder / MANIFEST).write_bytes(msgspec.json.format(encode(manifest), indent=2) + b"\n")
    return manifest


def _unsupported(fit: Outcome | None) -> bool:
    return isinstance(fit, Failure) and fit.reason == "unsupported"


def _blas_variables(header: Header) -> dict[str, str]:
    """Return the variables of the BLAS that were set in the process that fitted."""
    kept = repeatable()
    return {k: v for k, v in header.environment.items() if k in kept and v != "unset"}


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def anonymised(
    rung: Rung,
    record: CaseRecord,
    plan: Plan,
    *,
    seed: int | None = None,
    shuffle: bool = False,
) -> tuple[Rung, CaseRecord, Key]:
    """Anonymise as much as leaves verdict and causes as they are, by fitting again each time.

    Raises
    ------
    BadInput
        When even other names and labels change them.
    """
    wanted = _outcome(record)
    found = wanted
    for hidden in anonymisations(rung, seed=seed, shuffle=shuffle):
        again = next(run(replace(plan, rungs=(hidden.rung,))))
        found = _outcome(again)
        if found == wanted:
            return hidden.rung, again, hidden.key
    raise BadInput(
        f"cannot be anonymised: the verdict was {_said(wanted)} and becomes {_said(found)} "
        "under other names and labels"
    )


def _outcome(record: CaseRecord) -> tuple[tuple[str, str, frozenset[str]], ...]:
    return tuple((v.setting, v.verdict, frozenset(v.causes)) for v in told(record))


def _said(outcome: tuple[tuple[str, str, frozenset[str]], ...]) -> str:
    return "; ".join(
        f"{verdict}{' (' + ', '.join(sorted(causes)) + ')' if causes else ''} {setting}"
        for setting, verdict, causes in outcome
    )


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file; empty when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of a bundle.

    Raises
    ------
    BadInput
        When there is none, or it is of another format.
    """
    path = directory / MANIFEST
    try:
        manifest: Manifest = decode(path.read_bytes(), Manifest)
    except OSError as error:
        reason = error.strerror or error
        raise BadInput(f"{directory}: not a bundle ({MANIFEST}: {reason})") from error
    except msgspec.DecodeError as error:
        raise BadInput(f"{path}: not the manifest of a bundle: {error}") from error
    if manifest.format != FORMAT:
        raise BadInput(f"{path}: bundle format {manifest.format}; this program reads {FORMAT}")
    return manifest


def require_free(directory: Path, *, replacing: bool = False) -> None:
    """Refuse a folder that a bundle cannot be written to."""
    if not directory.exists():
        require_writable(directory)
        return
    if not directory.is_dir():
        raise BadInput(f"{directory}: there is a file of that name")
    empty = not any(directory.iterdir())
    bundle = (directory / MANIFEST).is_file()
    if not empty and not (replacing and bundle):
        hint = "; name another folder" if not bundle else " and holds a bundle; name another folder"
        raise BadInput(f"{directory}: is not empty{hint}")


@contextmanager
def _whole(directory: Path, *, replacing: bool) -> Iterator[Path]:
    """Give a folder that takes its name when all is written, and leaves nothing when not."""
    directory = directory.resolve()  # behind a link, which stays one
    parent = directory.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=parent))
    except OSError as error:
        raise BadInput(f"{directory}: cannot be written: {error.strerror or error}") from error
    try:
        yield folder
        mask = os.umask(0)
        os.umask(mask)
        folder.chmod(0o777 & ~mask)
        if replacing and directory.is_dir():
            old = folder.with_name(f"{folder.name}.old")
            directory.rename(old)
            folder.rename(directory)
            shutil.rmtree(old)
        else:
            # Onto an empty folder too; a folder that has been filled meanwhile is an error.
            folder.rename(directory)
    except OSError as error:
        raise BadInput(f"{directory}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
