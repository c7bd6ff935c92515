# One mixed model as a script of a user's would fit it, a process for each. Benchmarks only.
#   Rscript --vanilla bench_one_fit.R data.csv "y ~ x + (1 | g)"
# Prints estimates, standard errors and degrees of freedom of the fixed effects, then the REML
# log-likelihood, with all their digits.
suppressPackageStartupMessages(library(lmerTest))
arguments <- commandArgs(trailingOnly = TRUE)
frame <- read.csv(arguments[1L])
fit <- lmer(stats::as.formula(arguments[2L]), data = frame)
table <- summary(fit)$coefficients
cat(sprintf("%.17g\n", c(table[, c("Estimate", "Std. Error", "df")], logLik(fit))))
