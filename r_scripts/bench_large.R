# lme4's own evaluation of a large crossed model, for benchmarks/large_crossed.py.

# InstEval as vectors: 73,421 lecture ratings by 2,972 students (s) of 1,128 lecturers (d), codes
# from 1 as in lme4, service 0 or 1. `theta` is lme4's optimum of y ~ service + (1 | s) + (1 | d)
# from a fit by REML, `deviance` its criterion there by one more evaluation of the deviance function,
# which took `seconds`; `estimate` and `se` are its fixed effects.
bench_large_crossed <- function() {
  need_packages("lme4")
  data <- lme4::InstEval
  formula <- formula_from_text("y ~ service + (1 | s) + (1 | d)")
  fit <- lme4::lmer(formula, data = data, REML = TRUE)
  parsed <- lme4::lFormula(formula, data = data, REML = TRUE)
  deviance_at <- do.call(lme4::mkLmerDevfun, parsed)
  theta <- as.double(lme4::getME(fit, "theta"))
  deviance_at(0.9 * theta)
  started <- proc.time()[["elapsed"]]
  deviance <- deviance_at(theta)
  seconds <- proc.time()[["elapsed"]] - started
  list(
    y = as.double(data$y),
    service = as.double(as.integer(data$service) - 1L),
    s = as.double(as.integer(data$s)),
    d = as.double(as.integer(data$d)),
    theta = theta,
    deviance = deviance,
    estimate = as.double(lme4::fixef(fit)),
    se = as.double(sqrt(diag(as.matrix(stats::vcov(fit))))),
    seconds = seconds
  )
}
