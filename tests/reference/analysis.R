# SPDX-License-Identifier: Apache-2.0
# The oracle of tests/analysis. Run by hand when it must change:  Rscript analysis.R
# A small trial with two strata, a subgroup variable and tied times; R answers what analyse answers.
library(survival)

set.seed(20240605)
n <- 60
trial <- data.frame(
  arm = rep(c("LU", "LU", "CONTROL"), n / 3),
  grade = sample(c("2", "3"), n, TRUE, c(0.65, 0.35)),
  origin = sample(c("PANCREAS", "OTHER"), n, TRUE),
  sex = sample(c("F", "M"), n, TRUE),
  age = sample(30:80, n, TRUE)
)
rate <- ifelse(trial$arm == "LU", 0.4, 1) * ifelse(trial$grade == "3", 1.6, 1) / 300
event_day <- ceiling(rexp(n, rate) / 14) * 14 # visits every two weeks, so times are tied
censor_day <- ceiling(runif(n, 100, 900))
trial$days <- pmin(event_day, censor_day)
trial$event <- event_day <= censor_day
trial$response <- rbinom(n, 1, ifelse(trial$arm == "LU", 0.5, 0.2)) == 1
trial$lu <- as.numeric(trial$arm == "LU")

fit <- survfit(Surv(days, event) ~ arm, data = trial, conf.type = "log-log")
quartile <- function(p) {
  found <- quantile(fit, p)
  lapply(list(estimate = found$quantile, lower = found$lower, upper = found$upper), function(x) {
    as.list(setNames(x, sub("arm=", "", names(fit$strata))))
  })
}
at_year <- summary(fit, times = 365)
ratio <- function(model) {
  found <- summary(model)
  c(unname(found$conf.int["lu", c(1, 3, 4)]), unname(found$coefficients["lu", "Pr(>|z|)"]))
}
test <- survdiff(Surv(days, event) ~ arm + strata(grade, origin), data = trial)
observed <- rowSums(test$obs)["2"]
stratified <- coxph(Surv(days, event) ~ lu + strata(grade, origin), data = trial)
plain <- coxph(Surv(days, event) ~ lu, data = trial)
in_sex <- function(level) ratio(coxph(Surv(days, event) ~ lu, data = trial[trial$sex == level, ]))
main <- coxph(Surv(days, event) ~ lu + sex, data = trial)
crossed <- coxph(Surv(days, event) ~ lu * sex, data = trial)
reverse <- survfit(Surv(days, !event) ~ 1, data = trial, conf.type = "log-log")

responders <- table(
  factor(trial$arm, c("LU", "CONTROL")), factor(trial$response, c(TRUE, FALSE)),
  interaction(trial$grade, trial$origin)
)
cmh <- mantelhaen.test(responders, correct = FALSE)
exact <- fisher.test(apply(responders, 1:2, sum), alternative = "greater")

out <- list(
  made_by = paste(R.version.string, "survival", packageVersion("survival")),
  trial = trial[c("arm", "grade", "origin", "sex", "age", "days", "event", "response")],
  median = quartile(0.5), quartile_25 = quartile(0.25),
  at_year = list(
    arm = sub("arm=", "", at_year$strata), estimate = at_year$surv,
    lower = at_year$lower, upper = at_year$upper
  ),
  logrank = list(chi_square = test$chisq, expected_lu = sum(test$exp[2, ])),
  stratified = ratio(stratified), plain = ratio(plain),
  female = in_sex("F"), male = in_sex("M"),
  interaction_p = anova(main, crossed)[["Pr(>|Chi|)"]][2],
  reverse = unname(summary(reverse)$table[c("median", "0.95LCL", "0.95UCL")]),
  cmh = list(
    odds_ratio = unname(cmh$estimate), interval = cmh$conf.int, chi_square = unname(cmh$statistic)
  ),
  fisher_greater = exact$p.value,
  age = unname(quantile(trial$age[trial$arm == "LU"], c(0.25, 0.5, 0.75), type = 2))
)
jsonlite::write_json(out, "analysis.json", digits = 15, auto_unbox = TRUE, dataframe = "columns")
