# SPDX-License-Identifier: Apache-2.0
# The oracle of test_survival.py. Run by hand when it must change:  Rscript survival.R
# Data sets are stored once, times in days; every result names the data set it is of.
suppressMessages(library(survival))

numbers <- function(x) unname(as.numeric(x))
rows <- list(
  aml = with(aml, list(time = time, event = status, group = as.character(x))),
  lung = with(lung, list(
    time = time, event = status - 1, group = sex, x1 = age, x2 = sex,
    strata = ifelse(is.na(ph.ecog), 0, ph.ecog)
  )),
  veteran = with(veteran, list(
    time = time, event = status, group = as.character(celltype), x1 = karno, x2 = age, x3 = trt,
    strata = prior, weights = rep(c(1, 2, 3), length.out = 137)
  )),
  ovarian = with(ovarian, list(
    time = futime, event = fustat, group = rx, x1 = age, x2 = resid.ds, strata = ecog.ps
  )),
  kidney = with(kidney, list(
    time = time, event = status, group = sex, x1 = age, x2 = sex, cluster = id,
    weights = rep(c(0.5, 1.25), 38)
  )),
  # delayed entry, several records a subject
  heart = with(subset(heart, stop > start & stop == floor(stop)), list(
    entry = start, time = stop, event = event, group = as.integer(as.character(transplant)),
    x1 = age, x2 = as.integer(as.character(transplant)), strata = surgery, cluster = id
  )),
  # many ties: a quarter of the subjects, days rounded up to 90
  colon = with(subset(colon, etype == 2 & id %% 4 == 0), list(
    time = 90 * ceiling(time / 90), event = status, group = as.character(rx), x1 = node4,
    x2 = extent, strata = differ
  )),
  # strata of very unequal hazards: the coefficient of x2 is 28, finite but for rounding
  nearly_separated = list(
    time = c(3, 3, 1, 2, 3, 4, 5, 1, 2, 2, 4), event = c(1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0),
    x1 = c(0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0), strata = c(2, 1, 2, 0, 2, 1, 1, 2, 2, 2, 1),
    x2 = c(-0.15, -0.15, 0.75, 0.79, -0.11, 1.13, -0.89, 0.69, -0.61, 0.71, -0.66),
    weights = c(0.34, 0.76, 0.45, 0.74, 1.15, 0.4, 0.75, 0.71, 0.37, 0.81, 0.45)
  ),
  # small cases in which programs disagree
  plateau = list(time = c(1, 2, 3, 4), event = c(1, 1, 1, 0)),
  plateau_to_the_end = list(time = c(1, 2, 3, 4), event = c(1, 1, 0, 0)),
  falls_to_nothing = list(time = c(1, 2, 3, 4), event = c(1, 1, 0, 1)),
  all_tied = list(time = c(5, 5, 5), event = c(1, 1, 1)),
  one_row = list(time = I(5), event = I(1)),
  all_censored = list(time = c(5, 6), event = c(0, 0)),
  censored_first = list(time = c(1, 2, 3), event = c(0, 1, 1)),
  near_ties = list(
    time = c(0.3, 0.3 + 1e-12, 1, 1 + 1e-12, 2, 2.5), event = c(1, 1, 0, 1, 1, 0)
  )
)
rows$colon$strata[is.na(rows$colon$strata)] <- 9
data <- lapply(rows, as.data.frame)

response <- function(d, delayed) {
  if (delayed) Surv(d$entry, d$time, d$event) else Surv(d$time, d$event)
}

