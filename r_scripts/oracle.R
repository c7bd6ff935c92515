# What lme4 and lmerTest make of a formula and data, one quantity at a time: the oracles that tests
# compare the project's own design, likelihood and degrees of freedom with. No fit in a report uses
# them. `columns` and `checksum` are as in fit_lmer, formulas are text.

# Parse and evaluate without a check on size or rank, as fit_lmer's tight setting does.
parsed_model <- function(frame, formula, reml = TRUE) {
  suppressMessages(suppressWarnings(lme4::lFormula(
    formula_from_text(formula),
    data = frame,
    REML = reml,
    control = lme4::lmerControl(
      check.rankX = "silent.drop.cols",
      check.nobs.vs.nRE = "ignore",
      check.nobs.vs.nlev = "ignore",
      check.nlev.gtr.1 = "ignore",
      check.nobs.vs.rankZ = "ignore"
    )
  )))
}

# The design of lme4::lFormula: `y`; `x` by columns with `x_names` and the names of `dropped` ones;
# per term, in lme4's order, `group`, `size` (number of effects), `levels` (number of levels) and one
# after the other `effects`, `codes` (n a term), `level_names`, and `z` (n x q, by columns).
oracle_design <- function(columns, formula) {
  frame <- without_unused_levels(data_frame_from_columns(columns))
  parsed <- parsed_model(frame, formula)
  random <- parsed$reTrms
  factor_of_term <- attr(random$flist, "assign")
  sizes <- lengths(random$cnms)
  list(
    y = as.double(stats::model.response(parsed$fr)),
    rows = as.double(rownames(parsed$fr)),
    x = as.double(parsed$X),
    x_names = as.character(colnames(parsed$X)),
    dropped = as.character(names(attr(parsed$X, "col.dropped"))),
    group = names(random$flist)[factor_of_term],
    size = as.double(sizes),
    levels = as.double(vapply(random$flist[factor_of_term], nlevels, 1L)),
    effects = as.character(unlist(random$cnms)),
    codes = as.double(unlist(lapply(random$flist[factor_of_term], as.integer))),
    level_names = as.character(unlist(lapply(random$flist[factor_of_term], levels))),
    z = as.double(unlist(lapply(seq_along(sizes), function(i) {
      # Zt of a term has a row per level and effect; a data row is non-zero in its own level only.
      zt <- as.matrix(random$Ztlist[[i]])
      effect <- rep(seq_len(sizes[i]), length.out = nrow(zt))
      vapply(seq_len(sizes[i]), function(j) colSums(zt[effect == j, , drop = FALSE]), zt[1L, ])
    })))
  )
}

# The model matrix of `lm` and the names of the coefficients it cannot estimate.
oracle_lm_aliased <- function(columns, formula) {
  fit <- stats::lm(formula_from_text(formula), data = data_frame_from_columns(columns))
  list(x = as.double(stats::model.matrix(fit)), aliased = as.double(is.na(stats::coef(fit))))
}

# lme4's own deviance function (profiled over sigma and beta) at each of several `theta`, laid end to
# end, with beta and the covariance matrix of beta there. `theta` is in lme4's order of terms.
oracle_deviance <- function(columns, formula, criterion, theta) {
  parsed <- parsed_model(data_frame_from_columns(columns), formula, criterion == "REML")
  deviance_at <- do.call(lme4::mkLmerDevfun, parsed)
  points <- matrix(theta, nrow = length(parsed$reTrms$theta))
  each <- lapply(seq_len(ncol(points)), function(i) {
    value <- deviance_at(points[, i])
    inner <- environment(deviance_at)
    n <- nrow(parsed$X)
    m <- if (criterion == "REML") n - ncol(parsed$X) else n
    s2 <- (inner$resp$wrss() + inner$pp$sqrL(1)) / m
    list(value, inner$pp$beta(1), s2, s2 * inner$pp$unsc())
  })
  list(
    deviance = vapply(each, function(e) e[[1L]], 1),
    beta = as.double(unlist(lapply(each, function(e) e[[2L]]))),
    sigma2 = vapply(each, function(e) e[[3L]], 1),
    covariance = as.double(unlist(lapply(each, function(e) e[[4L]])))
  )
}

# A tight fit by lmerTest: theta and sigma in lme4's order of terms, -2 log-likelihood, estimates,
# standard errors and Satterthwaite's df of the fixed effects.
oracle_lmertest <- function(columns, formula, criterion, start = NULL) {
  frame <- data_frame_from_columns(columns)
  fit <- lmerTest::lmer(
    formula_from_text(formula),
    data = frame,
    REML = criterion == "REML",
    start = start,
    control = lme4::lmerControl(
      optimizer = "nloptwrap",
      optCtrl = list(
        xtol_abs = 1e-12, xtol_rel = 1e-12, ftol_abs = 1e-12, ftol_rel = 1e-15, maxeval = 20000L
      )
    )
  )
  table <- summary(fit, ddf = "Satterthwaite")$coefficients
  list(
    theta = as.double(lme4::getME(fit, "theta")),
    sigma = stats::sigma(fit),
    deviance = -2 * as.double(stats::logLik(fit)),
    estimate = as.double(table[, "Estimate"]),
    se = as.double(table[, "Std. Error"]),
    df = as.double(table[, "df"])
  )
}

# The log-likelihood of a call given as text, run on a CSV file as a user would read it.
oracle_loglik_of_call <- function(path, call) {
  data <- utils::read.csv(path, check.names = FALSE)
  fit <- suppressMessages(eval(parse(text = call)[[1L]], list(data = data), asNamespace("stats")))
  list(loglik = as.double(stats::logLik(fit)))
}

# Whether a package is installed.
oracle_has <- function(package) {
  list(there = as.double(requireNamespace(package, quietly = TRUE)))
}

# The model matrix of `formula`, without aliased columns taken out, by columns, and its names.
oracle_model_matrix <- function(columns, formula) {
  frame <- without_unused_levels(data_frame_from_columns(columns))
  parsed <- formula_from_text(formula)
  x <- stats::model.matrix(parsed, stats::model.frame(parsed, frame))
  list(x = as.double(x), names = colnames(x))
}
