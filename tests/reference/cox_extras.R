# SPDX-License-Identifier: Apache-2.0
# The oracle of test_cox_extras.py: residuals, baseline hazards and predicted curves by survival,
# profile and penalised likelihood by maximising them anew. Run by hand when it must change:
# Rscript cox_extras.R  (Debian: r-cran-survival, r-cran-jsonlite). Data sets: survival.json.
suppressMessages(library(survival))

data <- lapply(jsonlite::fromJSON("survival.json")$data, as.data.frame)
# who has the largest x among those at risk has each event: the coefficient is infinite
data$separated <- data.frame(
  time = c(1, 2, 3, 4, 5, 6, 7, 8), event = c(1, 1, 1, 0, 1, 0, 0, 0),
  x1 = c(1, 1, 1, 1, 1, 0, 0, 0), x2 = c(3, 9, 4, 7, 2, 8, 5, 1)
)
# an arm without events, ties, two strata
data$no_events <- data.frame(
  time = c(2, 2, 3, 5, 5, 8, 1, 4, 4, 6, 7, 9), event = c(1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0),
  x1 = c(0, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1), strata = rep(1:2, each = 6)
)
data$three <- data.frame(time = 1:3, event = 1, x1 = c(1, 1, 0))

numbers <- function(x) unname(as.numeric(x))
tight <- coxph.control(eps = 1e-14, toler.chol = 1e-16, iter.max = 60)

formula_of <- function(case, right = case$columns) {
  left <- if (case$entry) "Surv(entry, time, event)" else "Surv(time, event)"
  if (case$stratified) right <- c(right, "strata(strata)")
  as.formula(paste(left, "~", paste(right, collapse = " + ")))
}

fit_of <- function(case, ...) {
  d <- data[[case$data]]
  d$w <- if (case$weighted) d$weights else 1
  coxph(formula_of(case, ...), d, weights = w, ties = case$ties, control = tight, robust = FALSE,
        x = TRUE, model = TRUE)
}

case <- function(name, columns, ties = "efron", stratified = FALSE, weighted = FALSE,
                 entry = FALSE) {
  list(data = name, columns = as.list(columns), ties = ties, stratified = stratified,
       weighted = weighted, entry = entry)
}
cases <- list()
for (ties in c("efron", "breslow")) {
  cases <- c(cases, list(
    case("ovarian", c("x1", "x2"), ties), case("colon", c("x1", "x2"), ties, stratified = TRUE),
    case("veteran", c("x1", "x3"), ties, weighted = TRUE),
    case("heart", c("x1", "x2"), ties, entry = TRUE, stratified = TRUE),
    case("lung", "x2", ties)
  ))
}

# of many rows some are kept, and all in their sums and sums of squares
thinned <- function(x) {
  x <- as.matrix(x)
  kept <- seq(1, nrow(x), by = max(1, nrow(x) %/% 12))
  list(rows = kept - 1, values = unname(x[kept, , drop = FALSE]), sums = numbers(colSums(x)),
       squares = numbers(colSums(x^2)))
}

residuals_of <- function(case) {
  fit <- fit_of(case)
  types <- c("martingale", "deviance", "score", "dfbeta", "dfbetas", "schoenfeld", "scaledsch")
  kinds <- lapply(setNames(nm = types), function(type) thinned(residuals(fit, type = type)))
  c(case, kinds, list(events = fit$nevent))
}

predictions_of <- function(case) {
  fit <- fit_of(case)
  d <- data[[case$data]]
  at <- as.matrix(sapply(case$columns, function(one) range(d[[one]])))
  new <- as.data.frame(at)
  names(new) <- unlist(case$columns)
  types <- c("log", "log-log", "plain", "arcsin")
  curves <- lapply(setNames(nm = types), function(type) survfit(fit, newdata = new, conf.type = type))
  one <- curves[[1]]
  c(case, list(
    at = unname(at), time = thinned(one$time), at_risk = thinned(one$n.risk),
    events = thinned(one$n.event), survival = thinned(one$surv),
    cumulative_hazard = thinned(one$cumhaz), hazard_error = thinned(one$std.err),
    limits = lapply(curves, function(curve) {
      kept <- seq(1, nrow(curve$surv), by = max(1, nrow(curve$surv) %/% 12))
      shaped <- function(x) matrix(x, nrow(curve$surv))[kept, ]  # arcsin forgets its shape
      list(rows = kept - 1, lower = shaped(curve$lower), upper = shaped(curve$upper))
    }),
    baseline = thinned(basehaz(fit, centered = FALSE)$hazard)
  ))
}

# --- the likelihood with one coefficient held ---------------------------------------------------

held <- function(case, which, value) {
  d <- data[[case$data]]
  d$w <- if (case$weighted) d$weights else 1
  d$kept <- value * d[[case$columns[[which]]]]
  right <- c(unlist(case$columns)[-which], "offset(kept)")
  fit <- coxph(formula_of(case, right), d, weights = w, ties = case$ties, control = tight,
               robust = FALSE)
  tail(fit$loglik, 1)
}

