# glmmTMB: lme4's formulas, by Laplace's method, which is exact for a linear mixed model. Its weights
# multiply the log-likelihood; lme4's, s2 / w, are an offset of its model of the dispersion.

local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[[1L]])
  source(file.path(dirname(normalizePath(file)), "conversation.R"), local = globalenv())
})

definitions <- list(
  loglik = "full", aic = "2k-variances-counted", bic = "2k-variances-counted",
  se = "joint-hessian", df = "none", statistic = "estimate/se", p = "normal",
  variance = "data-units", residual_variance = "m"
)

fit <- function(request) {
  mixed <- length(request$random) > 0L
  data <- request$data
  dispersion <- ~1
  if (!is.null(request$weights)) {
    data$log_dispersion <- -log(request$weights) / dispersion_power()
    dispersion <- ~ 1 + offset(log_dispersion)
  }
  found <- glmmTMB::glmmTMB(
    request$formula, data = data, REML = mixed && request$reml, dispformula = dispersion
  )
  table <- summary(found)$coefficients$cond
  estimates <- glmmTMB::fixef(found)$cond
  kept <- match(names(estimates), rownames(table))
  list(
    fitter = "glmmTMB::glmmTMB",
    n_obs = stats::nobs(found),
    coefficients = rows_of(
      names(estimates), unname(estimates), table[kept, "Std. Error"],
      rep(Inf, length(estimates)), table[kept, "z value"], table[kept, "Pr(>|z|)"]
    ),
    x = by_columns(glmmTMB::getME(found, "X")),
    random = if (mixed) model_terms(request, random_terms(found)) else list(),
    residual_variance = if (is.null(request$weights)) stats::sigma(found)^2 else {
      exp(dispersion_power() * unname(glmmTMB::fixef(found)$disp))
    },
    loglik = as.numeric(stats::logLik(found)),
    aic = stats::AIC(found),
    bic = stats::BIC(found),
    df_residual = stats::df.residual(found),
    fitted = as.list(unname(stats::fitted(found))),
    residuals = as.list(unname(stats::residuals(found))),
    converged = found$fit$convergence == 0L,
    singular = NULL,
    settings = list("nlminb", found$fit$message),
    # Without random effects it maximises the likelihood, which divides by n.
    definitions = named(if (!mixed) list(residual_variance = "n", se = "gls"))
  )
}

# The power of the dispersion that is the variance: 1 where glmmTMB models that, 2 where it models the
# standard deviation, as later versions do.
dispersion_power <- function() {
  few <- data.frame(y = c(1, 5, 2, 9, 30))
  found <- glmmTMB::glmmTMB(y ~ 1, data = few)
  if (abs(2 * log(stats::sigma(found)) - glmmTMB::fixef(found)$disp) < 0.01) 1 else 2
}

random_terms <- function(found) {
  covariances <- glmmTMB::VarCorr(found)$cond
  # One table for each grouping factor; its columns are those of the factor's terms in turn.
  modes <- glmmTMB::ranef(found)$cond
  groups <- names(found$modelInfo$reTrms$cond$flist)[
    attr(found$modelInfo$reTrms$cond$flist, "assign")
  ]
  used <- stats::setNames(integer(length(modes)), names(modes))
  lapply(seq_along(covariances), function(i) {
    psi <- covariances[[i]]
    group <- groups[[i]]
    names <- colnames(psi)
    own <- modes[[group]]
    place <- used[[group]] + seq_along(names)
    used[[group]] <<- used[[group]] + length(names)
    term_of(
      group, names, matrix(psi, nrow(psi)), rownames(own), as.matrix(own[, place, drop = FALSE])
    )
  })
}

known <- c("diag", "homdiag", "cs", "homcs", "ar1", "hetar1")
converse(
  fit, name = "glmmTMB", packages = c("glmmTMB", "TMB", "Matrix"), definitions = definitions,
  takes = "weights", structures = intersect(known, names(glmmTMB:::.valid_covstruct))
)
