"""How R is reached: an embedded R in worker processes, called function by function.

This package imports rpy2 in those processes only.
"""

from harness.rbridge.failures import (
    Condition,
    RCrash,
    REnvironment,
    RError,
    RFailure,
    RMemory,
    RTimeout,
)
from harness.rbridge.worker import Reply, RSession

__all__ = [
    "Condition",
    "RCrash",
    "REnvironment",
    "RError",
    "RFailure",
    "RMemory",
    "RSession",
    "RTimeout",
    "Reply",
]
