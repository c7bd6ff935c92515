# Export data sets of installed R packages to CSV, with their factor levels.
#
# Usage: Rscript r_scripts/export_datasets.R OUTDIR [NAME ...]
#
# One file per data set: UTF-8, LF line ends, a header, factors as their labels, missing values as
# empty fields. levels.tsv in the same directory says what CSV cannot: for each factor column its
# levels in R's order and whether the factor is ordered. Without names all data sets are exported
# whose package is installed; what is left out is said.

# The data sets, as package and object.
exported <- list(
  sleepstudy = "lme4", Dyestuff = "lme4", Dyestuff2 = "lme4", Pastes = "lme4",
  Penicillin = "lme4", cake = "lme4", Sitka = "MASS", Rail = "nlme", Oxboys = "nlme",
  ergoStool = "nlme", RatPupWeight = "nlme", Oats = "nlme", Machines = "nlme",
  Orthodont = "nlme", Pixel = "nlme", bdf = "nlme", MathAchieve = "nlme", shoes = "MASS",
  potdata = "lmerTest", Exam = "mlmRev", ScotsSec = "mlmRev", Ovary = "nlme",
  BodyWeight = "nlme"
)

# Of the larger ones, the columns that published models use.
kept <- list(
  bdf = c("schoolNR", "langPOST", "IQ.ver.cen", "avg.IQ.ver.cen", "ses", "sex"),
  MathAchieve = c("School", "MathAch", "SES", "MEANSES", "Sex"),
  Exam = c("school", "normexam", "standLRT", "sex", "schgend", "type"),
  ScotsSec = c("primary", "second", "attain", "sex")
)

# What is no data frame of its package's: how it is got, or made one. Both return a data frame.
made <- list(
  # A file that lmerTest's tests read.
  potdata = function() {
    place <- new.env()
    load(system.file("testdata", "potdata.RData", package = "lmerTest"), place)
    place$potdata
  },
  # A vector for each material, a boy in each place of both.
  shoes = function() {
    worn <- MASS::shoes
    boys <- length(worn$A)
    data.frame(
      wear = c(worn$A, worn$B), boy = factor(rep(letters[seq_len(boys)], 2)),
      material = factor(rep(c("A", "B"), each = boys))
    )
  }
)

# Shortest decimal text that reads back as the same double. `x` is numeric; NA becomes "".
# 15 digits are enough for most numbers, 17 always are.
shortest <- function(x) {
  text <- rep("", length(x))
  todo <- !is.na(x)
  for (digits in 15:17) {
    text[todo] <- vapply(
      x[todo], function(v) format(v, digits = digits, scientific = NA, trim = TRUE), ""
    )
    todo[todo] <- as.numeric(text[todo]) != x[todo]
    if (!any(todo)) break
  }
  text
}

# Quote text for CSV only where it needs it. `x` is character; NA becomes "".
quoted <- function(x) {
  needs <- !is.na(x) & grepl("[\",\n]", x)
  x[needs] <- paste0("\"", gsub("\"", "\"\"", x[needs], fixed = TRUE), "\"")
  x[is.na(x)] <- ""
  x
}

# Load object `name` of `package` as a plain data frame: nlme's grouped data carry a formula and a
# class that no reader of CSV needs.
load_frame <- function(name, package) {
  if (!is.null(made[[name]])) return(made[[name]]())
  place <- new.env()
  data(list = name, package = package, envir = place)
  frame <- get(name, envir = place)
  columns <- if (is.null(kept[[name]])) names(frame) else kept[[name]]
  as.data.frame(lapply(unclass(frame)[columns], identity), optional = TRUE)
}

# Text of every column of `frame`, as a character matrix with its names.
as_text <- function(frame) {
  columns <- lapply(frame, function(column) {
    if (is.numeric(column)) shortest(column) else quoted(as.character(column))
  })
  matrix(unlist(columns), nrow = nrow(frame), dimnames = list(NULL, names(frame)))
}

# Write `lines` to `path` byte for byte: a text connection would use the platform's line ends and
# the session's encoding.
write_lines <- function(lines, path) {
  connection <- file(path, open = "wb")
  on.exit(close(connection))
  writeBin(charToRaw(enc2utf8(paste0(lines, "\n", collapse = ""))), connection)
}

# Describe the factor columns of `frame`, one line each: data set, column, ordered, levels.
level_lines <- function(name, frame) {
  factors <- names(frame)[vapply(frame, is.factor, TRUE)]
  vapply(factors, function(column) {
    kind <- if (is.ordered(frame[[column]])) "ordered" else "unordered"
    paste(c(name, column, kind, levels(frame[[column]])), collapse = "\t")
  }, "", USE.NAMES = FALSE)
}

# Export the data sets called `wanted` to directory `outdir`.
export <- function(outdir, wanted) {
  unknown <- setdiff(wanted, names(exported))
  if (length(unknown) > 0) stop("unknown data set: ", paste(unknown, collapse = ", "))
  dir.create(outdir, showWarnings = FALSE, recursive = TRUE)
  described <- character()
  for (name in wanted) {
    frame <- load_frame(name, exported[[name]])
    text <- as_text(frame)
    lines <- c(paste(quoted(names(frame)), collapse = ","), apply(text, 1, paste, collapse = ","))
    write_lines(lines, file.path(outdir, paste0(name, ".csv")))
    described <- c(described, level_lines(name, frame))
  }
  write_lines(described, file.path(outdir, "levels.tsv"))
}

arguments <- commandArgs(trailingOnly = TRUE)
if (length(arguments) < 1) {
  stop("usage: Rscript export_datasets.R OUTDIR [NAME ...]", call. = FALSE)
}
present <- vapply(exported, requireNamespace, TRUE, quietly = TRUE)
if (length(arguments) == 1 && !all(present)) {
  message("not installed, left out: ", paste(names(exported)[!present], collapse = ", "))
}
export(arguments[1], if (length(arguments) > 1) arguments[-1] else names(exported)[present])
