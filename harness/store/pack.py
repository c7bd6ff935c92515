"""Stored fits in one file, to be committed or shipped: JSON lines in gzip.

The first line says with which versions the fits of each engine were made; each other line is one
outcome with its key. The same store gives the same bytes, so that a commit shows a change only
where there is one.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Collection
from pathlib import Path

import msgspec

from harness.base.errors import BadInput
from harness.base.files import write_file
from harness.store.shelf import Store

FORMAT = "lmm-parity stored fits 1"


class _Header(msgspec.Struct, frozen=True):
    format: str
    descriptions: dict[str, dict[str, object]]


class _Line(msgspec.Struct, frozen=True):
    namespace: str
    key: str
    outcome: msgspec.Raw


def pack(
    store: Store,
    path: Path,
    namespaces: Collection[str] = (),
    keys: Collection[str] | None = None,
) -> int:
    """Write fits of a store to one file and return how many.

    Parameters
    ----------
    namespaces : collection of str
        ``"lme4/0123456789abcdef"``, as ``StoredEngine`` writes them; without any, of each engine
        the most recently used one, since results of different versions are not to be mixed.
    keys : collection of str, optional
        Only these (:func:`~harness.store.stored_engine.fit_key`).

    Raises
    ------
    BadInput
        When there is nothing to pack, or the file cannot be written.
    """
    chosen = sorted(namespaces or _latest(store))
    lines = []
    for namespace in chosen:
        for key in store.keys(namespace):
            content = store.get(namespace, key) if keys is None or key in keys else None
            if content is not None:
                lines.append(msgspec.json.encode(_Line(namespace, key, msgspec.Raw(content))))
    if not lines:
        raise BadInput(f"{store.root}: no stored results to pack")
    header = _Header(FORMAT, {namespace: store.description(namespace) for namespace in chosen})
    _write(path, b"\n".join([msgspec.json.encode(header, order="sorted"), *lines, b""]))
    return len(lines)


class PackedStore:
    """Fits in a packed file, read when the first one is asked for.

    Parameters
    ----------
    path : path
        What :func:`pack` wrote.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content: dict[tuple[str, str], bytes] | None = None
        self._descriptions: dict[str, dict[str, object]] = {}

    def get(self, namespace: str, key: str) -> bytes | None:
        """Return the content of an entry, or None.

        Raises
        ------
        BadInput
            As all that reads the file, when it is missing, damaged or something else.
        """
        return self._read().get((namespace, key))

    def description(self, namespace: str) -> dict[str, object]:
        """Return what was said of a namespace; empty when nothing was."""
        self._read()
        return self._descriptions.get(namespace, {})

    def namespaces(self, under: str = "") -> tuple[str, ...]:
        """Return the namespaces at or below a name."""
        self._read()
        above = f"{under}/" if under else ""
        return tuple(n for n in sorted(self._descriptions) if f"{n}/".startswith(above))

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> dict[tuple[str, str], bytes]:
        if self._content is None:
            try:
                first, *rest = gzip.decompress(self.path.read_bytes()).splitlines()
                header = msgspec.json.decode(first, type=_Header)
                if header.format != FORMAT:
                    raise ValueError(f"its format is {header.format!r}, not {FORMAT!r}")
                lines = [msgspec.json.decode(line, type=_Line) for line in rest]
            except (gzip.BadGzipFile, ValueError, EOFError, zlib.error) as error:
                raise BadInput(f"{self.path}: not a file of stored fits: {error}") from error
            except OSError as error:
                reason = error.strerror or str(error)
                raise BadInput(f"{self.path}: cannot be read: {reason}") from error
            self._descriptions = header.descriptions
            self._content = {(x.namespace, x.key): bytes(x.outcome) for x in lines}
        return self._content


def _latest(store: Store) -> list[str]:
    latest: dict[str, str] = {}
    for namespace in store.namespaces():
        engine, _, rest = namespace.partition("/")
        if rest and "engine" in store.description(namespace):
            latest.setdefault(engine, namespace)
    return list(latest.values())


def _write(path: Path, content: bytes) -> None:
    out = io.BytesIO()
    # Neither the time nor a file name in gzip's header.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as file:
        file.write(content)
    write_file(path, out.getvalue())
