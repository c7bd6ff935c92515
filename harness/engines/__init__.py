"""Who fits: the engine protocol, the adapters and the registry.

An engine takes a :class:`~harness.model.case.Case` and returns a fit, its statements with their
definitions, or a failure with its reason: :mod:`~harness.engines.engine`.
"""

__all__ = [
    "command_engine",
    "diagonal_terms",
    "engine",
    "engine_spec",
    "engine_wrapper",
    "environments",
    "fit_request",
    "guard",
    "lme4",
    "lme4_f_tests",
    "lme4_reply",
    "mixedlm_cost",
    "mixedlm_evaluations",
    "mixedlm_fit",
    "mixedlm_result",
    "mixedlm_terms",
    "protocol",
    "referee_engine",
    "registry",
    "served_engine",
    "statsmodels",
    "warning_capture",
    "within_limits",
]
