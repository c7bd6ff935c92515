# Running something while collecting every condition it signals.

# Call the function named `name` with the arguments in the list `arguments` and return its value
# together with every message, warning and error, in the order in which they were signalled.
#
# The function must return a named list of numeric vectors, logical vectors and strings. The result
# is that list under `value` (NULL after an error), with the conditions beside it in three character
# vectors of equal length: `kind` ("message", "warning" or "error"), `text`, and `category` (the
# condition's first class, "packageNotFoundError" for instance).
#
# Nothing is printed: messages and warnings are muffled once they have been noted. Calling handlers
# are used rather than R's deferred warnings because those would be attached to whatever comes last.
call_recording <- function(name, arguments, scope = parent.frame()) {
  kind <- character()
  text <- character()
  category <- character()
  note <- function(what, condition) {
    kind <<- c(kind, what)
    text <<- c(text, sub("\n$", "", conditionMessage(condition)))
    category <<- c(category, class(condition)[1L])
  }
  value <- tryCatch(
    withCallingHandlers(
      do.call(get(name, envir = scope, mode = "function"), arguments, quote = TRUE),
      warning = function(w) {
        note("warning", w)
        invokeRestart("muffleWarning")
      },
      message = function(m) {
        note("message", m)
        invokeRestart("muffleMessage")
      }
    ),
    error = function(e) {
      note("error", e)
      NULL
    },
    interrupt = function(i) {
      note("error", simpleCondition("interrupted"))
      NULL
    }
  )
  list(value = value, kind = kind, text = text, category = category)
}

# Stop unless every package in `packages` can be loaded. A package that is missing and one that is
# there but broken (built for another R, say) give the same class of condition, "package_unusable",
# so that a caller can tell a faulty installation from a model that cannot be fitted.
need_packages <- function(packages) {
  for (package in packages) {
    tryCatch(
      suppressMessages(loadNamespace(package)),
      error = function(e) {
        stop(structure(
          class = c("package_unusable", "error", "condition"),
          list(message = paste0(package, ": ", conditionMessage(e)), call = NULL)
        ))
      }
    )
  }
  invisible(TRUE)
}