km <- function(name, type, level = 0.95, weighted = FALSE, entry = FALSE) {
  d <- data[[name]]
  d$w <- if (weighted) d$weights else 1
  y <- response(d, entry)
  fit <- survfit(y ~ 1, data = d, weights = w, conf.type = type,
                 conf.int = level, robust = FALSE)
  p <- c(0.1, 0.25, 0.5, 0.75)
  q <- quantile(fit, p)
  at <- c(0, quantile(d$time, c(0.1, 0.3, 0.7), names = FALSE), max(d$time))
  s <- summary(fit, times = at)
  list(
    data = name, interval = type, level = level, weighted = weighted, entry = entry,
    time = fit$time, at_risk = fit$n.risk, events = fit$n.event, censored = fit$n.censor,
    survival = fit$surv, standard_error = fit$std.err * fit$surv,
    lower = fit$lower, upper = fit$upper, p = p, quantile = numbers(q$quantile),
    quantile_lower = numbers(q$lower), quantile_upper = numbers(q$upper),
    table = numbers(s$table[c("median", paste0(level, c("LCL", "UCL")))]),
    at = at, at_survival = s$surv, at_lower = s$lower, at_upper = s$upper, at_risk_at = s$n.risk,
    at_error = s$std.err,
    cumulative_hazard = fit$cumhaz, hazard_error = fit$std.chaz
  )
}

# one curve in full; of the other intervals only what differs, to keep the file small
brief <- function(case) case[!names(case) %in%
  c("at_risk", "events", "censored", "survival", "standard_error", "cumulative_hazard",
    "hazard_error")]

curves <- list()
for (name in names(data)) {
  curves <- c(curves, list(km(name, "log-log")))
  if (name %in% c("aml", "lung", "ovarian", "falls_to_nothing", "censored_first")) {
    for (type in c("log", "plain", "arcsin")) curves <- c(curves, list(brief(km(name, type))))
  }
}
curves <- c(curves, list(
  brief(km("lung", "log-log", level = 0.9)), km("veteran", "log-log", weighted = TRUE),
  km("kidney", "log", weighted = TRUE), km("heart", "log-log", entry = TRUE)
))

rank <- function(name, rho = 0, stratified = FALSE) {
  d <- data[[name]]
  d$stratum <- if (stratified) d$strata else rep(0, nrow(d))
  f <- if (stratified) Surv(time, event) ~ group + strata(stratum) else Surv(time, event) ~ group
  fit <- survdiff(f, data = d, rho = rho)
  list(
    data = name, rho = rho, stratified = stratified, observed = rowSums(as.matrix(fit$obs)),
    expected = rowSums(as.matrix(fit$exp)), variance = fit$var, chi_square = fit$chisq,
    p_value = fit$pvalue, groups = sub("^group=", "", names(fit$n))
  )
}
ranks <- list(
  rank("aml"), rank("lung"), rank("veteran"), rank("ovarian"), rank("colon"),
  rank("lung", stratified = TRUE), rank("veteran", stratified = TRUE),
  rank("colon", stratified = TRUE), rank("aml", rho = 1), rank("lung", rho = 1),
  rank("veteran", rho = 0.5), rank("lung", rho = 1, stratified = TRUE)
)

model <- function(name, columns, ties = "efron", stratified = FALSE, weighted = FALSE,
                  entry = FALSE, clustered = FALSE, zph = FALSE) {
  d <- data[[name]]
  d$stratum <- if (stratified) d$strata else 0
  d$w <- if (weighted) d$weights else 1
  d$cl <- if (clustered) d$cluster else seq_len(nrow(d))
  f <- paste(columns, collapse = " + ")
  if (stratified) f <- paste(f, "+ strata(stratum)")
  left <- if (entry) "Surv(entry, time, event)" else "Surv(time, event)"
  f <- as.formula(paste(left, "~", f))
  control <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 50)
  fit <- if (ties == "exact") {
    coxph(f, d, ties = "exact", control = control)
  } else if (clustered) {
    coxph(f, d, weights = w, ties = ties, control = control, cluster = cl)
  } else {
    coxph(f, d, weights = w, ties = ties, control = control, robust = FALSE)
  }
  s <- summary(fit)
  out <- list(
    data = name, columns = as.list(columns), ties = ties, stratified = stratified,
    weighted = weighted, entry = entry, clustered = clustered,
    log_hazard_ratio = numbers(coef(fit)), covariance = unname(fit$var),
    lower = numbers(s$conf.int[, 3]), upper = numbers(s$conf.int[, 4]),
    p_value = numbers(s$coefficients[, ncol(s$coefficients)]),
    log_likelihood = numbers(fit$loglik), wald = unname(fit$wald.test), score = fit$score
  )
  if (zph) {
    out$zph <- lapply(
      setNames(nm = c("km", "identity", "rank", "log")),
      function(how) numbers(cox.zph(fit, transform = how)$table[, "chisq"])
    )
  }
  out
}
models <- list()
for (ties in c("efron", "breslow", "exact")) {
  models <- c(models, list(
    model("lung", c("x1", "x2"), ties), model("veteran", c("x1", "x2", "x3"), ties, TRUE),
    model("colon", c("x1", "x2"), ties), model("ovarian", c("x1", "x2"), ties)
  ))
}
for (ties in c("efron", "breslow")) {
  models <- c(models, list(
    model("veteran", c("x1", "x3"), ties, weighted = TRUE, zph = TRUE),
    model("kidney", c("x1", "x2"), ties, weighted = TRUE, clustered = TRUE),
    model("heart", c("x1", "x2"), ties, entry = TRUE, zph = TRUE),
    model("heart", c("x1", "x2"), ties, entry = TRUE, stratified = TRUE, clustered = TRUE)
  ))
}
models <- c(models, list(
  model("lung", "x1", zph = TRUE), model("colon", c("x1", "x2"), stratified = TRUE, zph = TRUE),
  model("kidney", c("x1", "x2"), clustered = TRUE)
))
nearly <- model("nearly_separated", c("x1", "x2"), stratified = TRUE, weighted = TRUE)

