# Linear mixed models with lme4, and Satterthwaite's degrees of freedom from lmerTest.

# Fit and test the fixed effects: a list of `fit`, lmerTest's model, `table`, the coefficients of its
# summary() with Satterthwaite's df, and `search`, the number of starts and evaluations of a search
# before (see best_theta).
#
# lmerTest::lmer() reads the formula and sets up the deviance three times: lme4::lmer() does it for the
# fit, it does it again for differences of the deviance, and a search before needs one of its own. In
# parts, all of them use the first. The numbers are the same to the last bit; where parts_agree() has
# found them not to be, lmerTest::lmer() itself is called.
#
# `frame` and `formula` are those of with_weights and formula_from_text.
fitted_and_tested <- function(formula, frame, reml, setting, in_parts = parts_agree()) {
  if (!(setting %in% c("default", "tight"))) {
    stop("unknown setting: ", setting)
  }
  if (in_parts) {
    return(fit_in_parts(formula, frame, reml, setting))
  }
  search <- no_search
  weights <- frame$model_weights
  control <- lme4::lmerControl()
  if (setting == "tight") {
    search <- search_model(formula, frame, reml)
    control$optimizer <- stay_at(search)
  }
  fit <- lmerTest::lmer(
    formula, data = frame, REML = reml, control = control, weights = weights
  )
  list(fit = fit, table = summary(fit, ddf = "Satterthwaite")$coefficients, search = search)
}

no_search <- list(starts = 1L, evaluations = 0L)

# The same by the functions that lme4::lmer() consists of (see ?lme4::modular) and lmerTest's own for
# what it adds to a model, on one deviance function.
fit_in_parts <- function(formula, frame, reml, setting) {
  control <- lme4::lmerControl()
  weights <- frame$model_weights
  parts <- lme4::lFormula(
    formula, data = frame, REML = reml, control = control, weights = weights
  )
  as_called <- call("lmer", formula = parts$formula, data = quote(frame), REML = reml)
  parts$formula <- NULL
  deviance_at <- do.call(lme4::mkLmerDevfun, c(parts, list(control = control)))
  search <- no_search
  if (setting == "tight") {
    search <- best_theta(deviance_at, parts$reTrms, nrow(frame))
    control$optimizer <- stay_at(search)
  }
  optimum <- lme4::optimizeLmer(
    deviance_at,
    optimizer = control$optimizer, restart_edge = control$restart_edge,
    boundary.tol = control$boundary.tol, control = control$optCtrl,
    calc.derivs = control$calc.derivs, use.last.params = control$use.last.params
  )
  convergence <- lme4::checkConv(
    attr(optimum, "derivs"), optimum$par,
    ctrl = control$checkConv, lbound = environment(deviance_at)$lower
  )
  model <- lme4::mkMerMod(
    environment(deviance_at), optimum, parts$reTrms,
    fr = parts$fr, mc = as_called, lme4conv = convergence
  )
  fit <- lmerTest:::as_lmerModLT(model, deviance_at)
  # Its differences have left the parts that model and deviance function share at another point.
  deviance_at(model@theta)
  list(fit = fit, table = tests_of_coefficients(fit), search = search)
}

# The table of coefficients of lmerTest's summary(), without what else a summary computes.
tests_of_coefficients <- function(fit) {
  names <- names(lme4::fixef(fit))
  unit <- diag(length(names))
  rows <- lapply(seq_along(names), function(i) lmerTest::contest1D(fit, unit[i, ]))
  table <- if (length(rows)) do.call(rbind, rows) else lmerTest::contest1D(fit, numeric())
  structure(as.matrix(table), dimnames = list(names, colnames(table)))
}

# Whether the installed lme4 and lmerTest give the same in parts as in one call: decided once, by a fit
# of the sleepstudy data in both ways.
parts_agree <- local({
  agree <- NULL
  function() {
    if (is.null(agree)) {
      agree <<- tryCatch(
        suppressWarnings(suppressMessages({
          formula <- formula_from_text("Reaction ~ Days + (Days | Subject)")
          both <- lapply(c(TRUE, FALSE), function(in_parts) {
            done <- fitted_and_tested(formula, lme4::sleepstudy, TRUE, "default", in_parts)
            with(done, list(
              unname(table), fit@theta, fit@vcov_varpar, fit@Jac_list, stats::logLik(fit),
              lme4::ranef(fit), stats::fitted(fit), lme4::VarCorr(fit), fit@optinfo$conv
            ))
          })
          identical(both[[1L]], both[[2L]])
        })),
        error = function(e) FALSE
      )
    }
    agree
  }
})

