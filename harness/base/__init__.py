"""What everything rests on: errors, JSON, files, processes, text. It imports nothing of the house.

An error says in one line what is wrong and what to do, and carries the exit code. Files are written
by :mod:`~harness.base.files` only, whole or not at all.
"""

__all__ = [
    "child_python",
    "closable",
    "deadline",
    "errors",
    "files",
    "heartbeat",
    "json",
    "library_path",
    "memory",
    "numerics",
    "output_pipe",
    "parents_death",
    "resources",
    "text",
]
