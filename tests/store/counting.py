"""An engine that counts what it fits, and stored engines around it."""

from typing import ClassVar

import msgspec

from harness.engines.referee_engine import RefereeEngine
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.store.stored_engine import StoredEngine


class CountingEngine(RefereeEngine):
    """The referee, which is quick, and counts what it fits."""

    name = "counting"
    fits: ClassVar[list[str]] = []

    def versions(self):
        return {"counting": "1"}

    def fit(self, case, setting):
        self.fits.append(case.id)
        outcome = super().fit(case, setting)
        return msgspec.structs.replace(outcome, engine=self.name)


def case(frame, formula="Reaction ~ Days + (1 | Subject)", criterion="REML", id_="a", **contract):
    model = parse_model(formula, criterion)
    return Case(id_, model, bind(model, frame, **contract))


def cached(store, engine=None):
    return StoredEngine(engine or CountingEngine(), store, "cache")


def replayed(store, name="counting", **options):
    return StoredEngine(None, store, "replay", name=name, **options)
