# Fit one model from a terminal, without Python:
#
#   Rscript fit.R data.csv "Reaction ~ Days + (Days | Subject)" REML tight Subject
#
# Arguments: a CSV file, a formula, REML, ML or OLS, "default" or "tight", and the columns that are
# factors whatever they look like (text columns always are). Prints what the functions return.

# Read a CSV file into columns as data_frame_from_columns wants them.
columns_from_csv <- function(path, factors) {
  frame <- utils::read.csv(path, check.names = FALSE, stringsAsFactors = FALSE)
  lapply(stats::setNames(names(frame), names(frame)), function(name) {
    values <- frame[[name]]
    if (is.numeric(values) && !(name %in% factors)) {
      return(values)
    }
    levels <- as.character(sort(unique(values), method = "radix"))
    codes <- match(as.character(values), levels)
    codes[is.na(codes)] <- 0L
    list(codes = codes, levels = levels)
  })
}

main <- function(arguments, folder) {
  if (length(arguments) < 3L) {
    stop("usage: Rscript fit.R DATA.csv FORMULA REML|ML|OLS [default|tight] [FACTOR ...]")
  }
  for (script in c("conditions", "data", "session_options", "fit_lm", "tight_search", "fit_lmer")) {
    source(file.path(folder, paste0(script, ".R")))
  }
  set_session_options()
  setting <- if (length(arguments) > 3L) arguments[4L] else "default"
  columns <- columns_from_csv(arguments[1L], arguments[-(1:4)])
  result <- if (arguments[3L] == "OLS") {
    fit_lm(columns, arguments[2L])
  } else {
    fit_lmer(columns, arguments[2L], arguments[3L], setting)
  }
  utils::str(result, vec.len = 8L, digits.d = 10L)
}

if (sys.nframe() == 0L) {
  script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])
  main(commandArgs(trailingOnly = TRUE), dirname(script))
}
