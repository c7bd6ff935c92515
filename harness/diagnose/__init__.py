"""Why two programs disagree on a person's data, and what to do about it.

``from harness import diagnose`` gives this package, and calling it diagnoses: see
:func:`harness.notebook.diagnose`. Everything that is found is a
:class:`~harness.diagnose.diagnosis.Diagnosis`, made by :mod:`~harness.diagnose.pipeline`.
"""

__all__ = [
    "anonymous",
    "diagnosis",
    "diagnosis_cost",
    "engine_check",
    "given",
    "graphs",
    "installation",
    "intended_model",
    "ladder_fits",
    "pipeline",
    "singular_term",
    "user_engines",
]
