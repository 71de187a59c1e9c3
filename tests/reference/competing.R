# SPDX-License-Identifier: Apache-2.0
# The oracle of test_competing.py. Run by hand when it must change:  Rscript competing.R
# Needs r-cran-cmprsk beside r-cran-survival.
suppressMessages({library(survival); library(cmprsk)})
set.seed(20240601)

numbers <- function(x) unname(as.numeric(x))
m <- subset(mgus2, id %% 4 == 0 & !is.na(hgb))
data <- list(
  # malignancy before death in monoclonal gammopathy, months; many ties
  mgus = with(m, list(
    time = ifelse(pstat == 1, ptime, futime), cause = ifelse(pstat == 1, 1, 2 * death),
    group = as.character(sex), strata = findInterval(age, c(65, 75)), x1 = age, x2 = hgb,
    x3 = as.integer(sex == "M")
  ))
)
n <- 150
x1 <- rbinom(n, 1, 0.5); x2 <- round(rnorm(n), 3)
hazards <- cbind(0.02 * exp(0.7 * x1), 0.015 * exp(0.4 * x2), 0.01)
made <- list(
  cause = apply(hazards, 1, function(h) sample(c(1, 2, 0), 1, prob = h)),
  group = sample(c("a", "b", "c"), n, TRUE), strata = sample(1:3, n, TRUE), x1 = x1, x2 = x2
)
# no two times alike
data$apart <- c(list(time = sample(5:900, n)), made)
# all on a grid of eleven visits
data$tied <- c(list(time = 30 * ceiling(rexp(n, rowSums(hazards)) / 12) %% 330 + 30), made)
small <- list(
  time = c(1, 2, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9), cause = c(1, 2, 0, 1, 1, 2, 0, 1, 2, 1, 0, 1),
  group = rep(c("a", "b"), 6), strata = rep(c(1, 1, 2), 4), x1 = rep(0:1, 6)
)
data$small <- small

gray <- function(name, of, rho = 0, stratified = FALSE) {
  d <- data[[name]]
  fit <- if (stratified) {
    cuminc(d$time, d$cause, d$group, d$strata, rho = rho)
  } else {
    cuminc(d$time, d$cause, d$group, rho = rho)
  }
  test <- fit$Tests[as.character(of), ]
  list(data = name, of = of, rho = rho, stratified = stratified, chi_square = test[["stat"]],
       degrees_of_freedom = test[["df"]], p_value = test[["pv"]])
}
grays <- list()
for (name in names(data)) for (of in 1:2) for (stratified in c(FALSE, TRUE))
  grays <- c(grays, list(gray(name, of, 0, stratified)))
grays <- c(grays, list(gray("mgus", 1, 1), gray("apart", 1, 0.5), gray("tied", 2, 1, TRUE),
                       gray("tied", 1, -1)))

authors <- function(name, of, columns) {
  d <- as.data.frame(data[[name]])
  x <- as.matrix(d[columns])
  fit <- crr(d$time, d$cause, x, failcode = of)
  null <- fit$loglik.null
  # crr stops when the likelihood no longer rises, some digits early: four plain Newton steps more
  for (step in 1:4) {
    init <- fit$coef + solve(fit$inf, fit$score)
    fit <- crr(d$time, d$cause, x, failcode = of, init = init, maxiter = 0)
  }
  at <- colMeans(x) + 0.1
  curve <- predict(fit, matrix(at, 1))
  list(data = name, of = of, columns = as.list(columns), log_hazard_ratio = numbers(fit$coef),
       covariance = unname(fit$var), log_likelihood = numbers(c(null, fit$loglik)),
       at = unname(at), curve_time = curve[, 1], incidence = curve[, 2])
}
therneau <- function(name, of, columns, stratified = FALSE, ties = "efron") {
  d <- as.data.frame(data[[name]])
  d$id <- seq_len(nrow(d))
  d$level <- d$strata
  d$cause <- factor(d$cause, 0:2)
  levels(d$cause) <- c("censored", "one", "two")
  what <- c("one", "two")[of]
  f <- paste("Surv(time, cause) ~", paste(c(columns, "id", "level"), collapse = " + "))
  if (stratified) f <- paste(f, "+ strata(level)")
  long <- finegray(as.formula(f), d, etype = what)
  g <- paste("Surv(fgstart, fgstop, fgstatus) ~", paste(columns, collapse = " + "))
  if (stratified) g <- paste(g, "+ strata(level)")
  fit <- coxph(as.formula(g), long, weights = fgwt, cluster = id, ties = ties,
               control = coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 50))
  list(data = name, of = of, columns = as.list(columns), stratified = stratified, ties = ties,
       log_hazard_ratio = numbers(coef(fit)), covariance = unname(fit$var),
       log_likelihood = numbers(fit$loglik))
}
out <- list(
  made_by = paste(R.version.string, "survival", packageVersion("survival"),
                  "cmprsk", packageVersion("cmprsk")),
  data = data, gray = grays,
  cmprsk = list(
    authors("mgus", 1, c("x1", "x2", "x3")), authors("mgus", 2, "x1"),
    authors("apart", 1, c("x1", "x2")), authors("apart", 2, "x2"),
    authors("tied", 1, c("x1", "x2")), authors("small", 1, "x1")
  ),
  survival = list(
    therneau("apart", 1, c("x1", "x2")), therneau("apart", 2, "x2"),
    therneau("mgus", 1, c("x1", "x2", "x3")), therneau("mgus", 1, c("x1", "x3"), TRUE),
    therneau("tied", 1, c("x1", "x2")), therneau("tied", 2, c("x1", "x2"), TRUE),
    therneau("small", 1, "x1")
  )
)
jsonlite::write_json(out, "competing.json", digits = I(17), auto_unbox = TRUE, na = "null")
