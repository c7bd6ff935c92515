"""Results kept on disk under the hash of what they depend on.

A store holds bytes by namespace and key; it knows nothing of fits. Any number of processes, on
this machine or on others that mount the same folder, may read and write it at once without locks:
an entry is written beside its place and renamed into it, and one key always means the same
content. Every entry carries a checksum, so that what a crash, a full disk or a power cut has left
half-written is taken as missing and removed. A store that cannot be written costs time, never a
run.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import stat
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from harness.base.errors import BadInput
from harness.base.files import replace_file

ENVIRONMENT_VARIABLE = "LMM_PARITY_CACHE"

DAY = 86_400.0
"""Seconds; how exactly it is known when an entry was last used."""

_MAGIC = b"lmm-parity 1\n"
_DIGEST_BYTES = 16
_COMPRESSED, _PLAIN = b"z", b"p"
_NAMESPACE = re.compile(r"[A-Za-z0-9_%-][A-Za-z0-9_%.-]*(/[A-Za-z0-9_%-][A-Za-z0-9_%.-]*)*")
_KEY = re.compile(r"[0-9a-f]{64}")
# No namespace may start like this, so that the two cannot be taken for each other.
_BUCKET = re.compile(r"@[0-9a-f]{2}")
_TEMPORARY = ".writing-"
# Clearing a store takes away the file and each of the folders above it once, at worst one by one.
_ATTEMPTS = 8
_DESCRIPTION = "description.json"
_TAG = "CACHEDIR.TAG"
# The wording is fixed: https://bford.info/cachedir/. Backup programs leave such folders out.
_TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# Results kept by lmm-parity.\n"


class Shelf(msgspec.Struct, frozen=True):
    """What one namespace holds.

    Attributes
    ----------
    bytes : int
        On disk.
    description : dict
        What it says of itself.
    oldest, newest : float or None
        When the entry that was longest not used, and the one that was used last, were used (to the
        day), or written; seconds since 1970.
    """

    namespace: str
    entries: int
    bytes: int
    description: dict[str, object] = {}
    oldest: float | None = None
    newest: float | None = None


class StoreInfo(msgspec.Struct, frozen=True):
    """What a store holds.

    Attributes
    ----------
    corrupt : int
        Damaged entries, where they were looked for; None where only sizes were counted.
    unfinished : int
        Files that a writer, dead or at work, has not finished.
    """

    root: str
    entries: int
    bytes: int
    shelves: tuple[Shelf, ...]
    unfinished: int = 0
    corrupt: int | None = None


class ReadableStore(Protocol):
    """Where stored results are read from: a folder, or one packed file."""

    def get(self, namespace: str, key: str) -> bytes | None:
        """Return the content of an entry, or None."""
        ...

    def description(self, namespace: str) -> dict[str, object]:
        """Return what was said of a namespace; empty when nothing was."""
        ...

    def namespaces(self, under: str = "") -> tuple[str, ...]:
        """Return the namespaces at or below a name, the most recently described first."""
        ...


def default_root() -> Path:
    """Return ``$LMM_PARITY_CACHE``, or ``lmm-parity`` in the user's cache folder.

    Raises
    ------
    BadInput
        When what is there is no folder: a file, a device, a FIFO, a link to nothing.
    """
    own = os.environ.get(ENVIRONMENT_VARIABLE)
    # The XDG specification says that a relative path is to be ignored.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    kept = (base if base.is_absolute() else Path.home() / ".cache") / "lmm-parity"
    root = Path(own).expanduser() if own else kept
    there = root.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise BadInput(
            f"{root}: the cache cannot be kept there: {there} is no folder; name a folder in "
            f"{ENVIRONMENT_VARIABLE}, or use --no-cache"
        )
    return root


class Store:
    """A folder of results.

    Parameters
    ----------
    root : path, optional
        Made when something is first written; :func:`default_root` without it.

    Attributes
    ----------
    corrupt : int
        Damaged entries that this object met, removed and took as missing.
    unwritten : int
        Entries that could not be written.
    trouble : str
        Why, the first time; empty when all went well.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = default_root() if root is None else root
        self.corrupt = 0
        self.unwritten = 0
        self.trouble = ""

    def get(self, namespace: str, key: str) -> bytes | None:
        """Return the content of an entry; None when it is missing, damaged or unreadable."""
        path = self._place(namespace, key)
        try:
            used, stored = _read(path)
        except OSError:
            # Not there, or a network file system has just lost it: either way it is made again.
            return None
        content = _content(stored, namespace, key)
        if content is None:
            self.corrupt += 1
            with contextlib.suppress(OSError):
                path.unlink()
        elif time.time() - used > DAY:
            # What is still in use is not to be removed for its age.
            with contextlib.suppress(OSError):
                os.utime(path)
        return content

    def put(self, namespace: str, key: str, content: bytes) -> bool:
        """Write an entry whole or not at all; False, and one warning, when it cannot be."""
        return self._write(self._place(namespace, key), _stored(content, namespace, key))

    def describe(self, namespace: str, description: Mapping[str, object]) -> bool:
        """Say what a namespace holds, in JSON, for who reads it without what made it."""
        text = json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        return self._write(self._folder(namespace) / _DESCRIPTION, text.encode())

    def description(self, namespace: str) -> dict[str, object]:
        """Return what was said of a namespace; empty when nothing was, or it is damaged."""
        try:
            found = json.loads(_read(self._folder(namespace) / _DESCRIPTION)[1])
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def namespaces(self, under: str = "") -> tuple[str, ...]:
        """Return the namespaces at or below a name, the most recently described first."""
        return tuple(sorted(self._namespaces(under), key=self._age))

    def touch(self, namespace: str) -> None:
        """Say that a namespace is in use: it is then the most recently described."""
        with contextlib.suppress(OSError):
            os.utime(self._folder(namespace) / _DESCRIPTION)

    def keys(self, namespace: str) -> tuple[str, ...]:
        """Return the keys of a namespace, sorted; the entries are not looked into."""
        return tuple(sorted(path.name for path in _entries(self._folder(namespace))))

    def info(self, under: str = "", *, check: bool = False) -> StoreInfo:
        """Count entries and bytes by namespace; with ``check`` read all and remove the damaged."""
        corrupt = self._remove_corrupt(under) if check else None
        shelves = []
        for namespace in sorted(self._namespaces(under)):
            found = [_stated(path) for path in _entries(self._folder(namespace))]
            shelves.append(_shelf(namespace, found, self.description(namespace)))
        return self._info(shelves, len(list(self._unfinished(under))), corrupt)

    def clear(self, under: str = "", *, unused_days: float = 0.0) -> StoreInfo:
        """Remove a namespace and all below it, or everything; say what was removed.

        Only files that a store writes are removed, whatever else lies in the folder.

        Parameters
        ----------
        unused_days : float
            Only what was not used for so many days; whether it was is known to the day.

        Raises
        ------
        OSError
            When something cannot be removed.
        """
        until = time.time() - unused_days * DAY if unused_days > 0.0 else math.inf
        unfinished = [path for path in self._unfinished(under) if _stated(path)[1] <= until]
        for path in unfinished:
            path.unlink(missing_ok=True)
        shelves = [self._clear_one(namespace, until) for namespace in list(self._namespaces(under))]
        if not under and not list(self._namespaces()):
            (self.root / _TAG).unlink(missing_ok=True)
            _remove_if_empty(self.root)
        return self._info(sorted(shelves, key=lambda s: s.namespace), len(unfinished), None)

    def _clear_one(self, namespace: str, until: float) -> Shelf:
        folder, about = self._folder(namespace), self.description(namespace)
        entries = [(path, _stated(path)) for path in _entries(folder)]
        removed = [(path, stated) for path, stated in entries if stated[1] <= until]
        for path, _ in removed:
            path.unlink(missing_ok=True)
        if len(removed) == len(entries):
            (folder / _DESCRIPTION).unlink(missing_ok=True)
        for bucket in _buckets(folder):
            _remove_if_empty(bucket)
        while folder != self.root and _remove_if_empty(folder):
            folder = folder.parent
        return _shelf(namespace, [stated for _, stated in removed], about)

    def _info(self, shelves: Sequence[Shelf], unfinished: int, corrupt: int | None) -> StoreInfo:
        return StoreInfo(
            root=str(self.root),
            entries=sum(shelf.entries for shelf in shelves),
            bytes=sum(shelf.bytes for shelf in shelves),
            shelves=tuple(shelves),
            unfinished=unfinished,
            corrupt=corrupt,
        )

    def _folder(self, namespace: str) -> Path:
        if not _NAMESPACE.fullmatch(namespace):
            raise ValueError(f"not a namespace: {namespace!r}")
        return self.root / namespace

    def _place(self, namespace: str, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"not a key: {key!r}")
        return self._folder(namespace) / f"@{key[:2]}" / key

    def _namespaces(self, under: str = "") -> Iterator[str]:
        top = self._folder(under) if under else self.root
        for path, folders, files in os.walk(top):
            buckets = [name for name in folders if _BUCKET.fullmatch(name)]
            folders[:] = sorted(set(folders) - set(buckets))
            name = Path(path).relative_to(self.root).as_posix()
            if (buckets or _DESCRIPTION in files) and _NAMESPACE.fullmatch(name):
                yield name

    def _age(self, namespace: str) -> tuple[float, str]:
        try:
            written = (self._folder(namespace) / _DESCRIPTION).stat().st_mtime
        except OSError:
            written = 0.0
        return (-written, namespace)

    def _unfinished(self, under: str) -> Iterator[Path]:
        for namespace in self._namespaces(under):
            folder = self._folder(namespace)
            for place in (folder, *_buckets(folder)):
                yield from place.glob(f"{_TEMPORARY}*")

    def _remove_corrupt(self, under: str) -> int:
        before = self.corrupt
        for namespace in self._namespaces(under):
            for key in self.keys(namespace):
                self.get(namespace, key)
        return self.corrupt - before

    def _write(self, path: Path, data: bytes) -> bool:
        problem: OSError
        if _is_special(path):
            self._give_up(OSError(errno.EEXIST, f"{path} is no regular file"))
            return False
        for attempt in range(_ATTEMPTS):
            try:
                if attempt:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    self._tag()
                replace_file(path, data, prefix=_TEMPORARY, sync=False)
            except (FileNotFoundError, FileExistsError) as error:
                # The folder is not made yet, or another process has just cleared the store; mkdir
                # says "exists" of a folder that is removed while it looks whether it is one.
                problem = error
            except OSError as error:
                problem = error
                break
            else:
                return True
        self._give_up(problem)
        return False

    def _tag(self) -> None:
        tag = self.root / _TAG
        if not tag.exists():
            with contextlib.suppress(FileExistsError), tag.open("x", encoding="ascii") as file:
                file.write(_TAG_TEXT)

    def _give_up(self, error: OSError) -> None:
        self.unwritten += 1
        if self.trouble:
            return
        self.trouble = f"results cannot be stored in {self.root}: {error.strerror or error}"
        hint = " (lmm-parity cache clear makes room)" if error.errno == errno.ENOSPC else ""
        sys.stderr.write(f"lmm-parity: {self.trouble}{hint}; the run goes on without\n")


