# mmrm: the marginal model of a random intercept, which is compound symmetry. Never run: there is no
# mmrm here. Written from its documentation; see the entry in programs.toml.

local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[[1L]])
  source(file.path(dirname(normalizePath(file)), "conversation.R"), local = globalenv())
})

definitions <- list(
  loglik = "full", aic = "not stated", bic = "not stated", se = "gls", df = "satterthwaite",
  statistic = "estimate/se", p = "t", variance = "not stated", residual_variance = "m"
)

fit <- function(request) {
  if (length(request$random) != 1L || !identical(request$random[[1L]]$effects, "Intercept")) {
    unsupported("mmrm has marginal covariances; of mixed models this takes one random intercept")
  }
  term <- request$random[[1L]]
  data <- request$data
  data$subject <- factor(term$codes)
  data$visit <- factor(stats::ave(term$codes, term$codes, FUN = seq_along))
  fixed <- without_bars(request$formula)
  formula <- stats::update(fixed, . ~ . + cs(visit | subject))
  found <- mmrm::mmrm(formula, data = data, reml = request$reml)
  table <- summary(found)$coefficients
  # The marginal variance is the sum of both variances, the covariance is that of the intercept.
  marginal <- mmrm::VarCorr(found)
  between <- marginal[1L, 2L]
  list(
    fitter = "mmrm::mmrm",
    coefficients = rows_of(
      rownames(table), table[, "Estimate"], table[, "Std. Error"], table[, "df"],
      table[, "t value"], table[, "Pr(>|t|)"]
    ),
    x = by_columns(stats::model.matrix(fixed, data)),
    random = list(term_of(term$group, "Intercept", matrix(between), term$levels)),
    residual_variance = marginal[1L, 1L] - between,
    loglik = as.numeric(stats::logLik(found)),
    converged = NULL,
    singular = NULL
  )
}

converse(fit, name = "mmrm", packages = "mmrm", definitions = definitions, wants = "design")
