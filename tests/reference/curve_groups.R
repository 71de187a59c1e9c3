# SPDX-License-Identifier: Apache-2.0
# The oracle of test_curve_groups.py. Run by hand when it must change:  Rscript curve_groups.R
# Needs r-cran-survival.
suppressMessages(library(survival))

numbers <- function(x) unname(as.numeric(x))
curves <- function(time, status, group, entry = NULL) {
  y <- if (is.null(entry)) Surv(time, status) else Surv(entry, time, status)
  fit <- survfit(y ~ group, conf.type = "log-log")
  list(time_days = numbers(time), event = numbers(status), group = as.character(group), entry = entry,
       groups = sub("group=", "", names(fit$strata)), sizes = numbers(fit$strata), time = fit$time,
       at_risk = fit$n.risk, events = fit$n.event, survival = fit$surv, lower = fit$lower, upper = fit$upper,
       medians = numbers(quantile(fit, 0.5)$quantile))
}
out <- list(
  made_by = paste(R.version.string, "survival", packageVersion("survival")),
  aml = curves(aml$time, aml$status, aml$x),
  veteran = curves(veteran$time, veteran$status, veteran$celltype),
  # some are seen from a later day on
  late = with(veteran[veteran$time > 20, ], curves(time, status, celltype, entry = seq_along(time) %% 20))
)
jsonlite::write_json(out, "curve_groups.json", digits = I(17), auto_unbox = TRUE, na = "null", null = "null")
