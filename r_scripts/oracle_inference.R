# What lmerTest and pbkrtest make of a fit: the oracles that tests compare the project's F tests,
# Satterthwaite's and Kenward-Roger's degrees of freedom with. No fit in a report uses them. `columns`
# is as in fit_lmer, formulas are text, contrast matrices are vectors, row after row.

# lmerTest::lmer with tolerances at which lme4's optimizer itself stops.
tightly_fitted <- function(columns, formula, criterion, contrasts = NULL) {
  # Factors keep treatment contrasts unless `contrasts` names others: list(f = "contr.sum").
  lmerTest::lmer(
    formula_from_text(formula),
    data = data_frame_from_columns(columns),
    REML = criterion == "REML",
    contrasts = contrasts,
    control = lme4::lmerControl(
      optimizer = "nloptwrap",
      optCtrl = list(
        xtol_abs = 1e-12, xtol_rel = 1e-12, ftol_abs = 1e-12, ftol_rel = 1e-15, maxeval = 20000L
      )
    )
  )
}

# Where a fit stands: theta and sigma in lme4's order of terms, names of the fixed effects and X.
point_of <- function(fit) {
  list(
    theta = as.double(lme4::getME(fit, "theta")),
    sigma = stats::sigma(fit),
    singular = as.double(lme4::isSingular(fit)),
    names = names(lme4::fixef(fit)),
    x = as.double(lme4::getME(fit, "X")),
    beta = as.double(lme4::fixef(fit))
  )
}

# F tests of the type III hypotheses, and of the rows of `rows` (optional) together. Returns, beside
# point_of, per term `terms`, `df_num`, `df_den`, `f`, `p` and the hypotheses one after the other; and
# for `rows` the vector `joint` of df_num, df_den, F and p.
#
# ddf   "Satterthwaite" or "Kenward-Roger"
oracle_f_tests <- function(
    columns, formula, criterion, ddf = "Satterthwaite", rows = NULL, contrasts = NULL) {
  fit <- tightly_fitted(columns, formula, criterion, contrasts)
  table <- stats::anova(fit, type = 3, ddf = ddf)
  hypotheses <- attr(table, "hypotheses")
  joint <- numeric(0L)
  if (!is.null(rows)) {
    p <- length(lme4::fixef(fit))
    test <- lmerTest::contestMD(fit, matrix(rows, ncol = p, byrow = TRUE), ddf = ddf)
    joint <- as.double(test[c("NumDF", "DenDF", "F value", "Pr(>F)")])
  }
  c(point_of(fit), list(
    terms = as.character(rownames(table)),
    df_num = as.double(table[, "NumDF"]),
    df_den = as.double(table[, "DenDF"]),
    f = as.double(table[, "F value"]),
    p = as.double(table[, "Pr(>F)"]),
    hypotheses = as.double(unlist(lapply(hypotheses, t))),
    joint = joint
  ))
}

# Kenward-Roger by pbkrtest: `adjusted` and `phi` (covariance of the fixed effects with and without
# the adjustment), `df` of each fixed effect, and for `rows` (optional) the vector `joint` of df_num,
# df_den, scaled F, scale and p.
oracle_kenward_roger <- function(columns, formula, criterion, rows = NULL) {
  need_packages("pbkrtest")
  fit <- tightly_fitted(columns, formula, criterion)
  adjusted <- pbkrtest::vcovAdj(fit)
  phi <- stats::vcov(fit)
  p <- length(lme4::fixef(fit))
  joint <- numeric(0L)
  if (!is.null(rows)) {
    contrasts <- matrix(rows, ncol = p, byrow = TRUE)
    stats <- pbkrtest::KRmodcomp(fit, contrasts)$stats
    joint <- as.double(unlist(stats[c("ndf", "ddf", "Fstat", "F.scaling", "p.value")]))
  }
  c(point_of(fit), list(
    adjusted = as.double(as.matrix(adjusted)),
    phi = as.double(as.matrix(phi)),
    df = vapply(seq_len(p), function(i) {
      pbkrtest::Lb_ddf(as.double(seq_len(p) == i), phi, adjusted)
    }, 1),
    joint = joint
  ))
}

# Degrees of freedom of each coefficient as nlme counts them, and the coefficients' names; they do not
# depend on where the fit ends, so that one that does not converge will do.
oracle_nlme_df <- function(columns, fixed, random) {
  found <- suppressWarnings(nlme::lme(
    formula_from_text(fixed), random = formula_from_text(random),
    data = data_frame_from_columns(columns),
    control = nlme::lmeControl(returnObject = TRUE)
  ))
  df <- unlist(found$fixDF$X)
  list(names = names(df), df = as.double(df))
}
