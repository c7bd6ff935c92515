"""An engine that remembers: fits are looked up by what they depend on, made only when missing.

One store serves three ends. As a cache it saves the second run the fitting. In replay it stands in
for an engine that is not here (R, above all), and says of which cases it knows nothing. To verify
is to fit all the same and to report what no longer comes out as it was stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import Literal
from urllib.parse import quote

import msgspec

from harness.base.json import decode, encode
from harness.engines.engine import Engine, Failure, Fit, Outcome, Setting
from harness.engines.engine_wrapper import EngineWrapper, bare
from harness.model.case import Case
from harness.spelling.lme4_spelling import lme4_formula, model_text
from harness.store.identity import (
    adapter_digest,
    engine_identity,
    fingerprint,
    listed_sources,
)
from harness.store.reproduction import NotReproduced, not_reproduced
from harness.store.shelf import ReadableStore, Store

Mode = Literal["cache", "replay", "verify"]

KEY_FORMAT = "1"
"""Part of every key: raise it when the same parts come to mean something else."""

_LASTING = ("unsupported", "refused", "error")
"""Reasons of a failure that would be the same the next time."""

_PASSING = ("MemoryError", "OSError", "ImportError", "ModuleNotFoundError", "RecursionError")
"""Errors of Python that come from the state of the machine, not from the data."""

_SHOWN = 1000
"""Missing cases that are kept by name; beyond that they are only counted."""


class StoreTally(msgspec.Struct, frozen=True):
    """What a stored engine did so far.

    Attributes
    ----------
    found, fitted, stored : int
        Outcomes read from the store, fitted live, and written to the store.
    missing : int
        Outcomes that were not in the store; in replay these cases could not be done.
    missing_cases : tuple of (str, str)
        Case id and setting of the first thousand of them.
    differences : tuple of NotReproduced
        In verify mode, what live fits no longer reproduce.
    note : str
        Why nothing is stored, or that results were stored by another version of the adapter.
    """

    engine: str
    mode: Mode
    found: int = 0
    fitted: int = 0
    stored: int = 0
    missing: int = 0
    missing_cases: tuple[tuple[str, str], ...] = ()
    differences: tuple[NotReproduced, ...] = ()
    note: str = ""


class _Absent:
    """An engine that is not here."""

    def __init__(self, name: str) -> None:
        self.name = name

    def versions(self) -> dict[str, str]:
        return {}

    def unsupported(self, case: Case) -> str | None:  # noqa: ARG002
        return None

    def fit(self, case: Case, setting: Setting) -> Outcome:
        return _not_stored(self.name, case, setting)

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        return partial(self.fit, case, setting)


class StoredEngine(EngineWrapper):
    """An engine with a store before it.

    Parameters
    ----------
    engine : Engine or None
        Who fits; not needed to replay.
    store : Store or PackedStore
        To cache it has to be a :class:`Store`.
    mode : {"cache", "replay", "verify"}
        Look up or fit and store; look up only; fit, and compare with what is stored.
    name : str, optional
        Name of the engine; needed without ``engine``.
    fingerprint : str, optional
        Which stored results to replay or verify, when a store has several of the engine, made
        with different versions: the most recently used ones without it. Results of different
        versions are never mixed.
    tolerance : float
        For verify: relative differences up to this one are taken as reproduced. 0, the default,
        asks for the same bits, which the same versions on the same kind of processor give.

    Raises
    ------
    ValueError
        When a mode lacks what it needs.
    """

    same_answers = False  # and it may stand for an engine that is not here

    def __init__(
        self,
        engine: Engine | None,
        store: ReadableStore,
        mode: Mode,
        *,
        name: str = "",
        fingerprint: str = "",
        tolerance: float = 0.0,
    ) -> None:
        if engine is None and (mode != "replay" or not name):
            raise ValueError("without an engine results can only be replayed, and need its name")
        if mode == "cache" and not isinstance(store, Store):
            raise ValueError("this store cannot be written")
        super().__init__(_Absent(name) if engine is None else engine)
        self.mode = mode
        self.tolerance = tolerance
        self._store = store
        self._tally = StoreTally(self.name, mode)
        self._identity: dict[str, str] = {}
        self._used = self._described = False
        self._namespace = self._own_namespace() if mode == "cache" else self._stored(fingerprint)

    @property
    def tally(self) -> StoreTally:
        """What was found, fitted, stored and missed so far."""
        return self._tally

    @property
    def made_with(self) -> dict[str, str]:
        """What fits that are cached depend on, by name; empty when that is not known."""
        return dict(self._identity)

    def versions(self) -> dict[str, str]:
        """Versions with which the stored results were made; the engine's own to verify.

        With a warm cache the engine is not asked, so that R need not start.
        """
        if self.mode != "verify" and self._namespace:
            stored = self._store.description(self._namespace).get("versions")
            if isinstance(stored, dict) and stored:
                return {str(key): str(value) for key, value in stored.items()}
        return super().versions()

    def unsupported(self, case: Case) -> str | None:
        """Return why the engine cannot express the case, as far as it or the store can tell."""
        if not isinstance(self.wrapped, _Absent):
            return super().unsupported(case)
        known = self._look_up(fit_key(self.name, case, "default"), "default")
        if isinstance(known, Failure) and known.reason == "unsupported":
            return known.text
        return None

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Look the case up and, where that is called for, begin to fit it."""
        key = fit_key(self.name, case, setting)
        known = self._look_up(key, setting)
        if known is None:
            self._count_missing(case, setting)
        else:
            self._count(found=1)
            if self.mode != "verify":
                return lambda: known
        if self.mode == "replay":
            return _Absent(self.name).begin(case, setting)
        pending = super().begin(case, setting)

        def outcome() -> Outcome:
            live = pending()
            self._count(fitted=1)
            if self.mode == "cache":
                self._keep(key, live)
            elif known is not None:
                self._compare(case, known, live)
            return live

        return outcome

    def _own_namespace(self) -> str:
        identity = engine_identity(bare(self.wrapped))
        if identity is None:
            self._note(f"fits of {self.name} are not stored: what they depend on is not known")
            return ""
        self._identity = identity
        return f"{engine_namespace(self.name)}/{fingerprint(identity)}"

    def _stored(self, wanted: str) -> str:
        """Return the namespace to read from."""
        top = engine_namespace(self.name)
        found = [n for n in self._store.namespaces(top) if not wanted or n == f"{top}/{wanted}"]
        if not found:
            self._note(f"there are no stored results of {self.name}")
            return ""
        about = self._store.description(found[0])
        listed = about.get("listed")
        sources = adapter_digest(
            str(about.get("module", "")), listed if isinstance(listed, list) else ()
        )
        if sources != about.get("sources"):
            self._note(f"results of {self.name} were stored by another version of its adapter")
        return found[0]

    def _look_up(self, key: str, setting: Setting) -> Outcome | None:
        content = self._store.get(self._namespace, key) if self._namespace else None
        if content is None:
            return None
        try:
            outcome: Outcome = decode(content, Outcome)
        except msgspec.DecodeError:
            # Written by a version of this program that kept something else.
            return None
        if (outcome.engine, outcome.setting) != (self.name, setting):
            return None
        if self.mode == "cache" and not self._used and isinstance(self._store, Store):
            self._used = True
            self._store.touch(self._namespace)
        return outcome

    def _keep(self, key: str, live: Outcome) -> None:
        if not self._namespace or not isinstance(self._store, Store) or not worth_storing(live):
            return
        try:
            content = encode(live)
        except (TypeError, ValueError) as error:
            self._note(f"some outcomes of {self.name} are not stored: {error}")
            return
        if not self._described:
            self._described = True
            self._describe()
        self._count(stored=int(self._store.put(self._namespace, key, content)))

    def _describe(self) -> None:
        """Say what the results are made with, for those who read them without the engine."""
        assert isinstance(self._store, Store)
        description = {
            "engine": self.name,
            "module": type(bare(self.wrapped)).__module__,
            "listed": list(listed_sources(bare(self.wrapped))),
            "sources": self._identity.get("sources", ""),
            "versions": self.wrapped.versions(),
            "identity": self._identity,
        }
        self._store.describe(self._namespace, description)

    def _compare(self, case: Case, stored: Outcome, live: Outcome) -> None:
        found = not_reproduced(case.id, stored, live, tolerance=self.tolerance)
        self._tally = msgspec.structs.replace(
            self._tally, differences=self._tally.differences + tuple(found)
        )

    def _count(self, **more: int) -> None:
        changed = {name: getattr(self._tally, name) + count for name, count in more.items()}
        self._tally = msgspec.structs.replace(self._tally, **changed)

    def _count_missing(self, case: Case, setting: Setting) -> None:
        self._count(missing=1)
        if len(self._tally.missing_cases) < _SHOWN:
            self._tally = msgspec.structs.replace(
                self._tally, missing_cases=(*self._tally.missing_cases, (case.id, setting))
            )

    def _note(self, text: str) -> None:
        if not self._tally.note:
            self._tally = msgspec.structs.replace(self._tally, note=text)


