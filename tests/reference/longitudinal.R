# SPDX-License-Identifier: Apache-2.0
# The oracle of test_longitudinal.py. Run by hand when it must change:  Rscript longitudinal.R
# Needs r-cran-nlme, r-cran-lmertest and r-cran-numderiv; takes some four minutes.
# gls and lmer stop where their optimiser does, so the restricted likelihood is also written out
# here and climbed from there by Newton's method, with Richardson's differences for derivatives.
suppressMessages({library(nlme); library(lmerTest)})

# Growth of the pituitary-to-pterygomaxillary distance in 27 children: Potthoff and Roy,
# Biometrika 1964;51:313, in nlme. A third of the visits of some are left out to make it ragged.
growth <- as.data.frame(Orthodont)
growth <- data.frame(value = growth$distance, subject = as.character(growth$Subject),
                     visit = match(growth$age, c(8, 10, 12, 14)), arm = as.character(growth$Sex))
ragged <- growth[-c(3, 4, 8, 23, 24, 35, 47, 48, 60, 77, 81, 90, 104), ]

# Thirty-six subjects of three arms, five visits, dropping out late ones more often
set.seed(20250117)
n <- 36; v <- 5
decline <- exp(-0.25 * abs(outer(1:v, 1:v, "-"))) * outer(4 + 1:v, 4 + 1:v)
base <- round(rnorm(n, 60, 12), 1); age <- round(rnorm(n, 70, 6))
arm <- rep(c("control", "low", "high"), n / 3)
wide <- matrix(rnorm(n * v), n) %*% chol(decline) + outer(0.3 * (base - 60), rep(1, v)) +
  outer(c(control = 0, low = 2, high = 5)[arm], 1:v / 2) - outer(0.1 * (age - 70), 1:v)
trial <- data.frame(value = round(c(t(wide)), 1), subject = rep(sprintf("%03d", 1:n), each = v),
                    visit = rep(1:v, n), arm = rep(arm, each = v), base = rep(base, each = v),
                    age = rep(age, each = v))
gone <- rep(sample(2:9, n, TRUE), each = v)
trial <- trial[trial$visit <= gone & runif(nrow(trial)) > 0.06, ]

cases <- list(
  list(name = "growth, unstructured", data = growth, covariance = "unstructured"),
  list(name = "growth with gaps, unstructured", data = ragged, covariance = "unstructured"),
  list(name = "growth with gaps, compound symmetry", data = ragged, covariance = "compound-symmetry"),
  list(name = "growth with gaps, autoregressive", data = ragged, covariance = "autoregressive"),
  list(name = "trial, unstructured", data = trial, covariance = "unstructured", slopes = "by-visit"),
  list(name = "trial, unstructured, common slopes", data = trial, covariance = "unstructured", slopes = "common"),
  list(name = "trial, heterogeneous autoregressive", data = trial, covariance = "heterogeneous-autoregressive", slopes = "by-visit"),
  list(name = "trial, autoregressive", data = trial, covariance = "autoregressive", slopes = "common"),
  list(name = "trial, compound symmetry", data = trial, covariance = "compound-symmetry", slopes = "by-visit")
)

# Covariance of v visits from free parameters: log deviations, then the transformed correlations
pattern <- function(kind, v) {
  lag <- abs(outer(1:v, 1:v, "-"))
  switch(kind,
    "unstructured" = list(q = v * (v + 1) / 2, f = function(p) {
      l <- matrix(0, v, v); l[lower.tri(l, TRUE)] <- p; diag(l) <- exp(diag(l)); l %*% t(l) }),
    "heterogeneous-autoregressive" = list(q = v + 1, f = function(p)
      outer(exp(p[1:v]), exp(p[1:v])) * tanh(p[v + 1])^lag),
    "autoregressive" = list(q = 2, f = function(p) exp(2 * p[1]) * tanh(p[2])^lag),
    "compound-symmetry" = list(q = 2, f = function(p) exp(2 * p[1]) * ifelse(lag == 0, 1, tanh(p[2]))))
}

