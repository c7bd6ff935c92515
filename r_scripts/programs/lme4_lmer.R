# lme4's lmer by one of its optimizers: Rscript --vanilla lme4_lmer.R OPTIMIZER [lmerTest]
#
# OPTIMIZER is what lmerControl() takes: bobyqa, Nelder_Mead or nloptwrap, lme4's default. With
# lmerTest the tests are its: t tests and the F tests of anova().

local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[[1L]])
  source(file.path(dirname(normalizePath(file)), "conversation.R"), local = globalenv())
})

optimizer <- c(commandArgs(TRUE), "nloptwrap")[[1L]]

tested <- "lmerTest" %in% commandArgs(TRUE)

definitions <- list(
  loglik = "full", aic = "2k-variances-counted", bic = "2k-variances-counted", se = "gls",
  df = if (tested) "satterthwaite" else "not stated", statistic = "estimate/se",
  p = if (tested) "t" else "not stated", variance = "data-units", residual_variance = "m",
  term_tests = if (tested) "type3-satterthwaite" else "not stated"
)

fit <- function(request) {
  if (length(request$random) == 0L) {
    unsupported("lmer takes models with random effects; lm is R's for a linear model")
  }
  control <- lme4::lmerControl(optimizer = optimizer)
  lmer <- if (tested) lmerTest::lmer else lme4::lmer
  # lme4 takes the variable of this name, whatever it is given.
  weights <- request$weights
  found <- lmer(
    request$formula, data = request$data, REML = request$reml, control = control,
    weights = weights
  )
  table <- summary(found)$coefficients
  x <- lme4::getME(found, "X")
  list(
    fitter = if (tested) "lmerTest::lmer" else "lme4::lmer",
    n_obs = stats::nobs(found),
    coefficients = rows_of(
      rownames(table), table[, "Estimate"], table[, "Std. Error"],
      if (tested) table[, "df"], table[, "t value"], if (tested) table[, "Pr(>|t|)"]
    ),
    x = by_columns(x),
    dropped = as.list(model_names(request, names(attr(x, "col.dropped")))),
    random = model_terms(request, random_terms(found)),
    residual_variance = stats::sigma(found)^2,
    loglik = as.numeric(stats::logLik(found)),
    aic = stats::AIC(found),
    bic = stats::BIC(found),
    df_residual = stats::df.residual(found),
    fitted = as.list(unname(stats::fitted(found))),
    residuals = as.list(unname(stats::residuals(found))),
    converged = found@optinfo$conv$opt == 0L && length(found@optinfo$conv$lme4$code) == 0L,
    singular = lme4::isSingular(found),
    settings = list(paste("optimizer", optimizer)),
    term_tests = if (tested) type3_tests(found) else list()
  )
}

# lmerTest's table of type III F tests, term by term.
type3_tests <- function(found) {
  table <- as.data.frame(stats::anova(found))
  tests_of(rownames(table), table[["F value"]], table$NumDF, table$DenDF, table[["Pr(>F)"]])
}

random_terms <- function(found) {
  names <- lme4::getME(found, "cnms")
  covariances <- lme4::VarCorr(found)
  modes <- lme4::ranef(found, condVar = FALSE)
  used <- stats::setNames(integer(length(modes)), names(modes))
  lapply(seq_along(names), function(i) {
    group <- names(names)[[i]]
    own <- modes[[group]]
    place <- used[[group]] + seq_along(names[[i]])
    used[[group]] <<- used[[group]] + length(names[[i]])
    psi <- covariances[[i]]
    term_of(
      group, names[[i]], matrix(psi, nrow(psi)), rownames(own),
      as.matrix(own[, place, drop = FALSE])
    )
  })
}

converse(
  fit, name = if (tested) "lmerTest" else paste("lme4", optimizer),
  packages = c(if (tested) "lmerTest", "lme4", "Matrix", "minqa", "nloptr"),
  definitions = definitions, takes = "weights"
)
