# Spearman's rank correlation with ties, for tests/dosimetry/test_dose_effect.py
# Run:  Rscript dose_effect.R > dose_effect.json
library(jsonlite)
cases <- list(
  list(dose = c(20, 35, 35, 50, 80, 120, 95), effect = c(5, -10, -12, -12, -40, -38, -60)),
  list(dose = c(3.1, 4.4, 5.9, 9.2, 12.4, 13, 15.5, 22), effect = c(0, 1, 0, 1, 0, 2, 1, 3))
)
found <- lapply(cases, function(case) {
  test <- cor.test(case$dose, case$effect, method = "spearman", exact = FALSE)
  c(case, list(rho = unname(test$estimate), p_value = test$p.value))
})
cat(toJSON(list(r = R.version.string, cases = found), digits = NA, auto_unbox = TRUE, pretty = TRUE))
