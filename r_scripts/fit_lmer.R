# Linear mixed models with lme4, and Satterthwaite's degrees of freedom from lmerTest.

# Twelve digits asked of lme4's own optimizer. xtol_rel has to be set as well: nloptr's 1e-4 stays in
# force beside lme4's absolute tolerances, and lowering those alone changes not one evaluation.
tight_tolerances <- list(xtol_abs = 1e-12, xtol_rel = 1e-12, ftol_abs = 1e-12, maxeval = 20000L)

# An optimizer for lmer() that stays where `search`, a result of best_theta, has ended.
stay_at <- function(search) {
  function(fn, par, lower, upper, control) {
    list(
      par = search$theta, fval = fn(search$theta), feval = 0L,
      conv = search$code, message = search$message
    )
  }
}

# Starting values that leave a boundary. In a column of the relative covariance factor whose diagonal
# has become (nearly) zero, the sign of the column no longer matters to the likelihood, but lme4's
# bound diagonal >= 0 hides the descent that lies on the other side: return `theta` with such diagonals
# set to each of a few positive values and the column's sign as it is and turned. With several effects
# in a term that is not always enough, so that the factors of its covariance matrix with the variances
# enlarged are returned as well. A list; empty when nothing is near zero. `scale` is that of each
# effect (see effect_scales).
leave_boundary <- function(theta, sizes, scale) {
  column <- theta_columns(sizes)
  diagonal <- !duplicated(column)
  near_zero <- diagonal & abs(theta) < 1e-2 * scale[column]
  if (!any(near_zero)) {
    return(list())
  }
  starts <- list()
  for (sign in c(-1, 1)) {
    for (size in c(0.03, 0.3)) {
      start <- theta
      inside <- column %in% column[near_zero] & !diagonal
      start[inside] <- sign * start[inside]
      start[near_zero] <- size * scale[column[near_zero]]
      starts <- c(starts, list(start))
    }
  }
  if (any(sizes > 1L)) {
    enlarged <- lapply(c(0.01, 0.3), function(share) enlarged_factor(theta, sizes, scale, share))
    starts <- c(starts, enlarged)
  }
  starts
}

# The theta of the covariance matrices of `theta` whose variances have become larger by the factor
# 1 + share, and by a little more so that none of them is zero.
enlarged_factor <- function(theta, sizes, scale, share) {
  term_of_theta <- rep(seq_along(sizes), sizes * (sizes + 1L) / 2L)
  term_of_effect <- rep(seq_along(sizes), sizes)
  unlist(lapply(seq_along(sizes), function(i) {
    q <- sizes[i]
    factor <- matrix(0, q, q)
    factor[lower.tri(factor, diag = TRUE)] <- theta[term_of_theta == i]
    covariance <- tcrossprod(factor)
    unit <- scale[term_of_effect == i]^2
    more <- share * diag(covariance) + 0.01 * unit * max(diag(covariance) / unit, 0.1)
    enlarged <- t(chol(covariance + diag(more, q)))
    enlarged[lower.tri(enlarged, diag = TRUE)]
  }))
}

# The size of theta at which each effect contributes as much variance as the residual: one over the
# root mean square of its values. Effects of all terms, in lme4's order; `blocks` are the transposed
# model matrices of the terms, whose rows run over levels and, within a level, over effects.
effect_scales <- function(blocks, sizes) {
  squares <- lapply(seq_along(sizes), function(i) {
    by_row <- Matrix::rowSums(blocks[[i]]^2)
    rowSums(matrix(by_row, nrow = sizes[i])) / ncol(blocks[[i]])
  })
  squares <- unlist(squares)
  ifelse(squares > 0, 1 / sqrt(squares), 1)
}

# Number the columns of the factors of all terms, and say for each element of theta which one it is
# in: the number of the effect on that column's diagonal. `sizes` holds the number of effects of each
# term.
theta_columns <- function(sizes) {
  per_column <- unlist(lapply(sizes, function(q) q:1))
  rep(seq_along(per_column), per_column)
}

# The same for rows: for each element of theta the number of the effect whose row it is in.
theta_rows <- function(sizes) {
  column <- theta_columns(sizes)
  column + stats::ave(column, column, FUN = seq_along) - 1L
}

