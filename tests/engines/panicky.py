"""An engine whose compiled part panics: what it raises is no ``Exception``."""

from harness.engines.referee_engine import RefereeEngine

PANICKY = "index out of bounds: the len is 3 but the index is 7"


class Panic(BaseException):
    """As a panic of Rust arrives through PyO3."""


class Panicky:
    """The referee, but for one place that raises, always or for ML only."""

    name = "panicky"

    def __init__(self, place="fit", kind=Panic, criteria=("REML", "ML")):
        self.place, self.kind, self.criteria = place, kind, criteria

    def _may_raise(self, place, criterion):
        if place == self.place and criterion in self.criteria:
            raise self.kind(PANICKY)

    def versions(self):
        self._may_raise("versions", "REML")
        return {"panicky": "1"}

    def unsupported(self, case):
        self._may_raise("unsupported", case.model.criterion)

    def begin(self, case, setting):
        self._may_raise("begin", case.model.criterion)
        return lambda: self.fit(case, setting)

    def fit(self, case, setting):
        from msgspec.structs import replace

        self._may_raise("fit", case.model.criterion)
        return replace(RefereeEngine().fit(case, setting), engine=self.name)


class OnMl(Panicky):
    """One that panics in ML fits only."""

    def __init__(self):
        super().__init__(criteria=("ML",))
