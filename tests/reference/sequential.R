# SPDX-License-Identifier: Apache-2.0
# The oracle of test_sequential.py. Run by hand when it must change:  Rscript sequential.R
# rpact answers every question to the seven or eight digits of its searches. Designs of two and
# three looks are answered again from the normal distribution function of mvtnorm, whose TVPACK is
# good to 1e-14, by plain conditioning and root finding; the code under test does it by recursion.
suppressMessages({
  library(rpact)
  library(mvtnorm)
})

setLogLevel("DISABLED")

# --- the normal distribution of up to three looks ------------------------------------------------

correlation <- function(t) outer(t, t, function(a, b) sqrt(pmin(a, b) / pmax(a, b)))

below <- function(t, z) {  # P(all Z < z), for Z of mean 0
  if (any(z == -Inf)) return(0)
  keep <- is.finite(z)
  t <- t[keep]; z <- z[keep]
  if (length(z) == 0) return(1)
  if (length(z) == 1) return(pnorm(z))
  as.numeric(pmvnorm(
    lower = rep(-Inf, length(z)), upper = z, corr = correlation(t), algorithm = TVPACK(1e-15)
  ))
}

within <- function(t, lower, upper) {  # by inclusion and exclusion of the corners
  corners <- as.matrix(expand.grid(rep(list(0:1), length(t))))
  sum(apply(corners, 1, function(low) {
    (-1)^sum(low) * below(t, ifelse(low == 1, lower, upper))
  }))
}

exits <- function(t, upper, lower, drift = 0) {
  shift <- drift * sqrt(t)
  up <- upper - shift; down <- lower - shift
  k <- length(t)
  going <- c(1, vapply(seq_len(k), function(j) within(t[1:j], down[1:j], up[1:j]), 0))
  first <- function(j, a, b) {
    earlier <- seq_len(j - 1)
    within(t[1:j], c(down[earlier], a), c(up[earlier], b))
  }
  list(
    upper = vapply(seq_len(k), function(j) first(j, up[j], Inf), 0),
    lower = vapply(seq_len(k), function(j) first(j, -Inf, down[j]), 0),
    continuing = going[k + 1]
  )
}

solve_for <- function(f, low, high) uniroot(f, c(low, high), tol = 1e-14, maxiter = 1000)$root

spending_function <- function(kind, parameter) {
  switch(kind,
    asOF = function(t, a) 2 - 2 * pnorm(qnorm(1 - a / 2) / sqrt(t)),
    asP = function(t, a) a * log(1 + (exp(1) - 1) * t),
    asKD = function(t, a) a * t^parameter,
    asHSD = function(t, a) a * (1 - exp(-parameter * t)) / (1 - exp(-parameter))
  )
}

spending_z <- function(t, cumulative, sided) {  # cumulative: of one side
  z <- numeric(0)
  for (k in seq_along(t)) {
    spend <- cumulative[k] - c(0, cumulative)[k]
    lower <- if (sided == 2) -z else rep(-Inf, k - 1)
    z[k] <- solve_for(function(u) {
      within(t[1:k], c(lower, u), c(z[seq_len(k - 1)], Inf)) - spend
    }, 0, 9)
  }
  z
}

# --- boundaries ----------------------------------------------------------------------------------

boundary_case <- function(kind, t, alpha = 0.025, sided = 1, parameter = NA, power = 0.9) {
  arguments <- list(
    kMax = length(t), informationRates = t, alpha = alpha, beta = 1 - power, sided = sided,
    typeOfDesign = kind
  )
  if (kind %in% c("asKD", "asHSD")) arguments$gammaA <- parameter
  if (kind == "WT") arguments$deltaWT <- parameter
  if (kind == "HP") arguments$constantBoundsHP <- parameter
  design <- do.call(getDesignGroupSequential, arguments)
  characteristics <- getDesignCharacteristics(design)
  f <- spending_function(kind, parameter)
  list(
    kind = kind, parameter = parameter, fractions = t, alpha = alpha, sided = sided,
    z = design$criticalValues, cumulative_alpha = design$alphaSpent, power = power,
    squared_drift = characteristics$shift, inflation = characteristics$inflationFactor,
    expected_over_fixed = characteristics$averageSampleNumber1,
    precise_z = if (length(t) <= 3 && !is.null(f)) {
      spending_z(t, f(t, alpha / sided), sided)
    }
  )
}

plans <- list(c(0.5, 1), c(0.3, 0.6, 1), c(0.25, 0.5, 0.75, 1), c(0.2, 0.35, 0.55, 0.9, 1))
kinds <- list(
  list("asOF", NA), list("asP", NA), list("asKD", 2.5), list("asHSD", -4), list("asHSD", 1.5),
  list("OF", NA), list("P", NA), list("WT", 0.25), list("HP", 3)
)
boundary_cases <- list()
for (kind in kinds) for (t in plans) for (sided in 1:2) {
  boundary_cases <- c(boundary_cases, list(
    boundary_case(kind[[1]], t, c(0.025, 0.05)[sided], sided, kind[[2]])
  ))
}
boundary_cases <- c(boundary_cases, list(
  boundary_case("asOF", c(0.5, 1), alpha = 0.0125),
  boundary_case("asP", c(0.4, 0.7, 1), alpha = 0.1, power = 0.8)
))

