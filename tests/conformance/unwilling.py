"""Engines that give no fit, or only of some cases, each in one way; for tests."""

import os
import time

from msgspec.structs import replace

from harness.engines.engine import Failure
from harness.engines.referee_engine import RefereeEngine


class Unwilling(RefereeEngine):
    """Adds a line for each attempt to the file that ATTEMPTS names, and fails."""

    name = "unwilling"

    def begin(self, case, setting):
        return lambda: self.fit(case, setting)

    def fit(self, case, setting):
        if os.environ.get("ATTEMPTS"):
            with open(os.environ["ATTEMPTS"], "a") as file:
                file.write(f"{self.name} {case.id} {setting}\n")
        return self.answer(case, setting)

    def own(self, case, setting):
        return replace(RefereeEngine().fit(case, setting), engine=self.name)

    def failure(self, setting, reason):
        return Failure(engine=self.name, setting=setting, reason=reason, text="no")


class Hanging(Unwilling):
    """Never answers."""

    name = "hanging"

    def answer(self, case, setting):
        time.sleep(600)


class Panicking(Unwilling):
    """Raises what is no ``Exception``, as compiled extensions do."""

    name = "panicking"

    def answer(self, case, setting):
        raise BaseException("index out of bounds")


class Refusing(Unwilling):
    """Refuses every data."""

    name = "refusing"

    def answer(self, case, setting):
        return self.failure(setting, "refused")


class Unable(Unwilling):
    """Says only when it is asked for a fit that it cannot express the model."""

    name = "unable"

    def answer(self, case, setting):
        return self.failure(setting, "unsupported")


class UnableOfTwins(Unwilling):
    """Fits what it is first asked for, and cannot express anything else."""

    name = "unable-of-twins"

    def __init__(self):
        self.known = None
        self.failed = "unsupported"

    def answer(self, case, setting):
        key = case.table.checksum(), case.model
        self.known = self.known or key
        return self.own(case, setting) if key == self.known else self.failure(setting, self.failed)


class CrashingOfTwins(UnableOfTwins):
    """Fits what it is first asked for, and crashes of anything else."""

    name = "crashing-of-twins"

    def __init__(self):
        super().__init__()
        self.failed = "crash"
