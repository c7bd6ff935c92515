# Type III F tests as lmerTest has them.

# Fit `formula` (text) to `columns` (see data_frame_from_columns) as a user calls it, and test every
# term: lmerTest's anova(type = 3) with Satterthwaite's degrees of freedom.
#
# criterion  "REML" or "ML"
#
# Returns vectors with a value per term: `terms`, `df_num`, `df_den`, `f`, `p`.
type3_tests <- function(columns, formula, criterion, checksum = NULL) {
  need_packages(c("lme4", "lmerTest"))
  frame <- checked_data_frame(columns, checksum)
  fit <- lmerTest::lmer(formula_from_text(formula), data = frame, REML = criterion == "REML")
  table <- stats::anova(fit, type = 3, ddf = "Satterthwaite")
  list(
    terms = as.character(rownames(table)),
    df_num = as.double(table[, "NumDF"]),
    df_den = as.double(table[, "DenDF"]),
    f = as.double(table[, "F value"]),
    p = as.double(table[, "Pr(>F)"])
  )
}
