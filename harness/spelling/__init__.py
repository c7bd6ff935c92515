"""How other programs write a model, and what misleads there.

A model in the words of R and of statsmodels, a call of theirs read back, and traps: what is written
alike and means something else.
"""

__all__ = [
    "formula_options",
    "lme4_spelling",
    "mixedlm_call",
    "mixedlm_spelling",
    "model_description",
    "nlme_call",
    "patsy_language",
    "program_calls",
    "translation",
]
