# What a fit costs in R, timed inside R so that no bridge counts. Benchmarks only.

# Processor seconds (user and system) a repetition of `expression_of()`, the best of `rounds` rounds of
# `repetitions`. A round is timed as a whole: proc.time() resolves a millisecond. The best, not the
# mean, since other processes can only add.
seconds_each <- function(expression_of, repetitions, rounds) {
  expression_of()
  used <- function() sum(proc.time()[c("user.self", "sys.self")])
  min(vapply(seq_len(rounds), function(round) {
    started <- used()
    for (i in seq_len(repetitions)) {
      expression_of()
    }
    (used() - started) / repetitions
  }, 1))
}

# Time `formula` (text, REML) on `columns` as in fit_lmer:
#   lme4       lme4::lmer
#   lmertest   lmerTest::lmer and the table of its summary with Satterthwaite's df
#   pbkrtest   Kenward-Roger covariance and df of every fixed effect, without the fit; NaN unless
#              `with_pbkrtest`
# and return theta, sigma and the df, so that the other side can show that it did the same.
bench_lmer <- function(columns, formula, repetitions, rounds, with_pbkrtest = FALSE) {
  need_packages(c("lme4", "lmerTest", "pbkrtest"))
  frame <- data_frame_from_columns(columns)
  formula <- formula_from_text(formula)
  fit <- lmerTest::lmer(formula, data = frame)
  table <- summary(fit)$coefficients
  adjusted <- function() {
    covariance <- pbkrtest::vcovAdj(fit)
    phi <- stats::vcov(fit)
    p <- nrow(table)
    vapply(seq_len(p), function(i) pbkrtest::Lb_ddf(as.double(seq_len(p) == i), phi, covariance), 1)
  }
  list(
    lme4 = seconds_each(function() lme4::lmer(formula, data = frame), repetitions, rounds),
    lmertest = seconds_each(
      function() summary(lmerTest::lmer(formula, data = frame))$coefficients, repetitions, rounds
    ),
    pbkrtest = if (with_pbkrtest) seconds_each(adjusted, 1L, 2L) else NaN,
    df = as.double(table[, "df"]),
    df_kr = if (with_pbkrtest) adjusted() else numeric(0L),
    theta = as.double(lme4::getME(fit, "theta")),
    sigma = stats::sigma(fit)
  )
}
