# SPDX-License-Identifier: Apache-2.0
# The oracle of test_crossover.py. Run by hand when it must change:  Rscript crossover.R
# No package for rank-preserving models is in Debian, so g-estimation is written out: survdiff at
# each psi of a fine grid, and each change of sign closed by halving.
suppressMessages(library(survival))
set.seed(20240603)

# A trial of 2 to 1 in which about half the controls cross over at progression
n <- 150
group <- rep(c("control", "treated", "treated"), n / 3)
strata <- sample(1:3, n, TRUE)
base <- rexp(n, 1 / c(300, 500, 800)[strata])
cutoff <- sample(500:1100, n, TRUE)
effect <- -0.5  # a day on treatment is worth exp(-0.5) of one without
health <- round(rnorm(n), 2)
progression <- ceiling(base * runif(n, 0.2, 0.8))
switch_day <- ifelse(group == "control" & runif(n) < plogis(0.8 + 0.8 * health), progression, Inf)
days <- ifelse(group == "treated", base * exp(-effect),
               ifelse(base > switch_day, switch_day + (base - switch_day) * exp(-effect), base))
days <- ceiling(days)
time <- pmin(days, cutoff); event <- as.integer(days <= cutoff)
on <- ifelse(group == "treated", time, pmax(time - switch_day, 0))
trial <- list(time = time, event = event, group = group, treated = on, potential = cutoff,
              strata = strata)

cc <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 50)

untreated <- function(d, psi) {
  u <- d$time - d$treated + exp(psi) * d$treated
  last <- pmin(d$potential, d$potential * exp(psi))
  for (arm in unique(d$group)) {
    own <- d$group == arm
    if (all(d$treated[own] == 0) || all(d$treated[own] == d$time[own])) last[own] <- Inf
  }
  late <- u > last + 1e-9
  list(time = ifelse(late, last, u), event = ifelse(late, 0, d$event))
}
statistic <- function(d, psi, stratified) {
  u <- untreated(d, psi)
  s <- if (stratified) d$strata else rep(1, length(u$time))
  fit <- survdiff(Surv(u$time, u$event) ~ d$group + strata(s))
  o <- rowSums(as.matrix(fit$obs)); e <- rowSums(as.matrix(fit$exp))
  (o[2] - e[2]) / sqrt(fit$var[2, 2])
}
crossings <- function(d, grid, z, target, stratified) {
  out <- c()
  for (i in which(diff(z > target) != 0)) {
    a <- grid[i]; b <- grid[i + 1]; up <- z[i] > target
    for (k in 1:50) {
      m <- (a + b) / 2
      if ((statistic(d, m, stratified) > target) == up) a <- m else b <- m
    }
    out <- c(out, (a + b) / 2)
  }
  out
}
estimate <- function(d, stratified) {
  grid <- seq(-3, 3, length.out = 6001)
  z <- sapply(grid, function(psi) statistic(d, psi, stratified))
  zero <- crossings(d, grid, z, 0, stratified)
  psi <- (min(zero) + max(zero)) / 2
  limits <- c(crossings(d, grid, z, qnorm(0.975), stratified),
              crossings(d, grid, z, qnorm(0.025), stratified))
  u <- untreated(d, psi)
  treated <- d$group == "treated"
  s <- if (stratified) d$strata else rep(1, length(treated))
  t <- ifelse(treated, d$time, u$time); e <- ifelse(treated, d$event, u$event)
  fit <- coxph(Surv(t, e) ~ treated + strata(s), control = cc)
  z0 <- statistic(d, 0, stratified)
  reach <- abs(coef(fit)) * qnorm(0.975) / abs(z0)
  list(stratified = stratified, psi = psi, lower = min(limits), upper = max(limits),
       at = c(-1.2, -0.4, 0, 0.7),
       z = sapply(c(-1.2, -0.4, 0, 0.7), function(p) statistic(d, p, stratified)),
       untreated_time = u$time, untreated_event = u$event == 1,
       hazard_ratio = unname(exp(coef(fit))),
       hazard_ratio_interval = unname(exp(coef(fit) + c(-1, 1) * reach)))
}

# Rows of 60 days; controls may cross over after progression, and leave when they do
wide <- data.frame(id = seq_len(n), time, event, group, strata, health, progression, switch_day)
wide$stop <- pmin(wide$time, wide$switch_day)
wide$died <- as.integer(wide$event == 1 & wide$time < wide$switch_day)
wide$crossed <- as.integer(wide$switch_day < wide$time)
wide$died[wide$crossed == 1] <- 0
cuts <- seq(60, 1080, 60)
long <- survSplit(Surv(stop, died) ~ ., wide, cut = cuts, start = "entry", end = "stop")
last <- !duplicated(long$id, fromLast = TRUE)
long$crossed <- long$crossed * last
long$eligible <- as.integer(long$group == "control" & long$stop >= long$progression)
long$month <- long$entry / 30
den <- glm(crossed ~ health + month, binomial, long, subset = eligible == 1,
           control = list(epsilon = 1e-15, maxit = 60))
num <- glm(crossed ~ month, binomial, long, subset = eligible == 1,
           control = list(epsilon = 1e-15, maxit = 60))
long$pd <- ifelse(long$eligible == 1, predict(den, long, type = "response"), 0)
long$pn <- ifelse(long$eligible == 1, predict(num, long, type = "response"), 0)
x <- model.matrix(den)  # vcov() is of the last iteration but one
information <- crossprod(x, fitted(den) * (1 - fitted(den)) * x)
before <- function(x, id) ave(x, id, FUN = function(v) c(1, cumprod(v)[-length(v)]))
long$w <- 1 / before(1 - long$pd, long$id)
long$sw <- before(1 - long$pn, long$id) * long$w
long$arm <- as.integer(long$group == "treated")
weighted <- lapply(c("w", "sw"), function(which) {
  long$use <- long[[which]]
  fit <- coxph(Surv(entry, stop, died) ~ arm + strata(strata), long, weights = use, cluster = id,
               control = cc)
  list(log_hazard_ratio = unname(coef(fit)), standard_error = sqrt(fit$var[1, 1]))
})
out <- list(
  made_by = paste(R.version.string, "survival", packageVersion("survival")), trial = trial,
  effect = effect, estimates = list(estimate(trial, FALSE), estimate(trial, TRUE)),
  rows = with(long, list(subject = id, entry = entry, time = stop, event = died, arm = arm,
                         strata = strata, crossed = crossed, eligible = eligible, health = health,
                         month = month)),
  model = list(coefficient = unname(coef(den)), covariance = unname(solve(information))),
  weights = long$w, stabilised = long$sw, cox = weighted[[1]], cox_stabilised = weighted[[2]]
)
jsonlite::write_json(out, "crossover.json", digits = I(17), auto_unbox = TRUE, na = "null")
