# A fitted model of lme4 or lmerTest, in the R in which it was made, taken apart into vectors.
# Needs fit_lmer.R.

# Returns, flat: formula (text), outcome, criterion, fitter, control (see control_of), y, messages, what stated, coefficients_of
# and random_terms of fit_lmer.R give, and the data: column_names, column_factor (whether column i is
# one), and for each column i column_<i> (numbers, or codes from 1) and levels_<i>.
take_apart <- function(fit) {
  if (!methods::is(fit, "lmerMod")) {
    stop("expected a model of lme4::lmer or lmerTest::lmer, got ", class(fit)[1L])
  }
  if (any(stats::weights(fit) != 1)) {
    stop("the model has prior weights; they are not supported")
  }
  if (any(lme4::getME(fit, "offset") != 0)) {
    stop("the model has an offset; it is not supported")
  }
  tested <- methods::is(fit, "lmerModLmerTest") && requireNamespace("lmerTest", quietly = TRUE)
  table <- if (tested) {
    summary(fit, ddf = "Satterthwaite")$coefficients
  } else {
    stats::coef(summary(fit))
  }
  optimum <- fit@optinfo
  c(
    list(
      formula = paste(deparse(stats::formula(fit), width.cutoff = 500L), collapse = " "),
      outcome = paste(deparse(stats::formula(fit)[[2L]]), collapse = " "),
      criterion = if (lme4::isREML(fit)) "REML" else "ML",
      fitter = if (tested) "lmerTest::lmer" else "lme4::lmer",
      control = control_of(fit),
      y = as.double(lme4::getME(fit, "y")),
      messages = as.character(c(unlist(optimum$conv$lme4$messages), unlist(optimum$warnings)))
    ),
    stated(fit),
    coefficients_of(fit, table),
    random_terms(fit),
    columns_of(data_of(fit))
  )
}

# The control argument of a fit as R code, by the optimizer and its options that were used; "" where its
# call has none.
control_of <- function(fit) {
  if (is.null(fit@call$control)) {
    return("")
  }
  options <- fit@optinfo$control
  shown <- if (length(options)) {
    text <- paste(deparse(options, width.cutoff = 500L), collapse = " ")
    paste0(", optCtrl = ", text)
  }
  paste0('lme4::lmerControl(optimizer = "', as.character(fit@optinfo$optimizer), '"', shown, ")")
}

# The data frame the model was fitted to, where its call still finds it; else the model frame.
data_of <- function(fit) {
  found <- tryCatch(
    eval(fit@call$data, environment(stats::formula(fit))), error = function(e) NULL
  )
  wanted <- all.vars(stats::formula(fit))
  if (is.data.frame(found) && all(wanted %in% names(found))) {
    return(as.data.frame(found)[wanted])
  }
  frame <- stats::model.frame(fit)
  frame[vapply(frame, function(v) is.null(dim(v)), TRUE)]
}

# A data frame as vectors; what is neither a number nor a label is left out.
columns_of <- function(frame) {
  usable <- vapply(frame, function(v) {
    is.numeric(v) || is.factor(v) || is.character(v) || is.logical(v)
  }, TRUE)
  frame <- frame[usable]
  labelled <- !vapply(frame, is.numeric, TRUE)
  out <- list(column_names = as.character(names(frame)), column_factor = as.double(labelled))
  for (i in seq_along(frame)) {
    column <- frame[[i]]
    if (labelled[i]) {
      column <- as.factor(column)
      codes <- as.integer(column)
      codes[is.na(codes)] <- 0L
      out[[paste0("column_", i)]] <- as.double(codes)
      out[[paste0("levels_", i)]] <- enc2utf8(as.character(levels(column)))
    } else {
      out[[paste0("column_", i)]] <- as.double(column)
      out[[paste0("levels_", i)]] <- character()
    }
  }
  out
}
