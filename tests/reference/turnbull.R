# SPDX-License-Identifier: Apache-2.0
# The oracle of test_turnbull.py. Run by hand when it must change:  Rscript turnbull.R
# survfit stops once survival moves by less than 5e-5, so beside it stands an EM of our own, on
# the midpoints of all gaps between days, run until no midpoint could gain 1e-13.
suppressMessages(library(survival))
set.seed(20240602)

# Months to breast retraction after radiotherapy alone: Finkelstein and Wolfe, Biometrics 1985;41:933
retraction <- list(
  lower = c(45, 6, 0, 46, 46, 7, 17, 7, 37, 0, 4, 15, 11, 22, 46, 46, 25, 46, 26, 46, 27, 36, 46,
            36, 37, 40, 17, 46, 11, 38, 5, 37, 0, 18, 24, 36, 5, 19, 17, 24, 32, 33, 19, 37, 34, 36),
  upper = c(Inf, 10, 7, Inf, Inf, 16, Inf, 14, 44, 8, 11, Inf, 15, Inf, Inf, Inf, 37, Inf, 40, Inf,
            34, 44, Inf, 48, Inf, Inf, 25, Inf, 18, Inf, 12, Inf, 5, Inf, Inf, Inf, 11, 35, 25, Inf,
            Inf, Inf, 26, Inf, Inf, Inf)
)
n <- 80
event <- ceiling(rexp(n, 1 / 200)); cutoff <- sample(150:600, n, TRUE)
visits <- lapply(cutoff, function(end) { v <- cumsum(56 + sample(-7:14, 12, TRUE)); v[v <= end] })
scans <- list(
  lower = mapply(function(v, t) max(c(0, v[v < t])), visits, event),
  upper = mapply(function(v, t) min(c(Inf, v[v >= t])), visits, event)
)
# a third seen on the very day, as deaths are
mixed <- scans
known <- seq(1, n, 3)
mixed$upper[known] <- ifelse(event <= cutoff, event, Inf)[known]
mixed$lower[known] <- pmin(event, cutoff)[known]
cases <- list(retraction = retraction, scans = scans, mixed = mixed)

em <- function(d) {
  days <- sort(unique(unlist(d))); days <- days[is.finite(days)]
  exact <- sort(unique(d$lower[d$lower == d$upper]))
  at <- sort(c(exact, (days[-1] + days[-length(days)]) / 2, max(days) + 1))
  holds <- outer(seq_along(d$lower), seq_along(at), function(i, j) {
    ifelse(d$lower[i] == d$upper[i], at[j] == d$lower[i], at[j] > d$lower[i] & at[j] <= d$upper[i])
  }) + 0
  p <- rep(1 / length(at), length(at))
  rows <- nrow(holds)
  for (step in 1:400000) {
    gain <- colSums(holds / drop(holds %*% p)) / rows
    if (max(gain) < 1 + 1e-13 && all(abs(gain[p > 1e-9] - 1) < 1e-12)) break
    p <- p * gain
    # mass that EM takes away ever more slowly is gone; a place that deserves it would gain
    if (step %% 500 == 0) { p[p < 1e-5 & gain < 1 - 1e-7] <- 0; p <- p / sum(p) }
  }
  stopifnot(step < 400000)
  s <- function(t) sapply(t, function(one) sum(p[at > one]))
  list(days = days, survival = s(days), log_likelihood = sum(log(holds %*% p)))
}
found <- lapply(cases, function(d) {
  fine <- em(d)
  y <- Surv(ifelse(d$lower == 0, NA, d$lower), ifelse(is.finite(d$upper), d$upper, NA), type = "interval2")
  fit <- survfit(y ~ 1, se.fit = FALSE)
  c(list(lower = d$lower, upper = ifelse(is.finite(d$upper), d$upper, NA)), fine,
    list(survfit = summary(fit, times = fine$days, extend = TRUE)$surv))
})
out <- list(made_by = paste(R.version.string, "survival", packageVersion("survival")), cases = found)
jsonlite::write_json(out, "turnbull.json", digits = I(17), auto_unbox = TRUE, na = "null")