solve_case <- function(case) {
  d <- case$data; d$cell <- interaction(d$arm, d$visit, sep = "|", lex.order = TRUE)
  d <- d[order(d$subject, d$visit), ]
  v <- max(d$visit); d$f <- factor(d$visit); d$arm <- factor(d$arm)
  formula <- value ~ arm * f
  if (!is.null(case$slopes)) formula <- if (case$slopes == "common") value ~ arm * f + base + age else value ~ arm * f + (base + age) * f
  correlation <- switch(case$covariance,
    "unstructured" = corSymm(form = ~ visit | subject), "compound-symmetry" = corCompSymm(form = ~ 1 | subject),
    corAR1(form = ~ visit | subject))
  spread <- if (case$covariance %in% c("unstructured", "heterogeneous-autoregressive")) varIdent(form = ~ 1 | f)
  fit <- gls(formula, d, correlation = correlation, weights = spread, method = "REML",
             control = glsControl(maxIter = 500, msMaxIter = 500, tolerance = 1e-12, msTol = 1e-12, opt = "nlminb",
                                  apVar = TRUE))

  # the restricted likelihood written out, over the same fixed effects in cells
  x <- model.matrix(formula, d); y <- d$value
  rows <- split(seq_along(y), d$subject)
  shape <- pattern(case$covariance, v)
  pieces <- function(p) {
    sigma <- shape$f(p); xx <- 0; xy <- 0; yy <- 0; volume <- 0
    for (r in rows) {
      s <- sigma[d$visit[r], d$visit[r], drop = FALSE]; a <- solve(s)
      xx <- xx + t(x[r, , drop = FALSE]) %*% a %*% x[r, , drop = FALSE]
      xy <- xy + t(x[r, , drop = FALSE]) %*% a %*% y[r]
      yy <- yy + drop(y[r] %*% a %*% y[r]); volume <- volume + determinant(s)$modulus
    }
    beta <- solve(xx, xy)
    list(beta = beta, cov = solve(xx), value = -0.5 * as.numeric((length(y) - ncol(x)) * log(2 * pi) + volume +
      determinant(xx)$modulus + yy - sum(xy * beta)))
  }
  # begin where gls ended
  between <- diag(v)
  sd <- rep(fit$sigma, v)
  if (!is.null(spread)) sd <- fit$sigma * coef(fit$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)[as.character(1:v)]
  rho <- coef(fit$modelStruct$corStruct, unconstrained = FALSE)
  begin <- switch(case$covariance,
    "unstructured" = { r <- diag(v); r[lower.tri(r)] <- rho; r <- r + t(r) - diag(v)
      l <- t(chol(r * outer(sd, sd))); diag(l) <- log(diag(l)); l[lower.tri(l, TRUE)] },
    "heterogeneous-autoregressive" = c(log(sd), atanh(rho)), c(log(sd[1]), atanh(rho)))
  value <- function(p) pieces(p)$value
  at <- begin
  for (round in 1:30) {                       # Newton by differences, to the last digits there are
    g <- numDeriv::grad(value, at); h <- numDeriv::hessian(value, at)
    step <- solve(h, g); at <- at - step
    if (max(abs(step)) < 1e-9) break
  }
  here <- pieces(at)
  # degrees of freedom after Satterthwaite, derivatives by Richardson's differences
  grid <- expand.grid(f = levels(d$f), arm = levels(d$arm))
  if (!is.null(case$slopes)) { grid$base <- mean(d$base); grid$age <- mean(d$age) }
  l <- model.matrix(delete.response(terms(formula)), grid)
  variances <- function(p) { cov <- pieces(p)$cov; rowSums((l %*% cov) * l) }
  jac <- numDeriv::jacobian(variances, at); a <- solve(-numDeriv::hessian(value, at))
  df <- 2 * variances(at)^2 / rowSums((jac %*% a) * jac)
  first <- l[grid$arm == levels(d$arm)[1], , drop = FALSE]
  others <- which(grid$arm != levels(d$arm)[1])
  ld <- l[others, ] - first[rep(1:v, length(others) / v), ]
  gaps <- function(p) { cov <- pieces(p)$cov; rowSums((ld %*% cov) * ld) }
  jacd <- numDeriv::jacobian(gaps, at)
  dfd <- 2 * gaps(at)^2 / rowSums((jacd %*% a) * jacd)
  out <- list(
    name = case$name, covariance = case$covariance, slopes = case$slopes,
    data = as.list(d[setdiff(names(case$data), "cell")]),
    arms = levels(d$arm), between = shape$f(at), log_likelihood = value(at),
    means = drop(l %*% here$beta), mean_errors = sqrt(variances(at)), mean_df = df,
    differences = drop(ld %*% here$beta), difference_errors = sqrt(gaps(at)), difference_df = dfd,
    difference_p = 2 * pt(-abs(drop(ld %*% here$beta) / sqrt(gaps(at))), dfd),
    gls = list(log_likelihood = as.numeric(logLik(fit)), means = drop(l %*% coef(fit)),
               mean_errors = sqrt(rowSums((l %*% vcov(fit)) * l)), df = fit$dims$N - fit$dims$p))
  if (case$covariance == "compound-symmetry") {
    fit <- lmer(update(formula, . ~ . + (1 | subject)), d, REML = TRUE)
    m <- contest(fit, l, joint = FALSE)
    out$lmer <- list(log_likelihood = as.numeric(logLik(fit)), means = m$Estimate, mean_errors = m$`Std. Error`, df = m$df)
  }
  out
}

out <- list(
  made_by = paste(R.version.string, "nlme", packageVersion("nlme"),
                  "lmerTest", packageVersion("lmerTest"), "numDeriv", packageVersion("numDeriv")),
  cases = lapply(cases, solve_case))
jsonlite::write_json(out, "longitudinal.json", digits = I(17), auto_unbox = TRUE, na = "null", null = "null")
