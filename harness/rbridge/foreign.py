"""An R object of the user's own process, where rpy2 runs already, taken apart by R itself.

The only module besides the workers' that touches rpy2: the object lives in this process, and
cannot be had elsewhere. Nothing is imported or started that the user has not.
"""

from __future__ import annotations

import sys
from typing import Any

from harness.base.resources import r_script
from harness.rbridge.failures import Condition, RError
from harness.rbridge.worker import Reply

SCRIPTS = ("conditions.R", "fit_lmer.R", "take_apart.R")


def is_r_object(value: Any) -> bool:
    """Whether something is an R object held by rpy2."""
    return "rpy2.rinterface" in sys.modules and hasattr(value, "__sexp__")


def take_apart(fit: Any) -> Reply:
    """Return what the R function of the same name says of a fitted model.

    Raises
    ------
    RError
        When it is no linear mixed model, or R cannot take it apart.
    """
    from harness.rbridge.session import RTYPES, from_r, items, rinterface

    base = rinterface.baseenv
    scope = base["new.env"](parent=base)
    for script in SCRIPTS:
        base["sys.source"](str(r_script(script)), envir=scope)
    arguments = rinterface.ListSexpVector([fit])
    arguments.names = rinterface.StrSexpVector(["fit"])
    answer = dict(items(scope["call_recording"]("take_apart", arguments, scope)))
    value = answer.pop("value")
    conditions = {name: from_r(vector) for name, vector in answer.items()}
    signalled = tuple(
        Condition(kind, text, category)
        for kind, text, category in zip(
            conditions["kind"], conditions["text"], conditions["category"], strict=True
        )
    )
    if value.typeof != RTYPES.VECSXP:
        text = next((c.text for c in reversed(signalled) if c.kind == "error"), "no answer from R")
        raise RError(text, signalled)
    return Reply({name: from_r(vector) for name, vector in items(value)}, signalled)
