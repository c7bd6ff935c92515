# nlme's lme: nested grouping factors, blocks of random effects for each. Without any: gls. Residuals
# correlated by corAR1, corCAR1, corCompSymm and corSymm, with variances by varIdent.

local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[[1L]])
  source(file.path(dirname(normalizePath(file)), "conversation.R"), local = globalenv())
})

definitions <- list(
  loglik = "full", aic = "2k-variances-counted", bic = "n-p-under-reml", df = "containment-levels",
  statistic = "estimate/se",
  p = "t", variance = "data-units", residual_variance = "m", term_tests = "not stated"
)

# Which terms belong to which grouping factor, the outermost first.
levels_of_nesting <- function(terms) {
  codes <- lapply(terms, function(term) term$codes)
  factors <- unique(codes)
  factors <- factors[order(vapply(factors, max, 0L))]
  for (i in seq_along(factors)[-1L]) {
    inside <- max(factors[[i]]) == nrow(unique(cbind(factors[[i - 1L]], factors[[i]])))
    if (!inside) {
      unsupported("lme takes nested grouping factors; these are crossed")
    }
  }
  lapply(factors, function(own) which(vapply(codes, identical, TRUE, own)))
}

# Put the columns of the residual covariance into the data, and return `correlation` and `weights`
# for lme and gls. `groups` are the grouping factors of the random effects, the outermost first.
residual_part <- function(residual, groups, data) {
  correlation <- NULL
  if (length(residual$structure) && nzchar(residual$structure)) {
    data$residual_group <- factor(residual$group)
    # The visits of corSymm are numbered from 1.
    shift <- if (residual$structure %in% c("us", "corr")) 1 else 0
    data$residual_position <- residual$position + shift
    inside <- residual_groups(data, groups)
    form <- stats::as.formula(paste(
      "~", if (residual$structure == "cs") "1" else "residual_position", "|",
      paste(inside, collapse = "/")
    ))
    correlation <- switch(residual$structure,
      ar1 = nlme::corAR1(form = form),
      car1 = nlme::corCAR1(form = form),
      cs = nlme::corCompSymm(form = form),
      nlme::corSymm(form = form)
    )
  }
  weights <- lapply(seq_along(residual$strata), function(i) {
    name <- paste0("residual_stratum", i)
    data[[name]] <<- factor(residual$strata[[i]])
    nlme::varIdent(form = stats::as.formula(paste("~ 1 |", name)))
  })
  weights <- Filter(Negate(is.null), weights)
  list(
    data = data, correlation = correlation,
    weights = if (length(weights) > 1L) do.call(nlme::varComb, weights) else if (length(weights)) {
      weights[[1L]]
    }
  )
}

# The grouping factors that lme wants in the formula of a correlation: those of all random effects,
# and that of the residuals where it is within the innermost of them.
residual_groups <- function(data, groups) {
  if (length(groups) == 0L) {
    return("residual_group")
  }
  innermost <- data[[groups[[length(groups)]]]]
  pairs <- nrow(unique(data.frame(innermost, data$residual_group)))
  if (pairs > nlevels(data$residual_group)) {
    unsupported("lme takes residual groups within the groups of every random effect")
  }
  c(groups, if (pairs > nlevels(innermost)) "residual_group")
}

# The parameters of the residual covariance, and the residual variance of the first strata.
#
# varIdent's reference is the stratum that comes first in the data.
stated_residual <- function(found, residual) {
  structure <- found$modelStruct$corStruct
  values <- if (is.null(structure)) numeric() else {
    as.double(stats::coef(structure, unconstrained = FALSE))
  }
  variance <- found$sigma^2
  parts <- found$modelStruct$varStruct
  if (!inherits(parts, "varComb")) {
    parts <- list(parts)
  }
  parts <- Filter(function(part) !inherits(part, "varFixed"), unclass(parts))
  for (i in seq_along(residual$strata)) {
    count <- max(residual$strata[[i]])
    # varIdent has no coefficients of a single stratum.
    sizes <- if (is.null(parts[[i]]) || count == 1L) 1 else {
      stats::coef(parts[[i]], unconstrained = FALSE, allCoef = TRUE)[as.character(seq_len(count))]
    }
    values <- c(values, as.double(sizes[-1L] / sizes[[1L]]))
    variance <- variance * sizes[[1L]]^2
  }
  list(residual = as.list(unname(values)), residual_variance = unname(variance))
}

