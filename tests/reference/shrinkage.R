# The oracle of tests/analysis/test_shrinkage*.py. Run by hand when it must change:  Rscript shrinkage.R
# A small trial: scans every twelve weeks with their changes, progression or death, censoring. R
# finds for itself who is at a landmark, the best change by then, and answers what analyse answers.
library(survival)

set.seed(20250225)
n <- 90
subject <- data.frame(
  arm = rep(c("LU", "LU", "CONTROL"), n / 3),
  depth = round(rnorm(n, -14, 18), 1)
)
rate <- exp(0.012 * subject$depth) * ifelse(subject$arm == "LU", 0.5, 1) / 320
progression <- ceiling(rexp(n, rate) / 21) * 21 + 20
censoring <- ceiling(runif(n, 120, 1100))
subject$day <- pmin(progression, censoring)
subject$event <- progression <= censoring
subject$day[5] <- 180 # an event and a censoring on a landmark: by then
subject$event[5] <- TRUE
subject$day[8] <- 180
subject$event[8] <- FALSE

scans <- do.call(rbind, lapply(seq_len(n), function(i) {
  days <- 84 * seq_len(8) + sample(-5:5, 8, TRUE)
  share <- 1 - exp(-days / 150)
  data.frame(subject = i, day = days, change = round(subject$depth[i] * share + rnorm(8, 2, 6), 2))
}))
scans <- scans[scans$day <= subject$day[scans$subject] + 90, ] # some after the end, not to count
counted <- scans[scans$day <= subject$day[scans$subject], ]

best_by <- function(limit) {
  seen <- counted[counted$day <= limit, ]
  found <- tapply(seen$change, factor(seen$subject, seq_len(n)), min)
  as.numeric(found)
}
of_model <- function(fit) {
  found <- summary(fit)
  c(unname(found$conf.int[1, c(1, 3, 4)]), unname(found$coefficients[1, "Pr(>|z|)"]))
}
# AVAL counts the first day, so it is one more than the days passed
subject$time <- subject$day + 1

landmark <- function(arm, limit) {
  at_risk <- subject$arm == arm & (is.infinite(limit) | subject$day > limit)
  shift <- if (is.infinite(limit)) 0 else limit
  rows <- data.frame(
    time = subject$time - shift, event = subject$event, best = best_by(limit)
  )[at_risk, ]
  kept <- rows[!is.na(rows$best), ]
  kept$shrinkage <- -kept$best
  fit <- coxph(Surv(time, event) ~ shrinkage, kept)
  curve <- survfit(fit, newdata = data.frame(shrinkage = c(0, 30)), conf.type = "log-log")
  at <- summary(curve, times = 12 * 30.4375)
  list(
    arm = arm, eligible = sum(at_risk), n = nrow(kept), events = sum(kept$event),
    best = c(median(kept$best), range(kept$best)), ratio = of_model(fit),
    probability = as.vector(rbind(1 - at$surv, 1 - at$upper, 1 - at$lower))
  )
}

# a subject's time parted where the value steps; the value of a day holds after that day
parted <- function(step) {
  base <- tmerge(
    data.frame(id = seq_len(n), arm = subject$arm), data.frame(id = seq_len(n), t = subject$time,
      e = subject$event), id = id, seen = event(t, e)
  )
  tmerge(base, step, id = id, value = tdc(t, v, 0))
}
running <- do.call(rbind, lapply(split(counted, counted$subject), function(own) {
  own <- own[order(own$day), ]
  data.frame(id = own$subject, t = own$day + 1, v = -cummin(own$change))
}))
time_dependent <- function(step, arm) {
  rows <- parted(step)
  of_model(coxph(Surv(tstart, tstop, seen) ~ value, rows[rows$arm == arm, ]))
}

threshold <- function(percent, limit = 180) {
  lu <- subject[subject$arm == "LU", ]
  best <- best_by(Inf)[subject$arm == "LU"]
  lu$far <- as.numeric(!is.na(best) & best <= -percent)
  fit <- survfit(Surv(time, event) ~ far, lu, conf.type = "log-log")
  middle <- quantile(fit, 0.5)
  early <- best_by(limit)[subject$arm == "LU"]
  late <- lu[lu$day > limit, ]
  late$far <- as.numeric(!is.na(early) & early <= -percent)[lu$day > limit]
  first <- counted[counted$change <= -percent, ]
  first <- first[order(first$subject, first$day), ]
  first <- first[!duplicated(first$subject), ]
  step <- data.frame(id = first$subject, t = first$day + 1, v = rep(1, nrow(first)))
  list(
    percent = percent, n = c(sum(lu$far), sum(!lu$far)),
    median_less = c(middle$quantile[1], middle$lower[1], middle$upper[1]) / 30.4375,
    naive = of_model(coxph(Surv(time, event) ~ far, lu)),
    landmark = of_model(coxph(Surv(time - limit, event) ~ far, late)),
    time_dependent = time_dependent(step, "LU")
  )
}

limits <- c(150, 180, 252, 336, Inf)
out <- list(
  made_by = paste(R.version.string, "survival", packageVersion("survival")),
  subject = subject[c("arm", "day", "event")], scans = scans,
  landmarks = lapply(c("LU", "CONTROL"), function(arm) lapply(limits, function(l) landmark(arm, l))),
  time_dependent = list(LU = time_dependent(running, "LU"), CONTROL = time_dependent(running, "CONTROL")),
  thresholds = lapply(c(30, 13, 25), threshold)
)
jsonlite::write_json(out, "shrinkage.json", digits = 15, auto_unbox = TRUE, dataframe = "columns")