limit <- function(below, from, width) {
  to <- from + width
  while (below(to) < 0) to <- to + width
  uniroot(below, c(from, to), tol = 1e-13)$root
}

profile_of <- function(case, level = 0.95) {
  fit <- fit_of(case)
  summit <- fit$loglik[2]
  drop <- qchisq(level, 1) / 2
  found <- sapply(seq_along(case$columns), function(which) {
    below <- function(value) summit - held(case, which, value) - drop
    se <- sqrt(fit$var[which, which])
    from <- coef(fit)[[which]]
    c(limit(below, from, -2 * se), limit(below, from, 2 * se),
      pchisq(2 * (summit - held(case, which, 0)), 1, lower.tail = FALSE))
  })
  c(case, list(level = level, lower = found[1, ], upper = found[2, ], p_value = found[3, ]))
}
profiles <- list(
  profile_of(case("ovarian", c("x1", "x2"))), profile_of(case("lung", "x2")),
  profile_of(case("colon", c("x1", "x2"), stratified = TRUE), 0.9),
  profile_of(case("veteran", c("x1", "x3"), "breslow", weighted = TRUE)),
  profile_of(case("heart", c("x1", "x2"), entry = TRUE)),
  profile_of(case("ovarian", c("x1", "x2"), "exact"))
)

# --- Firth's penalty ----------------------------------------------------------------------------

penalised <- function(case, beta) {
  fit <- coxph(formula_of(case), data[[case$data]], ties = case$ties, init = beta,
               control = coxph.control(iter.max = 0, toler.chol = 1e-16))
  tail(fit$loglik, 1) - determinant(as.matrix(fit$var))$modulus[[1]] / 2
}

# Newton's steps by differences of eighth order, from several starts
slopes <- c(1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280)
maximised <- function(f, start, unit) {
  gradient <- function(beta) sapply(seq_along(beta), function(which) {
    sum(slopes * sapply(-4:4, function(k) {
      beta[which] <- beta[which] + 0.02 * k * unit[which]
      f(beta)
    })) / 0.02
  })
  here <- optim(start, f, control = list(fnscale = -1, reltol = 1e-12, parscale = unit,
                                         maxit = 5000),
                method = if (length(start) > 1) "Nelder-Mead" else "BFGS")$par
  for (turn in 1:8) {
    slope <- gradient(here)
    curve <- sapply(seq_along(here), function(which) {
      step <- replace(numeric(length(here)), which, 1e-3 * unit[which])
      (gradient(here + step) - gradient(here - step)) / 2e-3
    })
    here <- here - unit * solve(as.matrix(curve), slope)
  }
  list(at = here, value = f(here))
}

firth_of <- function(case, level = 0.95) {
  d <- data[[case$data]]
  p <- length(case$columns)
  unit <- sapply(case$columns, function(one) 1 / sd(d[[one]]))
  f <- function(beta) penalised(case, beta)
  summit <- maximised(f, numeric(p), unit)
  fit <- coxph(formula_of(case), d, ties = case$ties, init = summit$at,
               control = coxph.control(iter.max = 0, toler.chol = 1e-16))
  se <- sqrt(diag(as.matrix(fit$var)))
  drop <- qchisq(level, 1) / 2
  found <- sapply(1:p, function(which) {
    best <- function(value) {
      if (p == 1) return(f(value))
      g <- function(others) f(append(others, value, which - 1))
      maximised(g, summit$at[-which], unit[-which])$value
    }
    below <- function(value) summit$value - best(value) - drop
    c(limit(below, summit$at[which], -2 * se[which]), limit(below, summit$at[which], 2 * se[which]),
      pchisq(2 * (summit$value - best(0)), 1, lower.tail = FALSE))
  })
  c(case, list(
    level = level, log_hazard_ratio = summit$at, standard_error = numbers(se),
    log_likelihood = c(f(numeric(p)), summit$value), lower = found[1, ], upper = found[2, ],
    p_value = found[3, ]
  ))
}
firths <- list(
  firth_of(case("separated", c("x1", "x2"))), firth_of(case("no_events", "x1")),
  firth_of(case("no_events", "x1", "breslow", stratified = TRUE), 0.9),
  firth_of(case("ovarian", c("x1", "x2"))), firth_of(case("three", "x1")),
  firth_of(case("heart", "x2", entry = TRUE)),
  firth_of(case("colon", c("x1", "x2"), "breslow"))
)

small <- data[c("separated", "no_events", "three")]
out <- list(
  made_by = paste(R.version.string, "survival", packageVersion("survival")), data = small,
  residuals = lapply(cases, residuals_of), predictions = lapply(cases, predictions_of),
  profiles = profiles, firth = firths
)
jsonlite::write_json(out, "cox_extras.json", digits = I(15), auto_unbox = TRUE, na = "null")