# The variance function of a fit: that of weights, a column `inverse_weight` of the data, beside
# another where there is one.
known_weights <- function(request, other) {
  if (is.null(request$weights)) {
    return(other)
  }
  fixed <- nlme::varFixed(~inverse_weight)
  if (is.null(other)) {
    return(fixed)
  }
  others <- if (inherits(other, "varComb")) unclass(other) else list(other)
  do.call(nlme::varComb, c(list(fixed), others))
}

# Searches that are tried where the default one ends in an error, as a user writes them for lme;
# gls has the same arguments.
other_searches <- c(
  "lmeControl(msMaxIter = 1000, msMaxEval = 5000, maxIter = 500)",
  "lmeControl(msMaxIter = 1000, msMaxEval = 5000, maxIter = 500, returnObject = TRUE)",
  "lmeControl(returnObject = TRUE)",
  "lmeControl(opt = 'optim', msMaxIter = 1000, maxIter = 500)"
)

# Seconds after which a search that failed is not followed by others.
PATIENCE <- 5

# Fit by nlme's default search. Where that raises an error, raise it with the log-likelihood that
# every other search came to: the reader, who knows the highest, sees which of them is a remedy.
fitted_or_tried <- function(fit, control) {
  began <- proc.time()[["elapsed"]]
  tryCatch(
    fit(control()),
    error = function(e) {
      probes <- list()
      for (search in other_searches) {
        if (proc.time()[["elapsed"]] - began > PATIENCE) {
          break
        }
        asked <- as.list(str2lang(search))[-1L]
        found <- tryCatch(
          suppressWarnings(stats::logLik(fit(do.call(control, asked)))), error = function(e) NULL
        )
        if (!is.null(found) && is.finite(found)) {
          probes[[paste("search", search)]] <- sprintf("%.17g", found)
        }
      }
      stop(failure("error", conditionMessage(e), probes))
    }
  )
}

# The covariance matrix of a term.
structured_block <- function(structure) {
  switch(structure,
    diag = nlme::pdDiag,
    homdiag = nlme::pdIdent,
    homcs = nlme::pdCompSymm,
    nlme::pdLogChol
  )
}

fit <- function(request) {
  if (length(request$random) == 0L) {
    return(if (is.null(request$residual)) fit_linear(request) else fit_gls(request))
  }
  data <- request$data
  nesting <- levels_of_nesting(request$random)
  random <- list()
  for (level in seq_along(nesting)) {
    # Codes are the labels, so that the names of nested levels can be read.
    data[[paste0("g", level)]] <- factor(request$random[[nesting[[level]][[1L]]]]$codes)
    blocks <- lapply(nesting[[level]], function(i) {
      names <- paste0("z", i, "_", seq_along(request$random[[i]]$z))
      data[names] <<- request$random[[i]]$z
      block <- structured_block(request$random[[i]]$structure)
      block(stats::reformulate(names, intercept = FALSE))
    })
    random[[paste0("g", level)]] <- if (length(blocks) == 1L) blocks[[1L]] else {
      nlme::pdBlocked(blocks)
    }
  }
  fixed <- without_bars(request$formula)
  part <- residual_part(request$residual, names(random), data)
  data <- part$data
  data$inverse_weight <- if (!is.null(request$weights)) 1 / request$weights
  found <- fitted_or_tried(
    function(control) {
      nlme::lme(
        fixed, data = data, random = random, method = request$criterion, control = control,
        correlation = part$correlation, weights = known_weights(request, part$weights)
      )
    },
    nlme::lmeControl
  )
  stated <- stated_residual(found, request$residual)
  table <- summary(found)$tTable
  modes <- nlme::ranef(found)
  if (is.data.frame(modes)) {
    modes <- list(g1 = modes)
  }
  psi <- lapply(as.matrix(found$modelStruct$reStruct), function(m) m * found$sigma^2)
  terms <- vector("list", length(request$random))
  for (level in seq_along(nesting)) {
    group <- paste0("g", level)
    rows <- as.integer(sub(".*/", "", rownames(modes[[group]])))
    for (i in nesting[[level]]) {
      term <- request$random[[i]]
      names <- paste0("z", i, "_", seq_along(term$z))
      terms[[i]] <- term_of(
        term$group, term$effects, psi[[group]][names, names, drop = FALSE], term$levels,
        as.matrix(modes[[group]][order(rows), names, drop = FALSE])
      )
    }
  }
  list(
    fitter = "nlme::lme",
    coefficients = rows_of(
      rownames(table), table[, "Value"], table[, "Std.Error"], table[, "DF"],
      table[, "t-value"], table[, "p-value"]
    ),
    x = by_columns(stats::model.matrix(fixed, data)),
    random = terms,
    residual = stated$residual,
    residual_variance = stated$residual_variance,
    loglik = as.numeric(stats::logLik(found)),
    aic = stats::AIC(found),
    bic = stats::BIC(found),
    fitted = as.list(unname(stats::fitted(found))),
    residuals = as.list(unname(stats::residuals(found))),
    converged = NULL,
    singular = NULL,
    settings = list("opt nlminb"),
    term_tests = marginal_tests(found),
    definitions = list(
      se = if (request$reml) "gls" else "gls-n/(n-p)",
      # The number of rows in its BIC is n - p under REML.
      bic = if (request$reml) "not stated" else "2k-variances-counted"
    )
  )
}

