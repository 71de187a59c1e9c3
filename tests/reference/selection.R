# The oracle of tests/planning/test_selection.py. Run by hand when it must change:  Rscript selection.R
library(mvtnorm)
library(jsonlite)

set.seed(1) # of the integration

# The arms of the first stage share their control; z of arm k beats the others and goes on, and its
# final z joins both stages. All is one multivariate normal vector: the differences of arm k and the
# others, its first z, its final z.
joint <- function(k, mean, fraction, final, ratio) {
  arms <- length(mean)
  first <- matrix(ratio / (1 + ratio), arms, arms)
  diag(first) <- 1
  of <- matrix(0, arms + 1, arms)
  others <- setdiff(seq_len(arms), k)
  for (row in seq_along(others)) {
    of[row, k] <- 1
    of[row, others[row]] <- -1
  }
  of[arms, k] <- 1
  of[arms + 1, k] <- sqrt(fraction)
  variance <- of %*% first %*% t(of)
  variance[arms + 1, arms + 1] <- 1
  list(mean = c(as.vector(of %*% mean)[seq_len(arms)], final), variance = variance)
}

chance <- function(vector, lower) {
  keep <- is.finite(lower)
  as.numeric(pmvnorm(
    lower = lower[keep], upper = rep(Inf, sum(keep)), mean = vector$mean[keep],
    sigma = vector$variance[keep, keep], algorithm = GenzBretz(maxpts = 5e6, abseps = 1e-8)
  ))
}

rejected <- function(arms, fraction, bound, ratio) {
  vector <- joint(1, rep(0, arms), fraction, 0, ratio)
  arms * chance(vector, c(rep(0, arms - 1), -Inf, bound))
}

level <- function(arms, fraction, ratio, alpha = 0.025) {
  bound <- uniroot(function(x) rejected(arms, fraction, x, ratio) - alpha, c(1.9, 2.7), tol = 1e-9)$root
  list(arms = arms, fraction = fraction, ratio = ratio, alpha = alpha, level = pnorm(-bound))
}

power <- function(hazard_ratios, first, events, level, limit = NA, ratio = 1) {
  drift <- -log(hazard_ratios) * sqrt(ratio) / (1 + ratio)
  least <- if (is.na(limit)) -Inf else -log(limit) * sqrt(ratio * first) / (1 + ratio)
  arms <- length(hazard_ratios)
  found <- sapply(seq_len(arms), function(k) {
    vector <- joint(k, drift * sqrt(first), first / events, drift[k] * sqrt(events), ratio)
    c(
      chance(vector, c(rep(0, arms - 1), least, -Inf)),
      chance(vector, c(rep(0, arms - 1), least, qnorm(1 - level)))
    )
  })
  list(
    hazard_ratios = hazard_ratios, first_events = first, events = events, level = level,
    at_most_hazard_ratio = limit, ratio = ratio, chosen = found[1, ], power_of = found[2, ]
  )
}

levels <- list(
  level(2, 0.25, 1), level(2, 0.5, 1), level(3, 0.25, 1), level(3, 0.5, 1), level(4, 0.2, 1),
  level(3, 0.4, 0.5)
)
powers <- list(
  power(c(0.6, 0.8, 1), 50, 150, 0.015), power(c(0.6, 0.8, 1), 50, 150, 0.015, 0.9),
  power(c(0.7, 0.7), 60, 200, 0.017, 0.95, 2)
)
versions <- paste(R.version.string, "mvtnorm", packageVersion("mvtnorm"))
write_json(list(made_by = versions, levels = levels, powers = powers), "selection.json",
  auto_unbox = TRUE, digits = 10, pretty = TRUE
)
