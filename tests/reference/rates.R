# SPDX-License-Identifier: Apache-2.0
# The oracle of test_rates.py. Run by hand when it must change:  Rscript rates.R
suppressMessages(library(jsonlite))
cases <- list(
  list(events = 0, exposure = 12.5, level = 0.95), list(events = 1, exposure = 0.4, level = 0.95),
  list(events = 3, exposure = 199.4, level = 0.9), list(events = 136, exposure = 35.36, level = 0.95),
  list(events = 664, exposure = 199.389459, level = 0.99)
)
found <- lapply(cases, function(one) {
  test <- poisson.test(one$events, one$exposure, conf.level = one$level)
  c(one, list(estimate = unname(test$estimate), lower = test$conf.int[1], upper = test$conf.int[2]))
})
made_by <- R.version.string
write(toJSON(list(made_by = made_by, cases = found), auto_unbox = TRUE, digits = 15), "rates.json")
