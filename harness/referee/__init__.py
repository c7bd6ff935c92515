"""Who is right: an independent likelihood with analytic derivatives.

It evaluates every answer at its own point: deviance, gradient and Hessian, certificate of an
optimum, standard errors and degrees of freedom under every known definition. It imports no engine.
"""

__all__ = [
    "best_point",
    "conditional_modes",
    "cost",
    "crossproducts",
    "definitions",
    "deviance",
    "f_tests",
    "identifiability",
    "joint_hessian",
    "kenward_roger",
    "lmertest_recipe",
    "mean_squares",
    "optimality",
    "optimum",
    "residual_likelihood",
    "residual_matrix",
    "satterthwaite",
    "scoring_step",
    "standpoint",
    "structured_likelihood",
    "term_covariance",
    "variance_errors",
]