# --- futility ------------------------------------------------------------------------------------

futility_case <- function(kind, beta_kind, t, beta, binding, parameter = NA, beta_parameter = NA) {
  arguments <- list(
    kMax = length(t), informationRates = t, alpha = 0.025, beta = beta, typeOfDesign = kind,
    typeBetaSpending = beta_kind, bindingFutility = binding
  )
  if (!is.na(parameter)) arguments$gammaA <- parameter
  if (!is.na(beta_parameter)) arguments$gammaB <- beta_parameter
  design <- do.call(getDesignGroupSequential, arguments)
  list(
    kind = kind, parameter = parameter, beta_kind = beta_kind, beta_parameter = beta_parameter,
    fractions = t, beta = beta, binding = binding, z = design$criticalValues,
    futility_z = design$futilityBounds, squared_drift = getDesignCharacteristics(design)$shift
  )
}
futility_cases <- list()
for (t in plans) for (binding in c(FALSE, TRUE)) {
  futility_cases <- c(futility_cases, list(
    futility_case("asOF", "bsOF", t, 0.1, binding),
    futility_case("asOF", "bsP", t, 0.2, binding),
    futility_case("asHSD", "bsHSD", t, 0.1, binding, -4, -2),
    futility_case("asKD", "bsKD", t, 0.2, binding, 3, 2)
  ))
}

# --- exit probabilities --------------------------------------------------------------------------

exit_case <- function(t, upper, lower, drift) {
  c(list(fractions = t, z = upper, lower_z = lower, drift = drift), exits(t, upper, lower, drift))
}
nowhere <- function(k) rep(-Inf, k)
exit_cases <- list(
  exit_case(0.4, 2.1, -Inf, 0),
  exit_case(c(0.5, 1), c(2.8, 1.98), nowhere(2), 0),
  exit_case(c(0.5, 1), c(2.8, 1.98), nowhere(2), 3.3),
  exit_case(c(0.5, 1), c(2.8, 1.98), c(-2.8, -1.98), 0.7),
  exit_case(c(0.3, 0.6, 1), c(3.9, 2.67, 1.98), nowhere(3), 0),
  exit_case(c(0.3, 0.6, 1), c(3.9, 2.67, 1.98), c(-0.5, 0.9, 1.98), 3.2),
  exit_case(c(0.3, 0.6, 1), c(3.9, 2.67, 1.98), c(-3.9, -2.67, -1.98), -1),
  exit_case(c(0.9, 0.95, 1), c(2.1, 2.2, 2), c(-1, 0, 0.5), 1),
  exit_case(c(0.02, 0.5, 1), c(5, 2.5, 2), nowhere(3), 2),
  exit_case(c(30, 62, 99), c(3.9, 2.67, 1.98), nowhere(3), 0.3)
)

# --- during a trial and after it -----------------------------------------------------------------

repeated_case <- function(kind, t, z, sided, parameter = NA) {  # the second look of two or three
  f <- spending_function(kind, parameter)
  found <- vapply(1:2, function(k) {
    solve_for(function(log_alpha) {
      side <- f(t, exp(log_alpha) / sided)
      u <- qnorm(side[1], lower.tail = FALSE)
      if (k == 1) return(u - z[1])
      lower <- if (sided == 2) -u else -Inf
      (side[2] - side[1]) / within(t[1:2], c(lower, z[2]), c(u, Inf)) - 1
    }, log(1e-6), log(0.49 * sided))
  }, 0)
  list(
    kind = kind, parameter = parameter, fractions = t, sided = sided, z = z,
    repeated_p = exp(found)
  )
}
repeated_cases <- list(
  repeated_case("asOF", c(0.3, 0.6, 1), c(1.5, 2.9), 1),
  repeated_case("asOF", c(0.3, 0.6, 1), c(1.5, 2.9), 2),
  repeated_case("asP", c(0.3, 0.6, 1), c(1.5, 1.9), 1),
  repeated_case("asHSD", c(0.5, 1), c(1.7, 1.2), 1, -4),
  repeated_case("asKD", c(0.5, 0.8, 1), c(2.2, 2.5), 2, 2)
)

