# nlme's lme: nested grouping factors, blocks of random effects for each. Without any: gls.

local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[[1L]])
  source(file.path(dirname(normalizePath(file)), "conversation.R"), local = globalenv())
})

definitions <- list(
  loglik = "full", aic = "2k-variances-counted", df = "containment-levels", statistic = "estimate/se",
  p = "t", variance = "data-units", residual_variance = "m"
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

fit <- function(request) {
  if (length(request$random) == 0L) {
    return(fit_gls(request))
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
      nlme::pdLogChol(stats::reformulate(names, intercept = FALSE))
    })
    random[[paste0("g", level)]] <- if (length(blocks) == 1L) blocks[[1L]] else {
      nlme::pdBlocked(blocks)
    }
  }
  fixed <- without_bars(request$formula)
  found <- if (is.null(request$weights)) {
    nlme::lme(fixed, data = data, random = random, method = request$criterion)
  } else {
    data$inverse_weight <- 1 / request$weights
    nlme::lme(
      fixed, data = data, random = random, method = request$criterion,
      weights = nlme::varFixed(~inverse_weight)
    )
  }
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
    residual_variance = found$sigma^2,
    loglik = as.numeric(stats::logLik(found)),
    aic = stats::AIC(found),
    bic = stats::BIC(found),
    fitted = as.list(unname(stats::fitted(found))),
    residuals = as.list(unname(stats::residuals(found))),
    converged = NULL,
    singular = NULL,
    settings = list("opt nlminb"),
    definitions = list(
      se = if (request$reml) "gls" else "gls-n/(n-p)",
      # The number of rows in its BIC is n - p under REML.
      bic = if (request$reml) "not stated" else "2k-variances-counted"
    )
  )
}

# Its REML criterion is not the log-likelihood of a linear model.
fit_gls <- function(request) {
  data <- request$data
  found <- if (is.null(request$weights)) {
    nlme::gls(request$formula, data = data)
  } else {
    data$inverse_weight <- 1 / request$weights
    nlme::gls(request$formula, data = data, weights = nlme::varFixed(~inverse_weight))
  }
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
  takes = "weights"
)
