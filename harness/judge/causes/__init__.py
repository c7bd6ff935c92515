"""Named causes: an entry each in ``known_differences.toml``, and a predicate that finds it.

A predicate sees one engine's fit as a :mod:`~harness.judge.causes.view` and returns evidence with
numbers, or nothing.
"""

__all__ = [
    "basis",
    "claims",
    "entries",
    "open_variances",
    "predicates",
    "same_point",
    "view",
]
