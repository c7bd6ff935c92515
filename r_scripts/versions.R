# What the numbers depend on.

# Versions of R, of the packages that fit, and of the libraries beneath them, as a named list of
# strings. A package that is not installed has the version "".
r_versions <- function() {
  version_of <- function(package) {
    # Not packageVersion(), which writes 1.1-31 as 1.1.31.
    version <- suppressWarnings(utils::packageDescription(package, fields = "Version"))
    if (is.na(version)) "" else version
  }
  packages <- c("lme4", "lmerTest", "pbkrtest", "Matrix", "nloptr", "numDeriv", "minqa")
  software <- extSoftVersion()
  c(
    list(R = as.character(getRversion()), R_version_string = R.version.string),
    lapply(stats::setNames(packages, packages), version_of),
    list(
      BLAS = if ("BLAS" %in% names(software)) software[["BLAS"]] else "",
      LAPACK = La_version(),
      LAPACK_library = La_library(),
      platform = R.version$platform,
      locale = Sys.getlocale("LC_COLLATE"),
      contrasts = toString(getOption("contrasts")),
      random_numbers = toString(RNGkind())
    )
  )
}
