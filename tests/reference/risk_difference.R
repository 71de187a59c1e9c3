# SPDX-License-Identifier: Apache-2.0
# The oracle of test_risk_difference.py. Run by hand when it must change:  Rscript risk_difference.R
# Needs r-cran-metafor.
suppressMessages(library(metafor))

# strata first: events and subjects of the group of interest, then of the reference
cases <- list(
  origin_and_grade = list(x1 = c(28, 11, 20, 6), n1 = c(56, 26, 51, 18), x2 = c(3, 1, 2, 1), n2 = c(28, 13, 25, 9)),
  two = list(x1 = c(10, 15), n1 = c(30, 40), x2 = c(4, 6), n2 = c(30, 40)),
  unequal = list(x1 = c(1, 40, 7), n1 = c(5, 90, 8), x2 = c(2, 11, 3), n2 = c(9, 30, 12)),
  many_small = list(x1 = c(1, 0, 1, 2, 1, 0, 1), n1 = c(1, 1, 2, 3, 2, 1, 2), x2 = c(0, 0, 1, 1, 0, 1, 1),
                    n2 = c(1, 2, 1, 2, 2, 3, 2)),
  no_reference_events = list(x1 = c(4, 3), n1 = c(20, 15), x2 = c(0, 0), n2 = c(12, 30)),
  against = list(x1 = c(2, 1), n1 = c(20, 15), x2 = c(9, 8), n2 = c(22, 14))
)

# Yan and Su's interval, written from their formula by the root of the score equation of each
# stratum rather than by Wilson's closed form
wilson_limit <- function(x, n, z, side) {
  p <- x / n
  if (side < 0 && x == 0) return(0)
  if (side > 0 && x == n) return(1)
  edge <- if (side < 0) c(0, p) else c(p, 1)
  f <- function(q) (p - q)^2 * n - z^2 * q * (1 - q)
  a <- n + z^2; b <- -(2 * x + z^2); c0 <- x^2 / n
  q <- (-b + side * sqrt(b^2 - 4 * a * c0)) / (2 * a)
  stopifnot(abs(f(q)) < 1e-10, q >= edge[1] - 1e-12, q <= edge[2] + 1e-12)
  q
}
newcombe <- function(d, level) {
  z <- qnorm(0.5 + level / 2)
  w <- with(d, n1 * n2 / (n1 + n2)); w <- w / sum(w)
  arm <- function(x, n) {
    v <- x / n * (1 - x / n) / n
    if (all(v == 0)) v <- 1 / n
    zs <- z * sqrt(sum(w^2 * v)) / sum(w * sqrt(v))
    c(sum(w * mapply(wilson_limit, x, n, zs, -1)), sum(w * mapply(wilson_limit, x, n, zs, 1)),
      sum(w^2 / n))
  }
  one <- arm(d$x1, d$n1); two <- arm(d$x2, d$n2)
  delta <- sum(w * (d$x1 / d$n1 - d$x2 / d$n2))
  s <- function(q) q * (1 - q)
  c(delta, delta - z * sqrt(one[3] * s(one[1]) + two[3] * s(two[2])),
    delta + z * sqrt(two[3] * s(two[1]) + one[3] * s(one[2])))
}

found <- lapply(cases, function(d) {
  fit <- rma.mh(ai = x1, n1i = n1, ci = x2, n2i = n2, measure = "RD", data = d, level = 95)
  list(tables = d, estimate = unname(fit$beta[1]), standard_error = fit$se, lower = fit$ci.lb,
       upper = fit$ci.ub, p_value = fit$pval,
       newcombe = newcombe(d, 0.95), newcombe_90 = newcombe(d, 0.9))
})
out <- list(made_by = paste(R.version.string, "metafor", packageVersion("metafor")), cases = found)
jsonlite::write_json(out, "risk_difference.json", digits = I(17), auto_unbox = TRUE, na = "null")
