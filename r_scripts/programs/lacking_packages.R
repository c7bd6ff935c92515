# Print which of the packages named as arguments R has not, one a line.
for (package in commandArgs(TRUE)) {
  if (!nzchar(system.file(package = package))) {
    cat(package, "\n", sep = "")
  }
}