# does the effect of sex in lung depend on the age group? by likelihood ratio, with strata
d <- transform(data$lung, old = as.integer(cut(x1, c(0, 56, 69, 99))))
small <- coxph(Surv(time, event) ~ x2 + factor(old) + strata(strata), d)
large <- coxph(Surv(time, event) ~ x2 * factor(old) + strata(strata), d)
interaction <- list(
  subgroup_cuts = c(56, 69), statistic = 2 * (large$loglik[2] - small$loglik[2]),
  log_likelihood = c(small$loglik[2], large$loglik[2])
)

means <- lapply(
  list(list("aml", 30), list("lung", 500), list("lung", 365), list("colon", 1800)),
  function(case) {
    fit <- survfit(Surv(time, event) ~ 1, data[[case[[1]]]])
    t <- survival:::survmean(survfit0(fit), rmean = case[[2]])$matrix
    list(data = case[[1]], horizon = case[[2]], mean = t[["rmean"]],
         standard_error = t[["se(rmean)"]])
  }
)

follow_up <- lapply(c("lung", "ovarian", "aml"), function(name) {
  q <- quantile(survfit(Surv(time, 1 - event) ~ 1, data[[name]], conf.type = "log-log"),
                c(0.25, 0.5, 0.75))
  list(data = name, quartiles = numbers(q$quantile), lower = numbers(q$lower)[2],
       upper = numbers(q$upper)[2])
})

m <- subset(mgus2, id %% 6 == 0)
m$months <- with(m, ifelse(pstat == 1, ptime, futime))
m$cause <- with(m, ifelse(pstat == 1, 1, 2 * death))
fit <- survfit(Surv(months, factor(cause, 0:2)) ~ 1, m, conf.type = "log")
loglog <- survfit(Surv(months, factor(cause, 0:2)) ~ 1, m, conf.type = "log-log")
incidence <- list(
  months = m$months, cause = m$cause, time = fit$time, at_risk = fit$n.risk[, 1],
  incidence = fit$pstate[, 2:3], standard_error = fit$std.err[, 2:3],
  lower = list("log" = fit$lower[, 2:3], "log-log" = loglog$lower[, 2:3]),
  upper = list("log" = fit$upper[, 2:3], "log-log" = loglog$upper[, 2:3])
)

out <- list(
  made_by = paste(R.version.string, "survival", packageVersion("survival")),
  data = rows, curves = curves, ranks = ranks, models = models, nearly_separated = nearly,
  interaction = interaction,
  means = means, follow_up = follow_up, incidence = incidence
)
jsonlite::write_json(out, "survival.json", digits = I(17), auto_unbox = TRUE, na = "null")
