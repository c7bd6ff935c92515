# The conversation of an engine's program with the harness: one line of JSON a message.
#
# A program is a file that sources this one and calls converse() with a function that fits. Rscript
# with jsonlite is all that is needed. See harness/engines/messages.py for the messages.

PROTOCOL <- 1L

# Stop with the reason that the engine cannot express the model, or rejects the data.
unsupported <- function(...) stop(failure("unsupported", paste0(...)))
refused <- function(...) stop(failure("refused", paste0(...)))

failure <- function(reason, text, probes = NULL) {
  structure(
    class = c("failure", "error", "condition"),
    list(message = text, call = NULL, reason = reason, probes = probes)
  )
}

# The folder of the program that Rscript runs.
program_folder <- function() {
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
  dirname(normalizePath(file[[1L]]))
}

# Answer the messages of standard input until "stop" or its end.
#
# fit          from a request (see read_request) to a list with the fields of a "fitted" message
# name         of the engine
# packages     whose versions are stated
# definitions  by quantity, which definition the engine states it by: a list
# rows         "complete", or "all" where rows with missing values are wanted too
# wants        "design" where the design matrices are wanted
# tight        whether the engine can search more strictly than it does by default
# takes        "weights" where request$weights, NULL or a weight a row, is heeded
# residuals    residual covariances that it can fit: "ar1", "het", ...
# structures   structures of random terms that it can fit: "diag", "cs", ...
converse <- function(fit, name, packages, definitions, rows = "complete", wants = NULL,
                     tight = FALSE, takes = NULL, residuals = NULL, structures = NULL) {
  there <- function(package) nzchar(system.file(package = package))
  lacking <- Filter(Negate(there), c(packages, "jsonlite"))
  if (length(lacking)) {
    quoted <- paste0('"', lacking, '"', collapse = ", ")
    cat("R packages are missing: install.packages(c(", quoted, "))\n", sep = "", file = stderr())
    quit(save = "no", status = 3L)
  }
  for (package in packages) {
    suppressPackageStartupMessages(loadNamespace(package))
  }
  questions <- file("stdin", "r", encoding = "UTF-8")
  # What is printed while fitting is no answer.
  answers <- stdout()
  sink(stderr())
  answer <- function(message) {
    sink()
    writeLines(to_json(message), answers, useBytes = TRUE)
    flush(answers)
    sink(stderr())
  }
  versions <- as.list(vapply(packages, function(p) format(packageVersion(p)), ""))
  started <- list(
    type = "started", protocol = PROTOCOL, name = name,
    versions = c(list(R = format(getRversion())), versions),
    build = build_digest(packages), definitions = named(definitions), rows = rows,
    wants = as.list(wants), settings = as.list(c("default", if (tight) "tight")),
    takes = as.list(takes),
    residuals = as.list(residuals),
    structures = as.list(structures)
  )
  repeat {
    line <- readLines(questions, n = 1L, warn = FALSE, encoding = "UTF-8")
    if (length(line) == 0L) {
      return(invisible())
    }
    if (!nzchar(trimws(line))) {
      next
    }
    message <- tryCatch(
      jsonlite::fromJSON(line, simplifyVector = FALSE),
      error = function(e) NULL
    )
    kind <- if (is.list(message)) message$type
    if (identical(kind, "stop")) {
      return(invisible())
    }
    answer(
      if (is.null(kind)) {
        failed(NULL, "error", paste("this is no message:", substr(line, 1L, 80L)))
      } else if (kind == "start" && !identical(as.integer(message$protocol), PROTOCOL)) {
        asked <- paste(message$protocol)
        failed(NULL, "unsupported", paste0("protocol ", PROTOCOL, " is spoken here, not ", asked))
      } else if (kind == "start") {
        started
      } else if (kind == "fit") {
        fitted_or_failed(message, fit)
      } else {
        failed(message, "unsupported", paste("no message of the type", kind, "is known here"))
      }
    )
  }
}

