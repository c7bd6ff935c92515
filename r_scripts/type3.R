# Type III F tests as lmerTest has them.

# Fit `formula` (text) to `columns` (see data_frame_from_columns) as a user calls it, and test every
# term: lmerTest's anova(type = 3) with Satterthwaite's degrees of freedom.
#
# criterion  "REML" or "ML"
#
# Returns vectors with a value per term: `terms`, `df_num`, `df_den`, `f`, `p`; the hypotheses that
# were tested, `hypotheses`, row after row and term after term, with the number of `rows` of each
# term; and `columns`, R's names of the columns of X.
type3_tests <- function(columns, formula, criterion, checksum = NULL, weights = NULL) {
  need_packages(c("lme4", "lmerTest"))
  frame <- with_weights(without_unused_levels(checked_data_frame(columns, checksum)), weights)
  weights <- frame$model_weights
  parsed <- formula_from_text(formula)
  fit <- lmerTest::lmer(
    parsed, data = frame, REML = criterion == "REML", weights = weights
  )
  table <- stats::anova(fit, type = 3, ddf = "Satterthwaite")
  hypotheses <- attr(table, "hypotheses")
  list(
    columns = as.character(names(lme4::fixef(fit))),
    hypotheses = as.double(unlist(lapply(hypotheses, t))),
    rows = as.double(vapply(hypotheses, NROW, 1L)),
    terms = as.character(rownames(table)),
    df_num = as.double(table[, "NumDF"]),
    df_den = as.double(table[, "DenDF"]),
    f = as.double(table[, "F value"]),
    p = as.double(table[, "Pr(>F)"])
  )
}
