# Ways to go wrong, on purpose. The tests load this file to show that one bad fit costs one case and
# nothing else; no other program does.

# An R error.
fault_error <- function() stop("this is an error")

# Two warnings and a message around a result.
fault_warning <- function() {
  warning("first warning")
  message("a message")
  warning("second warning")
  list(answer = 42)
}

# The R process dies of a segmentation fault.
fault_segfault <- function() tools::pskill(Sys.getpid(), 11L)

# A loop that no time limit inside R would need to reach: only killing the process ends it.
fault_loop <- function() repeat NULL

# The same inside compiled code, where R does not even look at signals.
fault_sleep <- function(seconds) Sys.sleep(seconds)

# Make the file `own` and wait for the file `other`, which another call makes.
fault_meet <- function(own, other) {
  file.create(own)
  while (!file.exists(other)) Sys.sleep(0.01)
  list(met = 1)
}

# A package that is not there.
fault_missing_package <- function() need_packages("notARealPackage")

# Recursion without end.
fault_recursion <- function() fault_recursion()

# More memory than there is, `megabytes` of it.
fault_memory <- function(megabytes) list(length = length(numeric(megabytes * 131072)))

# `megabytes` of memory that are never given back, as by a leak.
fault_kept <- list()
fault_grow <- function(megabytes) {
  fault_kept[[length(fault_kept) + 1L]] <<- rep(1, megabytes * 131072)
  list(kept = length(fault_kept), pid = as.double(Sys.getpid()))
}

# Printing on both streams, by R and by a child process.
fault_noise <- function() {
  print("noise on stdout")
  cat("noise on stderr\n", file = stderr())
  system("echo noise of a child; echo noise of a child >&2")
  try(stop("noise of a try"))
  list(done = 1)
}

# Return the arguments as they arrived, with their types.
fault_echo <- function(...) {
  arguments <- list(...)
  types <- vapply(arguments, typeof, "")
  names(types) <- paste0("type_", names(arguments))
  c(arguments, as.list(types))
}

# Contrasts in force and the process number.
fault_state <- function() {
  list(contrasts = as.character(getOption("contrasts")), pid = as.double(Sys.getpid()))
}