# Fit, and return the answer with all that was said meanwhile.
fitted_or_failed <- function(message, fit) {
  said <- list()
  keep <- function(kind) {
    function(condition) {
      text <- trimws(conditionMessage(condition))
      said[[length(said) + 1L]] <<- list(kind = kind, text = text, category = class(condition)[[1L]])
      tryInvokeRestart(if (kind == "warning") "muffleWarning" else "muffleMessage")
    }
  }
  answer <- tryCatch(
    withCallingHandlers(
      {
        request <- read_request(message)
        began <- proc.time()[["elapsed"]]
        found <- fit(request)
        seconds <- proc.time()[["elapsed"]] - began
        said <- c(said, found$messages)
        found$messages <- NULL
        fields <- list(
          type = "fitted", id = message$id, n_obs = nrow(request$data),
          data_checksum = request$checksum, seconds = seconds
        )
        utils::modifyList(fields, found, keep.null = TRUE)
      },
      warning = keep("warning"),
      message = keep("message")
    ),
    failure = function(e) failed(message, e$reason, conditionMessage(e), e$probes),
    error = function(e) failed(message, "error", conditionMessage(e))
  )
  answer$messages <- unname(said)
  answer
}

failed <- function(message, reason, text, probes = NULL) {
  id <- message$id
  text <- trimws(gsub("[[:space:]]+", " ", text))
  list(
    type = "failed", id = if (is.numeric(id)) id else 0L, reason = reason,
    text = if (nzchar(text)) substr(text, 1L, 2000L) else "no reason was given",
    probes = named(probes)
  )
}

# Read a "fit" message: a list of `data` (a data frame with factors), `checksum`, `formula`,
# `criterion`, `setting`, `outcome`, `weights` (NULL for none), `fixed`, `random`, the terms with
# their groups, and `residual`, NULL where residuals are independent with one variance.
read_request <- function(message) {
  columns <- lapply(message$table$columns, function(column) {
    if (column$kind == "number") {
      vapply(column$values, function(v) if (is.null(v)) NA_real_ else as.double(v), 0)
    } else {
      codes <- as.integer(unlist(column$codes)) + 1L
      codes[codes == 0L] <- NA_integer_
      # Not factor(): it would sort the levels by locale and read the label "NA" as missing.
      structure(codes, levels = enc2utf8(as.character(unlist(column$levels))), class = "factor")
    }
  })
  names(columns) <- vapply(message$table$columns, function(column) column$name, "")
  data <- structure(columns, class = "data.frame", row.names = seq_len(message$table$rows))
  list(
    data = data,
    checksum = data_checksum(data),
    formula = stats::as.formula(message$formula, env = globalenv()),
    criterion = message$criterion,
    reml = message$criterion == "REML",
    setting = message$setting,
    outcome = message$model$outcome,
    weights = if (!is.null(message$weights)) data[[message$weights]],
    fixed = vapply(message$model$fixed, identity, ""),
    residual = read_residual(message$model$residual),
    random = lapply(seq_along(message$model$random), function(i) {
      term <- message$model$random[[i]]
      wanted <- if (!is.null(message$design)) message$design$random[[i]]
      list(
        group = term$group,
        factors = vapply(term$factors, identity, ""),
        effects = vapply(term$effects, identity, ""),
        structure = if (is.null(term$structure)) "" else term$structure,
        z = lapply(wanted$z, function(column) as.double(unlist(column))),
        codes = as.integer(unlist(wanted$codes)) + 1L,
        levels = as.character(unlist(wanted$levels))
      )
    })
  )
}

# The residual covariance: codes from 1 for groups and for the levels of each of the `strata`.
read_residual <- function(sent) {
  if (is.null(sent)) {
    return(NULL)
  }
  list(
    structure = sent$structure,
    group = as.integer(unlist(sent$group)) + 1L,
    position = as.double(unlist(sent$position)),
    strata = lapply(sent$strata, function(codes) as.integer(unlist(codes)) + 1L)
  )
}

# The formula of the fixed effects alone.
without_bars <- function(formula) {
  right <- drop_bars(formula[[3L]])
  formula[[3L]] <- if (is.null(right)) 1 else right
  formula
}