def fit_key(engine: str, case: Case, setting: Setting) -> str:
    """Return the key of a fit: a SHA-256 of engine, data, column names, model and setting.

    The case's id is no part of it, so that two cases with the same data and model share a fit.
    Versions are in the namespace.
    """
    model, table = case.model, case.table
    parts = [
        KEY_FORMAT,
        engine,
        setting,
        model.criterion,
        # In names as the user has them, which the fit's coefficients carry, and as R is given it.
        model_text(model),
        lme4_formula(model, table.alias),
        table.checksum(),
        list(table.names),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def engine_namespace(name: str) -> str:
    """Return the namespace of all results of an engine, whatever characters its name has."""
    # Like urllib's quote, which leaves dots alone: no folder is to be called "..".
    return quote(name, safe="").replace(".", "%2E").replace("~", "%7E")


def worth_storing(outcome: Outcome) -> bool:
    """Whether an outcome would be the same the next time: a fit, a refusal, an engine's error.

    A time limit, a crash, lack of memory or a missing package may not come again.
    """
    if isinstance(outcome, Fit):
        return True
    return outcome.reason in _LASTING and not outcome.text.startswith(_PASSING)


def _not_stored(engine: str, case: Case, setting: Setting) -> Failure:
    model = case.model
    return Failure(
        engine=engine,
        setting=setting,
        reason="environment",
        text=(
            f"no stored result of {engine} for {model_text(model)} ({model.criterion}, {setting} "
            f"setting) on these data; run it once without --replay where {engine} works"
        ),
    )
