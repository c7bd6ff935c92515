"""Whole records kept in the store, so that a second run costs reading.

A record follows from the case, what the engines' fits depend on, and this program's own sources.
Id, title and group are no part of that: they come first in a record and are written anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from importlib import metadata
from pathlib import Path

from harness import judge
from harness.base.json import encode
from harness.base.numerics import repeatable
from harness.base.resources import fixture
from harness.campaign.open_engines import OpenEngines, WatchedEngine
from harness.data.certified_values import file_name
from harness.data.rungs import Rung
from harness.engines.engine import Fit
from harness.judge.records import CaseRecord
from harness.store.identity import fingerprint, source_digest
from harness.store.shelf import Store
from harness.store.stored_engine import fit_key, worth_storing

NAMESPACE = "records"

_SOURCES = tuple(
    f"harness.{part}"
    for part in ("base", "data", "engines", "judge", "model", "referee", "spelling")
)
"""Packages from which a record follows."""


class RecordCache:
    """Records by what they depend on.

    Parameters
    ----------
    dependence : str
        Everything that a record depends on besides its case.
    """

    def __init__(self, store: Store, dependence: str, engine: str) -> None:
        self._store = store
        self._namespace = f"{NAMESPACE}/{dependence}"
        self._engine = engine
        self._described = False

    @classmethod
    def of(cls, engines: OpenEngines) -> RecordCache | None:
        """Return the cache of a worker's engines; None without a store, or an engine unknown."""
        if engines.store is None:
            return None
        if "records" not in engines.kept:
            engines.kept["records"] = cls._made(engines, engines.store)
        found = engines.kept["records"]
        return found if isinstance(found, RecordCache) else None

    @classmethod
    def _made(cls, engines: OpenEngines, store: Store) -> RecordCache | None:
        parts = {"settings": " ".join(engines.settings)}
        # The order counts, and the reference is the last.
        for place, engine in enumerate(engines.engines):
            identity = engine.made_with if isinstance(engine, WatchedEngine) else {}
            if not identity:
                return None
            parts |= {f"engine {place} {name}": value for name, value in identity.items()}
            parts[f"engine {place}"] = engine.name
        parts["sources"] = source_digest(*_SOURCES) or ""
        for path in sorted(Path(judge.__path__[0]).rglob("*.toml")):
            parts[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        # The referee computes in this process, whatever the engines do elsewhere.
        parts |= {name: metadata.version(name) for name in ("numpy", "scipy")}
        parts |= {name: os.environ.get(name, "unset") for name in repeatable()}
        return cls(store, fingerprint(parts), engines.engines[0].name)

    def get(self, rung: Rung) -> bytes | None:
        """Return the record of a case, under the id, title and group that it has now."""
        rest = self._store.get(self._namespace, self._key(rung))
        return None if rest is None else _head(rung.case.id, rung.title, rung.group) + rest

    def put(self, rung: Rung, record: CaseRecord, line: bytes) -> None:
        """Keep a record, unless a fit in it might come out otherwise another time."""
        if not all(isinstance(f, Fit) or worth_storing(f) for f in record.fits):
            return
        head = _head(record.id, record.title, record.group)
        if not line.startswith(head):
            raise AssertionError("a record does not begin with id, title and group")
        if not self._described:
            self._described = True
            self._store.describe(self._namespace, {"holds": "records", "engine": self._engine})
        self._store.put(self._namespace, self._key(rung), line[len(head) :])

    def _key(self, rung: Rung) -> str:
        parts = [
            fit_key("", rung.case, "default"),
            rung.focus,
            rung.notes,
            [repr(number) for number in rung.printed],
            rung.data.name,
            rung.data.origin,
            _certified_digest(rung.case.id),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _certified_digest(name: str) -> str:
    try:
        path = fixture("certified", file_name(name))
    except FileNotFoundError:
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _head(name: str, title: str, group: str) -> bytes:
    """Return the beginning of a record's line, up to the comma after its group."""
    shown = b",".join(
        b'"%s":%s' % (key, encode(value))
        for key, value in ((b"record", "case"), (b"id", name), (b"title", title), (b"group", group))
    )
    return b"{" + shown + b","
