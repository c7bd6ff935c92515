"""Fits that are kept, under everything that decides their numbers.

A :class:`~harness.store.stored_engine.StoredEngine` looks a fit up before it makes one; a pack is
such fits in a file.
"""

__all__ = [
    "identity",
    "pack",
    "reproduction",
    "shelf",
    "stored_engine",
]