# Search from several fixed starting values, with tight tolerances, for the theta of lowest deviance.
# From the best point found it goes on to starts that leave the boundary, until they bring nothing.
# Theta is divided by the scale of its effect meanwhile, so that units do not matter. Above 20000 rows
# only lme4's start and those that leave the boundary are tried: there, an evaluation takes a good part
# of a second. Returns theta, the optimizer's code and message for it, and the number of starts and
# evaluations.
best_theta <- function(formula, frame, reml) {
  parsed <- suppressMessages(lme4::lFormula(
    formula, data = frame, REML = reml,
    control = lme4::lmerControl(check.rankX = "silent.drop.cols", check.scaleX = "ignore")
  ))
  deviance_at <- do.call(lme4::mkLmerDevfun, parsed)
  default <- parsed$reTrms$theta
  lower <- parsed$reTrms$lower
  sizes <- lengths(parsed$reTrms$cnms)
  scale <- effect_scales(parsed$reTrms$Ztlist, sizes)
  unit <- scale[theta_rows(sizes)]
  found <- list(
    theta = default, deviance = Inf, code = -1, message = "no start led to a finite deviance",
    starts = 0L, evaluations = 0L
  )
  try_starts <- function(starts) {
    for (start in starts) {
      # A start may lead the optimizer astray (a numerical error in a corner); others remain.
      search <- tryCatch(
        suppressWarnings(lme4::nloptwrap(
          start / unit, function(scaled) deviance_at(scaled * unit), lower,
          rep(Inf, length(start)), control = tight_tolerances
        )),
        error = function(e) NULL
      )
      found$starts <<- found$starts + 1L
      if (is.null(search)) {
        next
      }
      found$evaluations <<- found$evaluations + search$feval
      if (is.finite(search$fval) && search$fval < found$deviance) {
        found$theta <<- search$par * unit
        found$deviance <<- search$fval
        found$code <<- search$conv
        found$message <<- search$message
      }
    }
  }
  try_starts(list(default))
  if (nrow(frame) <= 20000L) {
    in_scale <- unit * !duplicated(theta_columns(sizes))
    try_starts(list(0.2 * in_scale, 3 * in_scale))
  }
  for (round in 1:3) {
    before <- found$deviance
    try_starts(leave_boundary(found$theta, sizes, scale))
    if (before - found$deviance < 1e-8) {
      break
    }
  }
  found
}

# Fit the mixed model `formula` (text) to `columns` (see data_frame_from_columns).
#
# criterion  "REML" or "ML"
# setting    "default": lmerTest::lmer as a user calls it; "tight": lmerTest::lmer at the best point of
#            several searches for twelve digits (see best_theta)
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
fit_lmer <- function(columns, formula, criterion, setting = "default", checksum = NULL) {
  need_packages(c("lme4", "lmerTest"))
  frame <- checked_data_frame(columns, checksum)
  formula <- formula_from_text(formula)
  reml <- criterion == "REML"
  search <- list(starts = 1L, evaluations = 0L)

  started <- Sys.time()
  fit <- switch(setting,
    default = lmerTest::lmer(formula, data = frame, REML = reml),
    tight = {
      search <- best_theta(formula, frame, reml)
      control <- lme4::lmerControl(optimizer = stay_at(search))
      lmerTest::lmer(formula, data = frame, REML = reml, control = control)
    },
    stop("unknown setting: ", setting)
  )
  table <- summary(fit, ddf = "Satterthwaite")$coefficients
  seconds <- as.numeric(difftime(Sys.time(), started, units = "secs"))

  x <- lme4::getME(fit, "X")
  if (ncol(table) != 5L) {
    stop("lmerTest gave no degrees of freedom")
  }
  optimum <- fit@optinfo
  said <- unlist(optimum$conv$lme4$messages)
  c(
    list(
      n = as.double(stats::nobs(fit)),
      rows = as.double(rownames(stats::model.frame(fit))),
      x = as.double(x),
      x_names = as.character(colnames(x)),
      dropped = as.character(names(attr(x, "col.dropped"))),
      estimate = as.double(table[, "Estimate"]),
      se = as.double(table[, "Std. Error"]),
      df = as.double(table[, "df"]),
      t = as.double(table[, "t value"]),
      p = as.double(table[, "Pr(>|t|)"]),
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
      optimizer_code = as.double(optimum$conv$opt),
      # lme4 files the remark that a fit is singular here too; it is no failure to converge.
      convergence_messages = as.character(said[!grepl("singular", said, fixed = TRUE)]),
      optimizer = if (setting == "tight") "nloptwrap" else as.character(optimum$optimizer),
      optimizer_message = as.character(optimum$message),
      evaluations = as.double(search$evaluations + optimum$feval),
      starts = as.double(search$starts),
      seconds = seconds,
      data_checksum = attr(frame, "checksum")
    ),
    random_terms(fit)
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
