# Options that change results, set to R's factory values.

# Undo whatever a site profile may have set. No random number is drawn by any fit here, and no seed
# is set: a seed that is not needed would only hide that one has become needed.
set_session_options <- function() {
  options(
    contrasts = c(unordered = "contr.treatment", ordered = "contr.poly"),
    na.action = "na.omit",
    stringsAsFactors = FALSE,
    OutDec = ".",
    digits = 7L,
    scipen = 0L,
    warn = 1L,
    warning.length = 8170L,
    lmerControl = NULL,
    lmerTest.limit = NULL,
    error = NULL,
    showErrorCalls = FALSE
  )
  invisible(NULL)
}
