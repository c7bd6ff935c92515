# One mixed model with any of lme4's optimizers, from any start: what lme4::allFit does, one run a call,
# so that a run that hangs costs that run only.

# The optimizers that can be run here: `optimizer` and `method`, as in lme4's meth.tab. Those of optimx
# and dfoptim are left out when the package is not installed: `absent` and `absent_package`.
available_optimizers <- function() {
  known <- data.frame(
    optimizer = c(
      "nloptwrap", "nloptwrap", "bobyqa", "Nelder_Mead", "nlminbwrap", "nmkbw", "optimx"
    ),
    method = c("NLOPT_LN_BOBYQA", "NLOPT_LN_NELDERMEAD", "", "", "", "", "L-BFGS-B"),
    package = c("", "", "", "", "", "dfoptim", "optimx")
  )
  there <- vapply(
    known$package, function(p) p == "" || requireNamespace(p, quietly = TRUE), TRUE
  )
  list(
    optimizer = known$optimizer[there],
    method = known$method[there],
    absent = trimws(paste(known$optimizer, known$method))[!there],
    absent_package = known$package[!there]
  )
}

# optCtrl of an optimizer: its method, and its tolerances divided by a factor when `tight`.
optimizer_control <- function(optimizer, method, tight) {
  control <- switch(optimizer,
    nloptwrap = list(algorithm = method),
    optimx = list(method = method),
    list()
  )
  if (!tight) {
    return(control)
  }
  c(control, switch(optimizer,
    nloptwrap = tight_tolerances,
    bobyqa = list(rhoend = 1e-10, maxfun = 20000L),
    Nelder_Mead = list(
      FtolAbs = 1e-12, FtolRel = 1e-15, XtolRel = 1e-10, MinfMax = -Inf, maxfun = 20000L
    ),
    nlminbwrap = list(rel.tol = 1e-14, x.tol = 1e-12, eval.max = 20000L, iter.max = 20000L),
    list()
  ))
}

# Fit `formula` (text) to `columns` by lme4::lmer with one optimizer.
#
# optimizer, method  as available_optimizers gives them
# start              theta to start from, or NULL for lme4's own
# tight              whether to use strict tolerances
# path               whether to return the points at which the deviance was asked for
#
# Returns, flat: what stated and random_terms in fit_lmer.R give, fitter, evaluations, seconds,
# data_checksum, and with `path` the vectors path (theta after theta) and path_deviance.
fit_with <- function(columns, formula, criterion, optimizer, method = "", start = NULL,
                     tight = FALSE, path = FALSE, checksum = NULL, weights = NULL) {
  need_packages("lme4")
  frame <- with_weights(without_unused_levels(checked_data_frame(columns, checksum)), weights)
  weights <- frame$model_weights
  formula <- formula_from_text(formula)
  control <- lme4::lmerControl(
    optimizer = optimizer, optCtrl = optimizer_control(optimizer, method, tight)
  )
  started <- Sys.time()
  fit <- lme4::lmer(
    formula, data = frame, REML = criterion == "REML", control = control, start = start,
    weights = weights
  )
  seconds <- as.numeric(difftime(Sys.time(), started, units = "secs"))
  count <- fit@optinfo$feval
  c(
    stated(fit),
    list(
      fitter = "lme4::lmer",
      evaluations = if (is.numeric(count)) as.double(count) else NA_real_,
      seconds = seconds,
      data_checksum = attr(frame, "checksum")
    ),
    random_terms(fit),
    if (path) visited_points(formula, frame, criterion == "REML", optimizer, method, start)
  )
}

# The points at which an optimizer asks for the deviance, at most 200 of them, evenly taken.
visited_points <- function(formula, frame, reml, optimizer, method, start) {
  weights <- frame$model_weights
  parsed <- suppressMessages(lme4::lFormula(
    formula, data = frame, REML = reml, weights = weights,
    control = lme4::lmerControl(check.rankX = "silent.drop.cols", check.scaleX = "ignore")
  ))
  deviance_at <- do.call(lme4::mkLmerDevfun, parsed)
  points <- list()
  values <- numeric()
  watched <- function(theta) {
    # A copy: lme4 keeps the vector it is given and writes the next theta into it.
    at <- theta + 0
    value <- deviance_at(theta)
    points[[length(points) + 1L]] <<- at
    values[[length(values) + 1L]] <<- value
    value
  }
  minimise <- switch(optimizer,
    nloptwrap = lme4::nloptwrap,
    nlminbwrap = lme4::nlminbwrap,
    Nelder_Mead = lme4::Nelder_Mead,
    bobyqa = minqa::bobyqa,
    NULL
  )
  if (is.null(minimise)) {
    return(list(path = numeric(), path_deviance = numeric()))
  }
  par <- if (is.null(start)) parsed$reTrms$theta else start
  tryCatch(
    suppressWarnings(minimise(
      fn = watched, par = par, lower = parsed$reTrms$lower, upper = rep(Inf, length(par)),
      control = optimizer_control(optimizer, method, FALSE)
    )),
    error = function(e) NULL
  )
  kept <- unique(round(seq(1, length(points), length.out = min(length(points), 200L))))
  list(path = as.double(unlist(points[kept])), path_deviance = as.double(values[kept]))
}
