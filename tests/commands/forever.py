"""An engine that never answers; it makes the file that a variable names when it has begun."""

import os
import time
from pathlib import Path

BEGUN = "FOREVER_BEGUN"


class Forever:
    name = "forever"

    def versions(self):
        return {}

    def unsupported(self, case):
        return None

    def fit(self, case, setting):
        if BEGUN in os.environ:
            Path(os.environ[BEGUN]).touch()
        while True:
            time.sleep(0.01)

    def begin(self, case, setting):
        return lambda: self.fit(case, setting)