stagewise_case <- function(t, upper, lower, look, z, level, sided) {
  t <- t[seq_len(look)]
  earlier <- seq_len(look - 1)
  up <- c(upper[earlier], z); down <- c(lower[earlier], -Inf)
  as_extreme <- function(drift) sum(exits(t, up, down, drift)$upper)
  drift_at <- function(p) solve_for(function(drift) as_extreme(drift) - p, -8, 12)
  p <- as_extreme(0)
  tail <- (1 - level) / 2
  list(
    fractions = t, upper = upper, lower = lower, look = look, z = z, level = level, sided = sided,
    p_value = if (sided == 2) 2 * min(p, 1 - p) else p,
    drift = drift_at(0.5), drift_lower = drift_at(tail), drift_upper = drift_at(1 - tail)
  )
}
obf <- spending_z(c(0.3, 0.6, 1), spending_function("asOF")(c(0.3, 0.6, 1), 0.025), 1)
pocock <- spending_z(c(0.5, 1), spending_function("asP")(c(0.5, 1), 0.025), 2)
stagewise_cases <- list(
  stagewise_case(c(0.3, 0.6, 1), obf, nowhere(3), 1, 4.2, 0.95, 1),
  stagewise_case(c(0.3, 0.6, 1), obf, nowhere(3), 2, 2.9, 0.95, 1),
  stagewise_case(c(0.3, 0.6, 1), obf, nowhere(3), 3, 1.2, 0.95, 1),
  stagewise_case(c(0.3, 0.6, 1), obf, nowhere(3), 3, 2.4, 0.9, 1),
  stagewise_case(c(0.5, 1), pocock, -pocock, 2, 2.3, 0.95, 2),
  stagewise_case(c(0.5, 1), pocock, -pocock, 2, -0.4, 0.95, 2),
  stagewise_case(c(0.5, 1), pocock, -pocock, 1, -3.1, 0.95, 2)
)

# the same from the data of a survival trial, two subjects to one, by rpact
design <- getDesignGroupSequential(
  kMax = 3, informationRates = c(0.3, 0.6, 1), alpha = 0.025, typeOfDesign = "asOF"
)
events <- c(30, 60, 100); logranks <- c(1.5, 2.2, 2.4)
dataset <- getDataset(
  cumulativeEvents = events, cumulativeLogRanks = logranks,
  cumulativeAllocationRatios = rep(2, 3)
)
analysis <- getAnalysisResults(design, dataset, stage = 3)
log_hazard <- function(x) log(as.numeric(x))
survival_case <- list(
  fractions = c(0.3, 0.6, 1), z = logranks, information = events * 2 / 9,
  repeated_p = as.numeric(analysis$repeatedPValues),
  repeated_lower = log_hazard(analysis$repeatedConfidenceIntervalLowerBounds),
  repeated_upper = log_hazard(analysis$repeatedConfidenceIntervalUpperBounds),
  final_p = analysis$finalPValues[3],
  final_lower = log_hazard(analysis$finalConfidenceIntervalLowerBounds)[3],
  final_upper = log_hazard(analysis$finalConfidenceIntervalUpperBounds)[3],
  final_estimate = log_hazard(analysis$medianUnbiasedEstimates)[3]
)

# conditional on Z at the first look, the later ones are normal with known mean and variance
conditional <- function(t, look, z, upper, drift) {
  later <- (look + 1):length(t)
  rho <- sqrt(t[look] / t[later])
  mean <- drift * sqrt(t[later]) + rho * (z - drift * sqrt(t[look]))
  covariance <- correlation(t[later]) - outer(rho, rho)
  if (length(later) == 1) {
    return(pnorm((upper[later] - mean) / sqrt(covariance[1, 1]), lower.tail = FALSE))
  }
  scale <- sqrt(diag(covariance))
  1 - as.numeric(pmvnorm(
    lower = rep(-Inf, length(later)), upper = (upper[later] - mean) / scale,
    corr = cov2cor(covariance), algorithm = TVPACK(1e-15)
  ))
}
power_case <- function(look, z, drift, prior_mean, prior_sd) {
  t <- c(0.3, 0.6, 1)
  averaged <- function(mean, sd) {
    integrate(
      Vectorize(function(x) dnorm(x) * conditional(t, look, z, obf, mean + sd * x)), -9, 9,
      rel.tol = 1e-12, subdivisions = 1000
    )$value
  }
  precision <- 1 / prior_sd^2
  posterior <- (z * sqrt(t[look]) + prior_mean * precision) / (t[look] + precision)
  list(
    fractions = t, look = look, z = z, drift = drift, prior = c(prior_mean, prior_sd),
    planned = conditional(t, look, z, obf, drift),
    trend = conditional(t, look, z, obf, z / sqrt(t[look])),
    flat = averaged(z / sqrt(t[look]), 1 / sqrt(t[look])),
    informed = averaged(posterior, 1 / sqrt(t[look] + precision))
  )
}
power_cases <- list(
  power_case(1, 1.5, 3.2, 3.2, 2), power_case(2, 1.5, 3.2, 0, 1), power_case(1, -0.3, 2.9, 1, 3)
)

out <- list(
  made_by = paste(
    R.version.string, "rpact", packageVersion("rpact"), "mvtnorm", packageVersion("mvtnorm")
  ),
  boundaries = boundary_cases, futility = futility_cases, exits = exit_cases,
  repeated = repeated_cases, stagewise = stagewise_cases, survival = survival_case,
  power = power_cases
)
jsonlite::write_json(out, "sequential.json", digits = I(16), auto_unbox = TRUE, na = "null")
