# The oracle of tests/planning. Run by hand when it must change:  Rscript planning.R
library(rpact)

fixed <- getDesignGroupSequential(kMax = 1, alpha = 0.025, beta = 0.1, sided = 1)
two_sided <- getDesignGroupSequential(kMax = 1, alpha = 0.05, beta = 0.2, sided = 2)

events <- function(design, hr, ratio, method, margin = 1) {
  found <- getSampleSizeSurvival(design,
    hazardRatio = hr, lambda2 = log(2) / 15, allocationRatioPlanned = ratio, thetaH0 = margin,
    typeOfComputation = method, accrualTime = c(0, 18), followUpTime = 12
  )
  list(
    hazard_ratio = hr, ratio = ratio, method = tolower(method), margin = margin,
    alpha = design$alpha, sided = design$sided, power = 1 - design$beta,
    events = as.numeric(found$eventsPerStage %||% found$maxNumberOfEvents)
  )
}
`%||%` <- function(a, b) if (length(a) == 0 || all(is.na(a))) b else a

course <- function(lambda1, lambda2, starts = 0, shape = 1, accrual_starts, accrual_rates, subjects,
                   ratio, dropout = 0, times) {
  accrual_end <- tail(accrual_starts, 1) +
    (subjects - sum(diff(accrual_starts) * head(accrual_rates, -1))) / tail(accrual_rates, 1)
  found <- getEventProbabilities(
    time = times, accrualTime = c(accrual_starts, accrual_end), accrualIntensity = accrual_rates,
    accrualIntensityType = "absolute", kappa = shape,
    piecewiseSurvivalTime = starts, lambda2 = lambda2, lambda1 = lambda1,
    allocationRatioPlanned = ratio, maxNumberOfSubjects = subjects,
    dropoutRate1 = 1 - exp(-12 * dropout), dropoutRate2 = 1 - exp(-12 * dropout), dropoutTime = 12
  )
  list(
    lambda1 = I(lambda1), lambda2 = I(lambda2), starts = I(starts), shape = shape,
    accrual_starts = I(accrual_starts), accrual_rates = I(accrual_rates), subjects = subjects,
    ratio = ratio, dropout = dropout, times = times,
    probability = found$cumulativeEventProbabilities,
    control = found$eventProbabilities2, experimental = found$eventProbabilities1
  )
}

times <- c(6, 12, 18, 24, 36, 48)
group_sequential <- function(type, rates) {
  design <- getDesignGroupSequential(
    kMax = length(rates), alpha = 0.025, beta = 0.1, sided = 1, typeOfDesign = type,
    informationRates = rates
  )
  found <- getSampleSizeSurvival(design,
    hazardRatio = 0.5, lambda2 = log(2) / 15, allocationRatioPlanned = 2,
    accrualTime = c(0, 22.2), followUpTime = 12
  )
  list(type = type, rates = rates, events = as.numeric(found$eventsPerStage))
}

rates <- function(p1, p2, ratio, margin = 0, sided = 2) {
  design <- getDesignGroupSequential(kMax = 1, alpha = 0.025 * sided, beta = 0.1, sided = sided)
  found <- getSampleSizeRates(design,
    pi1 = p1, pi2 = p2, allocationRatioPlanned = ratio, thetaH0 = margin, riskRatio = FALSE,
    normalApproximation = TRUE
  )
  list(
    experimental = p1, control = p2, ratio = ratio, margin = margin, sided = sided,
    subjects = as.numeric(found$numberOfSubjects1 + found$numberOfSubjects2)
  )
}

# subjects of a fixed accrual and follow-up, and the month of a design with a fixed accrual rate
size <- function(median, hr, ratio, accrual, follow_up, dropout = 0, shape = 1, sided = 1) {
  design <- getDesignGroupSequential(kMax = 1, alpha = 0.025 * sided, beta = 0.1, sided = sided)
  lambda2 <- log(2)^(1 / shape) / median
  found <- getSampleSizeSurvival(design,
    lambda2 = lambda2, lambda1 = lambda2 * hr^(1 / shape), kappa = shape,
    allocationRatioPlanned = ratio, accrualTime = c(0, accrual), followUpTime = follow_up,
    dropoutRate1 = dropout, dropoutRate2 = dropout, dropoutTime = 12
  )
  list(
    median = median, hazard_ratio = hr, ratio = ratio, accrual = accrual, follow_up = follow_up,
    dropout = dropout, shape = shape, sided = sided,
    subjects = as.numeric(found$maxNumberOfSubjects)
  )
}

month <- function(median, hr, ratio, accrual, per_month) {
  design <- getDesignGroupSequential(kMax = 1, alpha = 0.025, beta = 0.1, sided = 1)
  found <- getSampleSizeSurvival(design,
    lambda2 = log(2) / median, hazardRatio = hr, allocationRatioPlanned = ratio,
    accrualTime = c(0, accrual), accrualIntensity = per_month
  )
  list(
    median = median, hazard_ratio = hr, ratio = ratio, accrual = accrual, per_month = per_month,
    subjects = as.numeric(found$maxNumberOfSubjects), duration = as.numeric(found$studyDuration)
  )
}

