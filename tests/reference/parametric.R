# SPDX-License-Identifier: Apache-2.0
# The oracle of test_parametric.py. Run by hand when it must change:  Rscript parametric.R
suppressMessages(library(survival))

numbers <- function(x) unname(as.numeric(x))
data <- list(
  aml = with(aml, list(time = time, event = status, x1 = as.integer(x == "Nonmaintained"))),
  lung = with(subset(lung, !is.na(ph.ecog)), list(
    time = time, event = status - 1, x1 = age, x2 = sex, x3 = ph.ecog,
    weights = rep(c(1, 2, 0.5), length.out = 227)
  )),
  ovarian = with(ovarian, list(time = futime, event = fustat, x1 = age, x2 = rx))
)
control <- survreg.control(rel.tolerance = 1e-15, maxiter = 100)

model <- function(name, columns, distribution, weighted = FALSE) {
  d <- as.data.frame(data[[name]])
  d$w <- if (weighted) d$weights else 1
  right <- if (length(columns)) paste(columns, collapse = " + ") else "1"
  f <- as.formula(paste("Surv(time, event) ~", right))
  fit <- survreg(f, d, weights = w, dist = distribution, control = control)
  at <- data.frame(t(colMeans(d[columns]) + 0.5))
  if (!length(columns)) at <- data.frame(none = 1)
  p <- c(0.1, 0.5, 0.9)
  q <- predict(fit, at, type = "uquantile", p = p, se.fit = TRUE)
  z <- qnorm(0.975)
  list(
    data = name, columns = as.list(columns), distribution = distribution, weighted = weighted,
    coefficient = numbers(coef(fit)), scale = fit$scale, covariance = unname(as.matrix(fit$var)),
    log_likelihood = fit$loglik, at = if (length(columns)) numbers(at) else list(), p = p,
    quantile = numbers(exp(q$fit)), quantile_lower = numbers(exp(q$fit - z * q$se.fit)),
    quantile_upper = numbers(exp(q$fit + z * q$se.fit))
  )
}
models <- list()
for (distribution in c("weibull", "exponential")) {
  models <- c(models, list(
    model("aml", "x1", distribution), model("aml", character(), distribution),
    model("lung", c("x1", "x2", "x3"), distribution), model("ovarian", c("x1", "x2"), distribution),
    model("lung", c("x1", "x2"), distribution, weighted = TRUE)
  ))
}

pieces <- function(name, cuts, delayed = FALSE) {
  d <- as.data.frame(data[[name]])
  d$entry <- if (delayed) floor(d$time / 3) else 0
  long <- survSplit(Surv(entry, time, event) ~ ., d, cut = cuts, episode = "period")
  sums <- sapply(seq_len(length(cuts) + 1), function(k) {
    own <- long[long$period == k, ]
    c(sum(own$event), sum(own$time - own$entry))
  })
  limits <- apply(sums, 2, function(one) poisson.test(one[1], one[2])$conf.int)
  fit <- glm(event ~ 0 + factor(period) + offset(log(time - entry)), poisson, long,
             control = list(epsilon = 1e-15, maxit = 60))
  list(data = name, cuts = cuts, delayed = delayed, events = sums[1, ], exposure = sums[2, ],
       rate = numbers(exp(coef(fit))), lower = limits[1, ], upper = limits[2, ],
       at = c(10, 100, 400),
       survival = sapply(c(10, 100, 400), function(t) {
         low <- c(0, cuts); high <- c(cuts, Inf)
         exp(-sum(pmax(pmin(t, high) - low, 0) * exp(coef(fit))))
       }))
}
out <- list(
  made_by = paste(R.version.string, "survival", packageVersion("survival")), data = data,
  models = models,
  pieces = list(pieces("aml", c(12, 30)), pieces("lung", c(90, 180, 365)),
                pieces("lung", c(90, 180, 365), TRUE), pieces("ovarian", c(200, 400)))
)
jsonlite::write_json(out, "parametric.json", digits = I(17), auto_unbox = TRUE, na = "null")
