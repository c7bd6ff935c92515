"""Who is right: an independent likelihood with analytic derivatives.

It evaluates every answer at its own point: deviance, gradient and Hessian, certificate of an
optimum, standard errors and degrees of freedom under every known definition. It imports no engine.
"""

__all__ = [
    "best_point",
    "competition",
    "conditional_modes",
    "cost",
    "covariance_space",
    "crossproducts",
    "definitions",
    "deviance",
    "exploration",
    "f_tests",
    "identifiability",
    "information_criteria",
    "joint_hessian",
    "kenward_roger",
    "likelihood_profile",
    "lmertest_recipe",
    "mean_squares",
    "mixedlm_equations",
    "nested_models",
    "optimality",
    "optimum",
    "profiler",
    "residual_likelihood",
    "residual_matrix",
    "residual_profile",
    "row_blocks",
    "satterthwaite",
    "scoring_step",
    "standpoint",
    "structured_likelihood",
    "structured_profile",
    "term_covariance",
    "variance_errors",
    "variance_parameter",
]