def _read(path: Path) -> tuple[float, bytes]:
    """Return when a file was last used, and what is in it; OSError where it is no file.

    Opened so that a FIFO in its place does not wait for a writer.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "not a file")
        return state.st_mtime, file.read()


def _stored(content: bytes, namespace: str, key: str) -> bytes:
    # Level 1: JSON halves, and the next level gains 3 % for twice the time.
    compressed = zlib.compress(content, 1)
    body = _COMPRESSED + compressed if len(compressed) < len(content) else _PLAIN + content
    return _MAGIC + _digest(body, namespace, key) + body


def _content(stored: bytes, namespace: str, key: str) -> bytes | None:
    start = len(_MAGIC) + _DIGEST_BYTES
    digest, body = stored[len(_MAGIC) : start], stored[start:]
    if not stored.startswith(_MAGIC) or digest != _digest(body, namespace, key):
        return None
    return zlib.decompress(body[1:]) if body[:1] == _COMPRESSED else body[1:]


def _digest(body: bytes, namespace: str, key: str) -> bytes:
    """Return a checksum of the content and its place, so that a file put elsewhere is found out."""
    digest = hashlib.blake2b(f"{namespace}\n{key}\n".encode(), digest_size=_DIGEST_BYTES)
    digest.update(body)
    return digest.digest()


def _buckets(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if _BUCKET.fullmatch(path.name)]
    except OSError:
        return []


def _entries(folder: Path) -> Iterator[Path]:
    for bucket in _buckets(folder):
        with contextlib.suppress(OSError):
            yield from (path for path in bucket.iterdir() if _KEY.fullmatch(path.name))


def _is_special(path: Path) -> bool:
    """Whether there is something that is no regular file: a link, a device, a FIFO."""
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _stated(path: Path) -> tuple[int, float]:
    """Return the bytes of a file and when it was last used; 0 and now when it has just gone."""
    try:
        state = path.stat()
    except OSError:
        return 0, time.time()
    return state.st_size, state.st_mtime


def _shelf(
    namespace: str, stated: Sequence[tuple[int, float]], description: dict[str, object]
) -> Shelf:
    times = [used for _, used in stated]
    return Shelf(
        namespace,
        len(stated),
        sum(size for size, _ in stated),
        description,
        min(times, default=None),
        max(times, default=None),
    )


def _remove_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