drop_bars <- function(part) {
  if (!is.call(part)) {
    return(part)
  }
  # A structured term is a call with a bar in it.
  bar <- length(part) == 2L && is.call(part[[2L]])
  if (bar && as.character(part[[2L]][[1L]])[[1L]] %in% c("|", "||")) {
    return(NULL)
  }
  if (!identical(part[[1L]], as.name("+")) || length(part) != 3L) {
    return(part)
  }
  sides <- lapply(as.list(part)[-1L], drop_bars)
  if (is.null(sides[[1L]])) sides[[2L]] else if (is.null(sides[[2L]])) sides[[1L]] else {
    call("+", sides[[1L]], sides[[2L]])
  }
}

# MD5 of the data, see Table.checksum in harness/model/table.py: the same as data_checksum() in
# r_scripts/data.R, which the environment of an engine may lack.
data_checksum <- function(data) {
  bytes <- rawConnection(raw(0L), "wb")
  on.exit(close(bytes))
  put <- function(x, size) writeBin(x, bytes, size = size, endian = "little")
  for (column in data) {
    missing <- is.na(column)
    writeBin(charToRaw(if (is.factor(column)) "f" else "n"), bytes)
    put(length(column), 4L)
    writeBin(as.raw(missing), bytes)
    if (is.factor(column)) {
      codes <- as.integer(column)
      codes[missing] <- 0L
      put(codes, 4L)
      put(nlevels(column), 4L)
      for (level in levels(column)) {
        writeBin(c(charToRaw(level), as.raw(0L)), bytes)
      }
    } else {
      column[missing] <- 0
      put(column + 0, 8L)
    }
  }
  path <- tempfile("checksum")
  on.exit(unlink(path), add = TRUE)
  writeBin(rawConnectionValue(bytes), path)
  unname(tools::md5sum(path))
}

# Rows of a "fitted" message. Each argument is a vector, or NULL for what is not stated.
rows_of <- function(names, estimate, se = NULL, df = NULL, statistic = NULL, p = NULL) {
  given <- list(estimate = estimate, se = se, df = df, statistic = statistic, p = p)
  lapply(seq_along(names), function(i) {
    c(list(name = names[[i]]), lapply(given, function(column) column[i][seq_along(column[i])]))
  })
}

# F tests of terms for a "fitted" message.
tests_of <- function(terms, statistic, df_num, df_den, p) {
  lapply(seq_along(terms), function(i) {
    list(
      term = gsub(" ", "", terms[[i]]), statistic = statistic[[i]], df_num = df_num[[i]],
      df_den = df_den[[i]], p = p[[i]]
    )
  })
}

# A random-effects term of a "fitted" message; `effects` is a matrix with a row for each level.
term_of <- function(group, names, covariance, levels = character(), effects = NULL) {
  list(
    group = group, names = as.list(names), covariance = by_rows(covariance),
    levels = as.list(levels), effects = if (!is.null(effects)) by_rows(effects)
  )
}

# A matrix as a list of its rows, and as a list of its columns.
by_rows <- function(matrix) by_columns(t(matrix))
by_columns <- function(matrix) {
  lapply(seq_len(ncol(matrix)), function(j) as.list(unname(matrix[, j])))
}

# Terms as the model has them, of an engine's terms made by term_of().
#
# An engine may keep (x || g) in one diagonal block: it is split where its covariances are zero.
# Interaction factors get the model's order, "cask:batch" becomes "batch:cask". A block that is no term
# of the model is left as it is.
model_terms <- function(request, blocks) {
  found <- list()
  for (term in request$random) {
    hit <- Position(function(block) holds(block, term), blocks)
    if (is.na(hit)) {
      next
    }
    block <- blocks[[hit]]
    places <- match(r_spelling(term$effects), unlist(block$names))
    rest <- setdiff(seq_along(block$names), places)
    blocks[[hit]] <- NULL
    if (length(rest)) {
      blocks <- c(blocks, list(part_of(block, rest)))
    }
    own <- part_of(block, places)
    own$group <- term$group
    own$names <- as.list(term$effects)
    own$levels <- as.list(model_levels(request, term, unlist(block$levels)))
    found <- c(found, list(own))
  }
  c(found, blocks)
}