# Fit the mixed model `formula` (text) to `columns` (see data_frame_from_columns).
#
# criterion  "REML" or "ML"
# setting    "default": what lmerTest::lmer gives a user; "tight": lmerTest::lmer at the best point of
#            several searches for twelve digits (see best_theta)
# weights    name of the column of weights: the residual variance of a row is sigma^2 / weight
# in_parts   see fitted_and_tested
#
# Returns one flat named list of numeric vectors and strings. Matrices are vectors, column by column.
# Those of fit_lm, with the REML or ML criterion's log-likelihood as asked, and also
#   theta, lower          relative covariance parameters and their bounds, in lme4's order
#   reml_criterion        -2 log-likelihood
#   term_group            grouping factor of each term, in lme4's order
#   term_size             number q of effects of each term
#   term_levels           number k of levels of each term
#   effects               names of the effects, term after term
#   covariance            q x q covariance matrix of each term, one after the other
#   z                     n x q values of the effects, term after term
#   codes                 level number of each row, n a term, term after term
#   levels                level names, term after term
#   ranef                 k x q conditional modes, term after term
#   singular, optimizer_code, convergence_messages, optimizer, optimizer_message, evaluations, starts
#   fitter                the function, "lmerTest::lmer"
#   in_parts              how it was done
fit_lmer <- function(columns, formula, criterion, setting = "default", checksum = NULL,
                     weights = NULL, in_parts = parts_agree()) {
  need_packages(c("lme4", "lmerTest"))
  frame <- checked_data_frame(columns, checksum)
  formula <- formula_from_text(formula)
  frame <- with_weights(without_unused_levels(frame), weights)

  started <- Sys.time()
  done <- fitted_and_tested(formula, frame, criterion == "REML", setting, in_parts)
  terms <- random_terms(done$fit)
  seconds <- as.numeric(difftime(Sys.time(), started, units = "secs"))

  if (ncol(done$table) != 5L) {
    stop("lmerTest gave no degrees of freedom")
  }
  optimum <- done$fit@optinfo
  c(
    stated(done$fit),
    coefficients_of(done$fit, done$table),
    list(
      fitter = "lmerTest::lmer",
      rows = as.double(rownames(stats::model.frame(done$fit))),
      optimizer = if (setting == "tight") "nloptwrap" else as.character(optimum$optimizer),
      evaluations = as.double(done$search$evaluations + optimum$feval),
      starts = as.double(done$search$starts),
      in_parts = in_parts,
      seconds = seconds,
      data_checksum = attr(frame, "checksum")
    ),
    terms
  )
}

# What a fitted model states besides its coefficients and random effects.
stated <- function(fit) {
  optimum <- fit@optinfo
  said <- unlist(optimum$conv$lme4$messages)
  code <- optimum$conv$opt
  list(
    n = as.double(stats::nobs(fit)),
    theta = as.double(lme4::getME(fit, "theta")),
    lower = as.double(lme4::getME(fit, "lower")),
    sigma = stats::sigma(fit),
    df_residual = as.double(stats::df.residual(fit)),
    loglik = as.double(stats::logLik(fit)),
    reml_criterion = -2 * as.double(stats::logLik(fit)),
    aic = stats::AIC(fit),
    bic = stats::BIC(fit),
    fitted = as.double(stats::fitted(fit)),
    residuals = as.double(stats::residuals(fit)),
    singular = lme4::isSingular(fit),
    optimizer_code = if (is.numeric(code)) as.double(code) else 0,
    # lme4 files the remark that a fit is singular here too; it is no failure to converge.
    convergence_messages = as.character(said[!grepl("singular", said, fixed = TRUE)]),
    optimizer_message = as.character(optimum$message)
  )
}

# The fixed effects of a fitted model by the table of its summary(), in which a column may be absent.
coefficients_of <- function(fit, table) {
  column <- function(name) {
    if (name %in% colnames(table)) as.double(table[, name]) else double()
  }
  x <- lme4::getME(fit, "X")
  list(
    x = as.double(x),
    x_names = as.character(colnames(x)),
    dropped = as.character(names(attr(x, "col.dropped"))),
    estimate = column("Estimate"),
    se = column("Std. Error"),
    df = column("df"),
    t = column("t value"),
    p = column("Pr(>|t|)")
  )
}

# The random-effects terms of a fit, flattened as fit_lmer describes.
random_terms <- function(fit) {
  names_of_effects <- fit@cnms
  factors <- lme4::getME(fit, "flist")
  factor_of_term <- attr(factors, "assign")
  covariances <- lme4::VarCorr(fit)
  modes <- lme4::ranef(fit, condVar = FALSE)
  z_blocks <- lme4::getME(fit, "Ztlist")
  sizes <- lengths(names_of_effects)

  # ranef() puts the terms of one factor side by side in one table, in the order of the terms.
  used <- integer(length(factors))
  term_modes <- lapply(seq_along(sizes), function(i) {
    f <- factor_of_term[i]
    columns <- used[f] + seq_len(sizes[i])
    used[f] <<- used[f] + sizes[i]
    as.matrix(modes[[names(factors)[f]]])[, columns, drop = FALSE]
  })
  list(
    term_group = names(factors)[factor_of_term],
    term_size = as.double(sizes),
    term_levels = as.double(vapply(factors[factor_of_term], nlevels, 1L)),
    effects = as.character(unlist(names_of_effects)),
    covariance = as.double(unlist(lapply(covariances, as.double))),
    # Each row of the data is in one level, so the sum over levels is its value.
    z = as.double(unlist(lapply(z_blocks, Matrix::colSums))),
    codes = as.double(unlist(lapply(factors[factor_of_term], as.integer))),
    levels = as.character(unlist(lapply(factors[factor_of_term], levels))),
    ranef = as.double(unlist(term_modes))
  )
}
