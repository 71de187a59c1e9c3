# The peers of simulation.py. Arguments: engine, number of trials. Prints power, wall and CPU seconds.
words <- commandArgs(trailingOnly = TRUE)
engine <- words[1]
trials <- as.integer(words[2])
month_rate <- log(2) / 15
dropout <- -log(1 - 0.15) / 12

by_survival <- function(trials) {
  suppressMessages(library(survival))
  block <- c(1, 1, 1, 1, 0, 0)
  significant <- 0
  for (trial in seq_len(trials)) {
    n <- 226
    stratum <- sample(4, n, TRUE, c(0.36, 0.29, 0.19, 0.16))
    arm <- integer(n)
    for (s in 1:4) {
      own <- which(stratum == s)
      arm[own] <- c(replicate(ceiling(length(own) / 6), sample(block)))[seq_along(own)]
    }
    entry <- cumsum(rexp(n, 10))
    event <- rexp(n, month_rate * c(1, 1, 1.3, 1.3)[stratum] * ifelse(arm == 1, 0.5, 1))
    lost <- rexp(n, dropout)
    due <- sort((entry + event)[event <= lost])[99]
    follow <- pmin(event, lost, due - entry)
    seen <- event <= lost & entry + event <= due
    rows <- entry < due
    data <- data.frame(follow, seen, arm, stratum)[rows, ]
    test <- survdiff(Surv(follow, seen) ~ arm + strata(stratum), data)
    coxph(Surv(follow, seen) ~ arm + strata(stratum), data)
    survfit(Surv(follow, seen) ~ arm, data)
    excess <- sum(test$obs[2, ]) - sum(test$exp[2, ])
    significant <- significant + (excess / sqrt(test$var[2, 2]) <= -qnorm(0.975))
  }
  significant / trials
}

by_rpact <- function(trials) {
  suppressMessages(library(rpact))
  # strata are not to be had here: one hazard, that of the mixture's mean
  mean_rate <- month_rate * (0.65 + 0.35 * 1.3)
  found <- getSimulationSurvival(
    getDesignGroupSequential(kMax = 1, alpha = 0.025, sided = 1),
    directionUpper = FALSE, lambda2 = mean_rate, hazardRatio = 0.5,
    allocation1 = 2, allocation2 = 1, accrualTime = c(0, 22.6), accrualIntensity = 10,
    maxNumberOfSubjects = 226, plannedEvents = 99, dropoutRate1 = 0.15, dropoutRate2 = 0.15,
    dropoutTime = 12, maxNumberOfIterations = trials, longTimeSimulationAllowed = TRUE, seed = 1
  )
  found$overallReject
}

set.seed(1)
run <- if (engine == "survival") by_survival else by_rpact
invisible(run(20)) # loads and compiles
spent <- system.time(power <- run(trials))
cat(power, spent[["elapsed"]], spent[["user.self"]] + spent[["sys.self"]], "\n")