# Whether a term is in a block by itself, or without covariance with what else is there.
holds <- function(block, term) {
  names <- unlist(block$names)
  wanted <- r_spelling(term$effects)
  same <- setequal(strsplit(block$group, ":", fixed = TRUE)[[1L]], term$factors)
  if (!same || !all(wanted %in% names)) {
    return(FALSE)
  }
  psi <- matrix(unlist(block$covariance), length(names), byrow = TRUE)
  all(psi[match(wanted, names), setdiff(seq_along(names), match(wanted, names))] == 0)
}

part_of <- function(block, places) {
  block$names <- block$names[places]
  block$covariance <- lapply(block$covariance[places], function(row) row[places])
  block$effects <- lapply(block$effects, function(row) row[places])
  block
}

# The labels of the levels in the model's order of factors.
model_levels <- function(request, term, native) {
  joined <- function(factors) {
    do.call(paste, c(lapply(request$data[factors], as.character), sep = ":"))
  }
  label <- stats::setNames(joined(term$factors), joined(rev(term$factors)))
  known <- length(term$factors) > 1L && all(native %in% names(label))
  if (known) unname(label[native]) else native
}

# What R calls the columns of the model: "v4[T.b]" is "v4b".
r_spelling <- function(names) {
  names <- gsub("(v[0-9]+)\\[(?:T\\.)?(.*?)\\](?=:|$)", "\\1\\2", names, perl = TRUE)
  ifelse(names == "Intercept", "(Intercept)", gsub(" ", "", names))
}

# The names of the model for columns that R calls `native`; those that it has not stay.
model_names <- function(request, native) {
  place <- match(gsub(" ", "", native), r_spelling(request$fixed))
  ifelse(is.na(place), native, request$fixed[place])
}

# A list that is an object in JSON, also when it is empty.
named <- function(list) if (length(list)) list else structure(list(), names = character())

# JSON with every digit; NaN and infinities are strings, NA and NULL are null.
to_json <- function(message) {
  number <- function(x) {
    text <- sprintf("%.17g", x)
    text[is.nan(x)] <- '"nan"'
    text[is.na(x) & !is.nan(x)] <- "null"
    text[is.infinite(x)] <- ifelse(x[is.infinite(x)] > 0, '"inf"', '"-inf"')
    text
  }
  written <- function(text) structure(text, class = "json")
  plain <- function(value) {
    if (is.list(value)) {
      numbers <- length(value) > 0L && is.null(names(value)) &&
        all(vapply(value, function(v) is.numeric(v) && length(v) == 1L, TRUE))
      if (!numbers) {
        return(lapply(value, plain))
      }
      return(written(paste0("[", paste(number(unlist(value)), collapse = ","), "]")))
    }
    if (is.numeric(value)) written(number(value)) else unname(value)
  }
  jsonlite::toJSON(
    plain(message), auto_unbox = TRUE, null = "null", na = "null", json_verbatim = TRUE
  )
}

# A digest of what the numbers depend on beyond versions: the program's files and R's libraries.
build_digest <- function(packages) {
  folder <- program_folder()
  files <- list.files(folder, pattern = "[.]R$", full.names = TRUE)
  needed <- tools::package_dependencies(
    packages, db = utils::installed.packages(), recursive = TRUE
  )
  used <- sort(unique(c(packages, unlist(needed))))
  versions <- vapply(used, function(p) {
    tryCatch(format(packageVersion(p)), error = function(e) "")
  }, "")
  path <- tempfile("build")
  on.exit(unlink(path))
  lines <- c(unname(tools::md5sum(files)), R.version.string, extSoftVersion()[["BLAS"]],
    La_version(), paste(used, versions))
  writeLines(lines, path)
  substr(unname(tools::md5sum(path)), 1L, 16L)
}
