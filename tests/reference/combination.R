# SPDX-License-Identifier: Apache-2.0
# The oracle of test_combination_tests.py: weighted log-rank sums by a loop over times, held
# against survdiff where that has the weight; probabilities by orthants of mvtnorm and, where the
# correlation is singular, by nested integration. Run by hand when it must change:
# Rscript combination.R  (Debian: r-cran-survival, r-cran-mvtnorm, r-cran-jsonlite).
suppressMessages(library(survival))
library(mvtnorm)

data <- lapply(jsonlite::fromJSON("survival.json")$data, as.data.frame)

# observed less expected events of the second group, and covariances, of tests with weights (k, 2)
sums <- function(d, weights) {
  u <- numeric(nrow(weights))
  v <- matrix(0, nrow(weights), nrow(weights))
  second <- d$group == sort(unique(d$group))[2]
  for (s in unique(d$stratum)) {
    here <- d$stratum == s
    survival <- 1
    for (t in sort(unique(d$time[here & d$event == 1]))) {
      at_risk <- here & d$time >= t
      happens <- here & d$time == t & d$event == 1
      y <- sum(at_risk)
      y2 <- sum(at_risk & second)
      e <- sum(happens)
      w <- survival^weights[, 1] * (1 - survival)^weights[, 2]
      u <- u + w * (sum(happens & second) - e * y2 / y)
      if (y > 1) v <- v + outer(w, w) * e * (y - e) / (y - 1) * y2 / y * (1 - y2 / y)
      survival <- survival * (1 - e / y)
    }
  }
  list(u = u, v = v)
}

prepared <- function(name, stratified) {
  d <- data[[name]]
  d$stratum <- if (stratified) d$strata else 0
  d
}

# the box from orthants, two or three dimensions
orthants <- function(correlation, c, two_sided) {
  k <- nrow(correlation)
  below <- function(upper) {
    pmvnorm(upper = upper, corr = correlation, algorithm = TVPACK(abseps = 1e-15))[1]
  }
  if (!two_sided) return(1 - below(rep(c, k)))
  corners <- as.matrix(expand.grid(rep(list(c(-1, 1)), k)))
  1 - sum(apply(corners, 1, function(corner) prod(corner) * below(c * corner)))
}

# tests (0,0), (1,0), (0,1), (1,1): the third sum is the first less the second
nested <- function(v, c, two_sided) {
  s <- sqrt(diag(v))
  r <- cov2cor(v)
  beta <- solve(r[c(1, 2), c(1, 2)], r[c(1, 2), 4])
  left <- sqrt(1 - sum(beta * r[c(1, 2), 4]))
  slope <- r[1, 2]
  spread <- sqrt(1 - slope^2)
  edge <- if (two_sided) -c else -Inf
  inner <- function(z1) {
    lower <- (s[1] * z1 - c * s[3]) / s[2]
    upper <- if (two_sided) min(c, (s[1] * z1 + c * s[3]) / s[2]) else c
    lower <- max(lower, edge)
    if (lower >= upper) return(0)
    integrate(function(z2) {
      mean <- beta[1] * z1 + beta[2] * z2
      fourth <- pnorm((c - mean) / left) - if (two_sided) pnorm((-c - mean) / left) else 0
      dnorm((z2 - slope * z1) / spread) / spread * fourth
    }, lower, upper, rel.tol = 1e-12, subdivisions = 500)$value
  }
  corners <- as.numeric(outer(c(-1, 1), c(-1, 1), function(a, b) (a * s[3] + b * s[2]) * c / s[1]))
  begin <- if (two_sided) -c else -10
  breaks <- sort(c(begin, corners[corners > begin & corners < c], c))
  1 - sum(mapply(function(from, to) {
    integrate(function(z1) dnorm(z1) * sapply(z1, inner), from, to, rel.tol = 1e-12,
              subdivisions = 500)$value
  }, head(breaks, -1), tail(breaks, -1)))
}

combination <- function(name, weights, stratified = FALSE) {
  d <- prepared(name, stratified)
  found <- sums(d, weights)
  z <- found$u / sqrt(diag(found$v))
  correlation <- cov2cor(found$v)
  for (i in which(weights[, 2] == 0)) {
    test <- survdiff(Surv(time, event) ~ group + strata(stratum), d, rho = weights[i, 1])
    stopifnot(abs(test$chisq - z[i]^2) < 1e-9 * z[i]^2)
  }
  singular <- nrow(weights) == 4
  exceeds <- function(c, two_sided) {
    p <- if (singular) nested(found$v, c, two_sided) else orthants(correlation, c, two_sided)
    lower <- if (two_sided) -c else -Inf
    rough <- 1 - pmvnorm(rep(lower, length(z)), rep(c, length(z)), corr = correlation,
                         algorithm = GenzBretz(maxpts = 1e6, abseps = 1e-6))[1]
    stopifnot(abs(p - rough) < 2e-5)
    p
  }
  list(
    data = name, weights = weights, stratified = stratified, z = z, correlation = correlation,
    p_value = exceeds(max(abs(z)), TRUE), first_fewer = exceeds(max(z), FALSE),
    second_fewer = exceeds(max(-z), FALSE)
  )
}
all_four <- rbind(c(0, 0), c(1, 0), c(0, 1), c(1, 1))
combinations <- list(
  combination("aml", all_four), combination("lung", all_four), combination("ovarian", all_four),
  combination("lung", all_four, TRUE), combination("kidney", all_four),
  combination("aml", rbind(c(0, 0), c(0, 1))), combination("lung", rbind(c(0, 0), c(0, 1), c(1, 1))),
  combination("ovarian", rbind(c(0, 0), c(0.5, 0.5), c(2, 0))),
  combination("lung", rbind(c(0, 0), c(0, 0.5), c(1, 1)), TRUE)
)

# probabilities of the largest at chosen correlations and bounds, regular ones
chosen <- list(diag(3), matrix(c(1, 0.9, 0.8, 0.9, 1, 0.95, 0.8, 0.95, 1), 3),
               matrix(c(1, -0.5, 0.3, -0.5, 1, 0.1, 0.3, 0.1, 1), 3), matrix(c(1, 0.99, 0.99, 1), 2))
largest <- unlist(lapply(chosen, function(r) lapply(c(0.1, 1, 2.2, 4), function(c) list(
  correlation = r, bound = c, two_sided = orthants(r, c, TRUE), one_sided = orthants(r, c, FALSE),
  under = orthants(r, -c, FALSE)
))), recursive = FALSE)

trend <- function(name, scores, stratified = FALSE, rho = 0) {
  d <- prepared(name, stratified)
  f <- if (stratified) Surv(time, event) ~ group + strata(stratum) else Surv(time, event) ~ group
  test <- survdiff(f, d, rho = rho)
  excess <- rowSums(as.matrix(test$obs)) - rowSums(as.matrix(test$exp))
  z <- sum(scores * excess) / sqrt(c(scores %*% test$var %*% scores))
  list(data = name, scores = scores, stratified = stratified, rho = rho, z = z,
       p_value = 2 * pnorm(-abs(z)))
}
trends <- list(
  trend("veteran", 0:3), trend("veteran", c(5, 0, 1, 2), TRUE), trend("colon", c(0, 1, 4)),
  trend("colon", 0:2, rho = 1), trend("lung", c(0, 1), TRUE)
)

out <- list(
  made_by = paste(R.version.string, "survival", packageVersion("survival"), "mvtnorm",
                  packageVersion("mvtnorm")),
  combinations = combinations, largest = largest, trends = trends
)
jsonlite::write_json(out, "combination.json", digits = I(15), auto_unbox = TRUE, na = "null")
