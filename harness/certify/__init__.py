"""Certified values: the optimum by two high-precision routes that share no code.

One goes through ball arithmetic, the other through Henderson's equations; what both give to twenty
digits is certified. Needs the extra ``certify``.
"""

__all__ = [
    "ball_likelihood",
    "certification",
]
