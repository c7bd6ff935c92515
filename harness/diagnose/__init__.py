"""Why two programs disagree on a person's data, and what to do about it.

``from harness import diagnose`` gives this package, and calling it diagnoses: see
:func:`harness.diagnose.api.diagnose`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A package that can be called: its name is also that of its one public function."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        from harness.diagnose.api import diagnose

        return diagnose(*arguments, **named)


sys.modules[__name__].__class__ = _Callable
