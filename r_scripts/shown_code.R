# R code that is shown to a user, run as the user runs it. Needs data.R, fit_lm.R, fit_lmer.R and
# take_apart.R.

# Evaluate `code` (text) where `data` is the user's table, and take apart the model that it ends with.
#
# columns  as data_frame_from_columns wants them, under the user's own names
# texts    names of the columns that hold text: factors are made of them by whoever fits
#
# Returns what take_apart gives for a mixed model, what stated_lm gives for one of lm(), and rows, the
# numbers of the rows used, and seconds, the wall time.
run_shown <- function(columns, texts, code) {
  need_packages(c("lme4", "lmerTest"))
  frame <- data_frame_from_columns(columns)
  for (name in texts) {
    frame[[name]] <- as.character(frame[[name]])
  }
  # What the session has lying about is not seen by the code: base and stats only, and `data`.
  workspace <- new.env(parent = asNamespace("stats"))
  assign("data", frame, envir = workspace)
  started <- Sys.time()
  fit <- eval(parse(text = code, keep.source = FALSE), envir = workspace)
  seconds <- as.numeric(difftime(Sys.time(), started, units = "secs"))
  found <- if (inherits(fit, "lm")) stated_lm(fit) else take_apart(fit)
  found$rows <- as.double(rownames(stats::model.frame(fit)))
  found$seconds <- seconds
  found
}