# the power of so many events, by theory and in virtual trials of the same test, not stratified
power <- function(name, events, subjects, accrual, lambda2, hr = NA, lambda1 = NA, starts = 0,
                  shape = 1, ratio = 1, margin = 1, type = "asOF") {
  design <- getDesignGroupSequential(
    kMax = length(events), alpha = 0.025, beta = 0.1, sided = 1, typeOfDesign = type,
    informationRates = events / tail(events, 1)
  )
  common <- list(
    design = design, lambda2 = lambda2, kappa = shape, thetaH0 = margin, directionUpper = FALSE,
    accrualTime = c(0, accrual), maxNumberOfSubjects = subjects,
    piecewiseSurvivalTime = if (length(starts) > 1) starts else NA_real_
  )
  proportional <- all(is.na(lambda1))
  if (proportional) common$hazardRatio <- hr else common$lambda1 <- lambda1
  said <- list(
    name = name, events = I(events), subjects = subjects, accrual = accrual, lambda2 = I(lambda2),
    hazard_ratio = hr, lambda1 = I(lambda1), starts = I(starts), shape = shape, ratio = ratio,
    margin = margin, type = type
  )
  if (proportional) {
    theory <- do.call(getPowerSurvival, c(common, list(
      allocationRatioPlanned = ratio, maxNumberOfEvents = tail(events, 1)
    )))
    said$power <- as.numeric(theory$overallReject)
    said$by_look <- I(as.numeric(if (length(events) > 1) theory$rejectPerStage else said$power))
    said$months <- I(as.numeric(theory$analysisTime))
  }
  trials <- do.call(getSimulationSurvival, c(common, list(
    allocation1 = ratio, allocation2 = 1, plannedEvents = events,
    maxNumberOfIterations = 40000, seed = 20240601
  )))
  said$trials <- 40000
  said$simulated <- as.numeric(trials$overallReject)
  said$simulated_month <- as.numeric(trials$studyDuration)
  said
}

# the level of each of k comparisons with one control that keeps alpha together
dunnett <- function(k, ratio, alpha, sided) {
  correlation <- matrix(ratio / (1 + ratio), k, k)
  diag(correlation) <- 1
  beyond <- function(bound) {
    low <- if (sided == 2) -bound else -Inf
    1 - mvtnorm::pmvnorm(rep(low, k), rep(bound, k),
      corr = correlation, algorithm = mvtnorm::Miwa(steps = 2048)
    )[1]
  }
  bound <- uniroot(function(bound) beyond(bound) - alpha, c(1, 5), tol = 1e-10)$root
  list(comparisons = k, ratio = ratio, alpha = alpha, sided = sided, level = sided * pnorm(-bound))
}

out <- list(
  made_by = paste(
    R.version.string, "rpact", packageVersion("rpact"), "mvtnorm", packageVersion("mvtnorm")
  ),
  events = list(
    events(fixed, 0.5, 2, "Schoenfeld"), events(fixed, 0.5, 2, "Freedman"),
    events(fixed, 0.5, 1, "Schoenfeld"), events(fixed, 0.7, 3, "Freedman"),
    events(two_sided, 32 / 50, 1, "Schoenfeld"), events(two_sided, 14 / 30, 1, "Freedman"),
    events(fixed, 0.9, 1, "Schoenfeld", margin = 1.25)
  ),
  courses = list(
    course(log(2) / 30, log(2) / 15,
      accrual_starts = 0, accrual_rates = 10, subjects = 222, ratio = 2, times = times
    ),
    course(log(2) / 30, log(2) / 15,
      accrual_starts = 0, accrual_rates = 10, subjects = 222, ratio = 2, dropout = 0.01,
      times = times
    ),
    course(c(0.05, 0.02), c(0.05, 0.06),
      starts = c(0, 6), accrual_starts = c(0, 4, 9), accrual_rates = c(2, 6, 12), subjects = 200,
      ratio = 1, dropout = 0.005, times = times
    ),
    course(0.025, 0.045,
      shape = 1.4, accrual_starts = 0, accrual_rates = 8, subjects = 160, ratio = 1, times = times
    )
  ),
  group_sequential = list(
    group_sequential("asOF", c(0.5, 1)), group_sequential("OF", c(1, 2, 3) / 3),
    group_sequential("asP", c(0.4, 0.7, 1))
  ),
  sizes = list(
    size(15, 0.5, 2, 18, 12), size(14, 14 / 30, 1, 18, 18, sided = 2),
    size(15, 0.6, 1, 24, 12, dropout = 0.1), size(12, 0.65, 1, 20, 10, shape = 1.5)
  ),
  months = list(month(15, 0.5, 2, 22.2, 10), month(12, 0.6, 1, 20, 12)),
  powers = list(
    power("1:1", 99, 222, 22.2, log(2) / 15, hr = 0.6),
    power("2:1", 99, 222, 22.2, log(2) / 15, hr = 0.55, ratio = 2),
    power("Weibull", 90, 200, 20, log(2)^(1 / 1.4) / 15, hr = 0.6, shape = 1.4),
    power("pieces", 99, 222, 22.2, c(0.03, 0.07), hr = 0.6, starts = c(0, 6)),
    power("margin", 140, 240, 24, log(2) / 12, hr = 0.8, margin = 1.25),
    power("looks", c(40, 70, 99), 222, 22.2, log(2) / 15, hr = 0.55),
    power("pocock", c(40, 70, 99), 222, 22.2, log(2) / 15, hr = 0.55, type = "asP"),
    power("late", 120, 240, 24, c(0.05, 0.05), lambda1 = c(0.05, 0.025), starts = c(0, 4)),
    power("fading", 120, 240, 24, c(0.04, 0.07), lambda1 = c(0.02, 0.056), starts = c(0, 8))
  ),
  dunnett = list(dunnett(2, 1, 0.025, 1), dunnett(3, 1, 0.05, 2), dunnett(3, 0.5, 0.025, 1)),
  rates = list(
    rates(0.43, 0.09, 2), rates(0.18, 0.03, 1), rates(0.55, 0.35, 1, sided = 1),
    rates(0.5, 0.5, 1, margin = -0.15, sided = 1)
  )
)
jsonlite::write_json(out, "planning.json", digits = 15, auto_unbox = TRUE)
