"""How R is reached: an embedded R in worker processes, called function by function.

rpy2 is imported in those processes only. A call names a function of ``r_scripts/`` and gets a flat
list back; no R code is made from strings. What goes wrong is an
:class:`~harness.rbridge.failures.RFailure` with its kind.
"""

__all__ = [
    "environment",
    "failures",
    "foreign",
    "r_identity",
    "rscript",
    "worker",
]
