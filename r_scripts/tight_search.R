# The search of the setting "tight": lme4's own deviance and optimizer, twelve digits, several starts.

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
# of a second. `deviance_at` is lme4's deviance function, `terms` the reTrms of lFormula(), n the number
# of rows. Returns theta, the optimizer's code and message for it, and the number of starts and
# evaluations.
best_theta <- function(deviance_at, terms, n) {
  default <- terms$theta
  lower <- terms$lower
  sizes <- lengths(terms$cnms)
  scale <- effect_scales(terms$Ztlist, sizes)
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
  if (n <= 20000L) {
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

# The best theta of a model that has not been set up yet; weights are in a column `model_weights`.
search_model <- function(formula, frame, reml) {
  control <- lme4::lmerControl(check.rankX = "silent.drop.cols", check.scaleX = "ignore")
  weights <- frame$model_weights
  parts <- suppressMessages(
    lme4::lFormula(formula, data = frame, REML = reml, control = control, weights = weights)
  )
  best_theta(do.call(lme4::mkLmerDevfun, parts), parts$reTrms, nrow(frame))
}
