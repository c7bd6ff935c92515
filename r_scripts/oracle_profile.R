# What lme4's profile() and ranef() make of a fit: the oracles that tests compare profiles of the
# deviance and conditional standard deviations with. No fit in a report uses them.

# Likelihood-ratio intervals of the variance parameters by profile(), which is of ML always: `names`,
# `low`, `high`; and `value` and `rise` of the profile of parameter number `which`: its values and the
# rises in deviance there.
oracle_profile <- function(columns, formula, which = 1L) {
  fit <- suppressWarnings(lme4::lmer(
    formula_from_text(formula), data = data_frame_from_columns(columns), REML = FALSE
  ))
  profiled <- suppressWarnings(stats::profile(fit, which = "theta_", signames = FALSE))
  bounds <- suppressWarnings(stats::confint(profiled))
  parameters <- unique(as.character(profiled$.par))
  one <- profiled[as.character(profiled$.par) == parameters[which], ]
  list(
    names = rownames(bounds),
    low = as.double(bounds[, 1L]),
    high = as.double(bounds[, 2L]),
    value = as.double(one[[parameters[which]]]),
    rise = as.double(one$.zeta^2)
  )
}

# Intervals as confint() gives them of a REML fit: `low` and `high`, those of the variance parameters
# first, then those of the fixed effects; and how many of these there are.
oracle_confint <- function(columns, formula) {
  fit <- suppressMessages(lme4::lmer(
    formula_from_text(formula), data = data_frame_from_columns(columns), REML = TRUE
  ))
  bounds <- suppressMessages(suppressWarnings(stats::confint(fit)))
  list(
    low = as.double(bounds[, 1L]),
    high = as.double(bounds[, 2L]),
    fixed = length(lme4::fixef(fit))
  )
}

# Conditional modes and standard deviations of the one term of a REML fit, k x q each, and sigma and
# theta to evaluate them at.
oracle_conditional <- function(columns, formula) {
  fit <- suppressMessages(lme4::lmer(
    formula_from_text(formula), data = data_frame_from_columns(columns), REML = TRUE
  ))
  modes <- lme4::ranef(fit, condVar = TRUE)[[1L]]
  variances <- attr(modes, "postVar")
  q <- ncol(modes)
  errors <- vapply(seq_len(q), function(i) sqrt(variances[i, i, ]), numeric(nrow(modes)))
  list(
    modes = as.double(as.matrix(modes)),
    errors = as.double(errors),
    theta = as.double(lme4::getME(fit, "theta")),
    sigma = stats::sigma(fit)
  )
}

# What anova() makes of two lme4 models by one criterion, and AIC and BIC of the larger one by lme4 and
# by nlme (`fixed` and `random` are the formulas of nlme): `statistic`, `parameters`, `p`, `aic`, `bic`.
oracle_comparison <- function(columns, small, large, criterion, fixed, random) {
  data <- data_frame_from_columns(columns)
  reml <- criterion == "REML"
  models <- lapply(c(small, large), function(text) {
    # anova() finds the data by the call.
    suppressMessages(do.call(lme4::lmer, list(formula_from_text(text), data = data, REML = reml)))
  })
  compared <- suppressMessages(stats::anova(models[[1L]], models[[2L]], refit = FALSE))
  other <- nlme::lme(
    formula_from_text(fixed), random = formula_from_text(random), data = data, method = criterion,
    control = nlme::lmeControl(msMaxIter = 200L, tolerance = 1e-8)
  )
  list(
    statistic = compared$Chisq[2L],
    parameters = compared$Df[2L],
    p = compared[["Pr(>Chisq)"]][2L],
    aic = c(stats::AIC(models[[2L]]), stats::AIC(other)),
    bic = c(stats::BIC(models[[2L]]), stats::BIC(other))
  )
}
