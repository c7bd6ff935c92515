# Data as R receives them: columns in, a data frame and its checksum out.

# Build a data frame from a named list of columns, keeping order, levels and missing values.
#
# A numeric column is a numeric vector in which NaN or NA means missing. A factor is a list of
# `codes`, integers from 1 with 0 for missing, and `levels`, their labels in order. Factors are never
# ordered: ordered ones would get polynomial contrasts. Rows are numbered from 1, so that the row
# names of a model frame tell which rows were used.
data_frame_from_columns <- function(columns) {
  decoded <- lapply(columns, function(column) {
    if (!is.list(column)) {
      column <- as.double(column)
      column[is.nan(column)] <- NA_real_
      return(column)
    }
    codes <- as.integer(column$codes)
    codes[codes == 0L] <- NA_integer_
    levels <- enc2utf8(as.character(column$levels))
    if (anyDuplicated(levels)) {
      stop("duplicate factor levels: ", toString(unique(levels[duplicated(levels)])))
    }
    # Not factor(): it would sort the levels by locale and read the string "NA" as missing.
    structure(codes, levels = levels, class = "factor")
  })
  n <- unique(lengths(decoded))
  if (length(n) != 1L) {
    stop("columns differ in length: ", toString(n))
  }
  structure(decoded, class = "data.frame", row.names = seq_len(n))
}

# MD5 of the rows, levels and missing values of a data frame.
#
# The bytes are those of Table.checksum in harness/model/table.py, column by column: "n" or "f"; the
# number of rows as int32; one byte a row that is 1 where the value is missing; then for a numeric
# column its values as double with 0 for missing, for a factor its codes as int32 with 0 for missing,
# the number of levels as int32 and every level in UTF-8 ended by a zero byte. All little-endian.
data_checksum <- function(frame) {
  bytes <- rawConnection(raw(0L), "wb")
  on.exit(close(bytes))
  put <- function(x, size) writeBin(x, bytes, size = size, endian = "little")
  for (column in frame) {
    missing <- is.na(column)
    writeBin(charToRaw(if (is.factor(column)) "f" else "n"), bytes)
    put(length(column), 4L)
    writeBin(as.raw(missing), bytes)
    if (is.factor(column)) {
      codes <- as.integer(column)
      codes[missing] <- 0L
      put(codes, 4L)
      put(nlevels(column), 4L)
      for (level in enc2utf8(levels(column))) {
        writeBin(c(charToRaw(level), as.raw(0L)), bytes)
      }
    } else {
      column[missing] <- 0
      # Adding 0 turns -0 into 0: they print and compare as equal.
      put(as.double(column) + 0, 8L)
    }
  }
  path <- tempfile("checksum")
  on.exit(unlink(path), add = TRUE)
  writeBin(rawConnectionValue(bytes), path)
  unname(tools::md5sum(path))
}

# Checksum of columns as they arrive, for a comparison of the data alone.
checksum_columns <- function(columns) {
  list(data_checksum = data_checksum(data_frame_from_columns(columns)))
}

# Build the data frame and stop when its checksum is not `expected` (NULL: nothing to compare).
# The condition has the class "data_mismatch".
checked_data_frame <- function(columns, expected = NULL) {
  frame <- data_frame_from_columns(columns)
  found <- data_checksum(frame)
  if (!is.null(expected) && !identical(found, expected)) {
    stop(structure(
      class = c("data_mismatch", "error", "condition"),
      list(
        message = paste0("R received other data than were sent: checksum ", found, ", not ", expected),
        call = NULL
      )
    ))
  }
  structure(frame, checksum = found)
}

# Turn formula text into a formula whose variables are looked up in the data first and then in the
# stats and base packages only, with the splines of the package of that name: nothing a session has
# lying about can get into a model.
formula_from_text <- function(text) {
  found <- new.env(parent = asNamespace("stats"))
  found$bs <- splines::bs
  found$ns <- splines::ns
  assign("model_weights", NULL, found)
  stats::as.formula(text, env = found)
}

# Add the column named `weights`, NULL for none, as `model_weights`. lm() looks a weight up in the data
# and in the environment of the formula, where it is NULL; lme4 takes the variable `weights` of whoever
# calls it, whatever it is given under that name.
with_weights <- function(frame, weights) {
  frame$model_weights <- if (!is.null(weights)) frame[[weights]]
  frame
}

# Take levels that no complete row has out of the factors of a data frame, as lm() and lmer() do by
# themselves, but before a coding is given to them: with a level its contrasts would be dropped.
without_unused_levels <- function(frame) {
  complete <- stats::complete.cases(frame)
  for (name in names(frame)[vapply(frame, is.factor, TRUE)]) {
    levels <- levels(frame[[name]])
    used <- levels[seq_along(levels) %in% unique(as.integer(frame[[name]])[complete])]
    frame[[name]] <- structure(
      match(levels, used)[as.integer(frame[[name]])], levels = used, class = "factor"
    )
  }
  frame
}
