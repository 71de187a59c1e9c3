# SPDX-License-Identifier: Apache-2.0
# The oracle of test_evidence.py. Run by hand when it must change:  Rscript published.R
# The counts were typed from the papers a second time, apart from the documents under test.

two <- function(a, n, b, m) matrix(c(a, n - a, b, m - b), 2, byrow = TRUE)
fisher <- function(a, b, n = 111, m = 110) fisher.test(two(a, n, b, m))$p.value
exact <- function(x, n) 100 * as.numeric(binom.test(x, n)$conf.int)
wald <- function(x, n) {
  p <- x / n
  100 * pmin(pmax(p + c(-1, 1) * qnorm(0.975) * sqrt(p * (1 - p) / n), 0), 1)
}

netter_1 <- list(
  "safety.any-adverse-event" = c(106, 95), "safety.related-to-treatment" = c(95, 34),
  "safety.serious-adverse-event" = c(29, 26), "safety.serious-related-to-treatment" = c(10, 1),
  "safety.withdrawal-for-an-event" = c(7, 10), "safety.withdrawal-for-a-related-event" = c(5, 0),
  "events.any-adverse-event" = c(105, 92), "events.nausea" = c(65, 13),
  "events.vomiting" = c(52, 11), "events.abdominal-pain" = c(29, 29),
  "events.diarrhoea" = c(32, 21), "events.distension" = c(14, 15),
  "events.fatigue-or-asthenia" = c(44, 28), "events.peripheral-oedema" = c(16, 8),
  "events.thrombocytopenia" = c(28, 1), "events.anaemia" = c(16, 6),
  "events.lymphopenia" = c(20, 2), "events.leukopenia" = c(11, 1),
  "events.neutropenia" = c(6, 1), "events.musculoskeletal-pain" = c(32, 22),
  "events.decreased-appetite" = c(20, 9), "events.headache" = c(18, 5),
  "events.dizziness" = c(12, 6), "events.flushing" = c(14, 10),
  "events.alopecia" = c(12, 2), "events.cough" = c(12, 6)
)
tests <- lapply(netter_1, function(x) fisher(x[1], x[2]))
names(tests) <- paste0("netter-1.", names(tests), "-p")
tests[["netter-1.response.p-value"]] <- fisher(18, 3, 101, 100)

intervals <- list(
  "netter-2.response.orr-interval-lu" = exact(65, 151),
  "netter-2.response.orr-interval-control" = exact(7, 75),
  "netter-2.response.dcr-interval-lu" = exact(137, 151),
  "netter-2.response.dcr-interval-control" = exact(50, 75),
  "netter-1.response.interval-lu" = wald(18, 101),
  "netter-1.response.interval-control" = wald(3, 100)
)

# the interval of prop.test without correction is the unpooled normal one
compared <- suppressWarnings(prop.test(c(65, 7), c(151, 75), correct = FALSE))
difference <- 100 * c(-diff(as.numeric(compared$estimate)), as.numeric(compared$conf.int))

strata <- array(
  c(26, 1, 27, 27,  6, 2, 40, 18,  21, 2, 8, 11,  12, 2, 11, 12), dim = c(2, 2, 4)
)
common <- mantelhaen.test(strata, correct = FALSE)

out <- list(
  made_by = R.version.string,
  fisher = tests,
  intervals = intervals,
  difference = difference,
  odds_ratio = c(as.numeric(common$estimate), as.numeric(common$conf.int))
)
jsonlite::write_json(out, "published.json", digits = I(17), auto_unbox = TRUE)
