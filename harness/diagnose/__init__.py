"""Why two programs disagree on a person's data, and what to do about it.

``from harness import diagnose`` gives this package, and calling it diagnoses: see
:func:`harness.notebook.diagnose`.
"""