# Its F tests with every other term in the model, by its own contrasts of factors.
marginal_tests <- function(found) {
  table <- as.data.frame(stats::anova(found, type = "marginal"))
  table <- table[rownames(table) != "(Intercept)", , drop = FALSE]
  tests_of(rownames(table), table[["F-value"]], table$numDF, table$denDF, table[["p-value"]])
}

# A model without random effects whose residuals are correlated.
fit_gls <- function(request) {
  part <- residual_part(request$residual, NULL, request$data)
  data <- part$data
  data$inverse_weight <- if (!is.null(request$weights)) 1 / request$weights
  found <- fitted_or_tried(
    function(control) {
      nlme::gls(
        request$formula, data = data, method = request$criterion, control = control,
        correlation = part$correlation, weights = known_weights(request, part$weights)
      )
    },
    nlme::glsControl
  )
  table <- summary(found)$tTable
  stated <- stated_residual(found, request$residual)
  list(
    fitter = "nlme::gls",
    coefficients = rows_of(
      rownames(table), table[, "Value"], table[, "Std.Error"],
      rep(found$dims$N - found$dims$p, nrow(table)), table[, "t-value"], table[, "p-value"]
    ),
    x = by_columns(stats::model.matrix(request$formula, data)),
    residual = stated$residual,
    residual_variance = stated$residual_variance,
    loglik = as.numeric(stats::logLik(found)),
    aic = stats::AIC(found),
    bic = stats::BIC(found),
    fitted = as.list(unname(as.double(stats::fitted(found)))),
    residuals = as.list(unname(as.double(stats::residuals(found)))),
    settings = list("opt nlminb"),
    definitions = list(
      df = "residual",
      se = if (request$reml) "gls" else "gls-n/(n-p)",
      bic = if (request$reml) "not stated" else "2k-variances-counted"
    )
  )
}

# Its REML criterion is not the log-likelihood of a linear model.
fit_linear <- function(request) {
  data <- request$data
  data$inverse_weight <- if (!is.null(request$weights)) 1 / request$weights
  found <- nlme::gls(request$formula, data = data, weights = known_weights(request, NULL))
  table <- summary(found)$tTable
  list(
    fitter = "nlme::gls",
    coefficients = rows_of(
      rownames(table), table[, "Value"], table[, "Std.Error"], NULL, table[, "t-value"],
      table[, "p-value"]
    ),
    x = by_columns(stats::model.matrix(request$formula, request$data)),
    residual_variance = found$sigma^2,
    df_residual = found$dims$N - found$dims$p,
    fitted = as.list(unname(as.double(stats::fitted(found)))),
    residuals = as.list(unname(as.double(stats::residuals(found)))),
    settings = list("closed form"),
    definitions = list(
      loglik = "not stated", aic = "not stated", bic = "not stated", se = "gls",
      p = "not stated"
    )
  )
}

converse(
  fit, name = "nlme", packages = "nlme", definitions = definitions, wants = "design",
  takes = "weights",
  residuals = c("ar1", "car1", "cs", "corr", "us", "het"),
  structures = c("diag", "homdiag", "homcs")
)
