# Ordinary least squares with stats::lm.

# Fit `formula` (text) to `columns` (see data_frame_from_columns) by least squares.
#
# Returns one flat named list of numeric vectors and strings. Matrices are vectors, column by column:
#   fitter            "lm"
#   n, rows           observations used and their row numbers
#   x, x_names        model matrix n x p without aliased columns, and R's names of its columns
#   dropped           names of aliased columns, left out of everything else
#   estimate, se, df, t, p   a value per column of x; df is the residual degrees of freedom
#   sigma, df_residual, loglik, aic, bic
#   fitted, residuals, a value per row used
#   seconds           wall time of lm() and summary()
#   data_checksum     checksum of the data received; differing from `checksum` is an error
# `weights` is the name of a column; the residual variance of a row is sigma^2 / weight.
fit_lm <- function(columns, formula, checksum = NULL, weights = NULL) {
  frame <- checked_data_frame(columns, checksum)
  formula <- formula_from_text(formula)
  frame <- with_weights(without_unused_levels(frame), weights)
  started <- Sys.time()
  fit <- stats::lm(formula, data = frame, na.action = stats::na.omit, weights = model_weights)
  found <- stated_lm(fit)
  seconds <- as.numeric(difftime(Sys.time(), started, units = "secs"))
  c(found, list(seconds = seconds, data_checksum = attr(frame, "checksum")))
}

# What a fit of lm() states.
stated_lm <- function(fit) {
  summarised <- summary(fit)
  # summary() leaves aliased coefficients out of its table.
  table <- summarised$coefficients
  x <- stats::model.matrix(fit)[, rownames(table), drop = FALSE]
  list(
    fitter = "lm",
    n = as.double(stats::nobs(fit)),
    rows = as.double(rownames(stats::model.frame(fit))),
    x = as.double(x),
    x_names = colnames(x),
    dropped = names(which(is.na(stats::coef(fit)))),
    estimate = as.double(table[, "Estimate"]),
    se = as.double(table[, "Std. Error"]),
    df = rep(as.double(stats::df.residual(fit)), nrow(table)),
    t = as.double(table[, "t value"]),
    p = as.double(table[, "Pr(>|t|)"]),
    sigma = summarised$sigma,
    df_residual = as.double(stats::df.residual(fit)),
    loglik = as.double(stats::logLik(fit)),
    aic = stats::AIC(fit),
    bic = stats::BIC(fit),
    fitted = as.double(stats::fitted(fit)),
    residuals = as.double(stats::residuals(fit))
  )
}
