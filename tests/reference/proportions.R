# SPDX-License-Identifier: Apache-2.0
# The oracle of test_proportions.py. Run by hand when it must change:  Rscript proportions.R
# Where base R has no function, the answer is found another way than the code under test finds it:
# by numeric optimisation or numeric derivatives.

pairs <- list(c(65, 151), c(7, 75), c(0, 20), c(20, 20), c(1, 3), c(137, 151), c(500, 1003))
single <- lapply(pairs, function(p) {
  x <- p[1]; n <- p[2]
  lapply(list(0.9, 0.95), function(level) {
    tail <- (1 - level) / 2
    z <- qnorm(1 - tail)
    middle <- (x + z^2 / 2) / (n + z^2)
    list(
      events = x, n = n, level = level,
      clopper_pearson = as.numeric(binom.test(x, n, conf.level = level)$conf.int),
      wilson = as.numeric(suppressWarnings(
        prop.test(x, n, conf.level = level, correct = FALSE)$conf.int
      )),
      agresti_coull = c(
        max(0, middle - z * sqrt(middle * (1 - middle) / (n + z^2))),
        min(1, middle + z * sqrt(middle * (1 - middle) / (n + z^2)))
      ),
      jeffreys = c(
        if (x == 0) 0 else qbeta(tail, x + 0.5, n - x + 0.5),
        if (x == n) 1 else qbeta(1 - tail, x + 0.5, n - x + 0.5)
      )
    )
  })
})

# the most likely p2 with p1 = p2 + d, by search
restricted <- function(x1, n1, x2, n2, d) {
  ways <- function(p2) {
    dbinom(x1, n1, min(max(p2 + d, 0), 1), log = TRUE) + dbinom(x2, n2, p2, log = TRUE)
  }
  low <- max(0, -d); high <- min(1, 1 - d)
  slope <- function(p2) {
    p1 <- p2 + d
    x1 / p1 - (n1 - x1) / (1 - p1) + x2 / p2 - (n2 - x2) / (1 - p2)
  }
  eps <- 1e-14
  if (slope(low + eps) <= 0) return(low)
  if (slope(high - eps) >= 0) return(high)
  uniroot(slope, c(low + eps, high - eps), tol = 1e-15, maxiter = 5000)$root
}
score_limits <- function(x1, n1, x2, n2) {
  seen <- x1 / n1 - x2 / n2
  f <- function(d) {
    p2 <- restricted(x1, n1, x2, n2, d); p1 <- p2 + d
    v <- (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2) * (n1 + n2) / (n1 + n2 - 1)
    (seen - d)^2 - qnorm(0.975)^2 * v
  }
  c(uniroot(f, c(-1 + 1e-9, seen), tol = 1e-14)$root, uniroot(f, c(seen, 1 - 1e-9), tol = 1e-14)$root)
}
differences <- lapply(
  list(c(65, 151, 7, 75), c(56, 70, 48, 80), c(9, 10, 3, 10), c(10, 10, 3, 20), c(5, 56, 0, 29)),
  function(k) {
    w <- lapply(1:2, function(i) suppressWarnings(
      as.numeric(prop.test(k[2 * i - 1], k[2 * i], correct = FALSE)$conf.int)
    ))
    p <- c(k[1] / k[2], k[3] / k[4])
    list(
      counts = k,
      wald = as.numeric(suppressWarnings(
        prop.test(k[c(1, 3)], k[c(2, 4)], correct = FALSE)$conf.int
      )),
      newcombe = c(
        p[1] - p[2] - sqrt((p[1] - w[[1]][1])^2 + (w[[2]][2] - p[2])^2),
        p[1] - p[2] + sqrt((w[[1]][2] - p[1])^2 + (p[2] - w[[2]][1])^2)
      ),
      miettinen_nurminen = score_limits(k[1], k[2], k[3], k[4])
    )
  }
)

# fisher.test finds its roots to four digits only; the same equations, solved closer
conditional <- function(t) {
  a <- t[1, 1]; k <- max(0, sum(t[, 1]) - sum(t[2, ])):min(sum(t[1, ]), sum(t[, 1]))
  ways <- dhyper(k, sum(t[1, ]), sum(t[2, ]), sum(t[, 1]), log = TRUE)
  chance <- function(b) { w <- exp(ways + k * b - max(ways + k * b)); w / sum(w) }
  solve_for <- function(f) exp(uniroot(f, c(-40, 40), tol = 1e-14, maxiter = 10000)$root)
  list(
    odds_ratio = if (length(k) == 1) NA else if (a == min(k)) 0 else if (a == max(k)) Inf else
      solve_for(function(b) sum(k * chance(b)) - a),
    interval = c(
      if (a == min(k)) 0 else solve_for(function(b) sum(chance(b)[k >= a]) - 0.025),
      if (a == max(k)) Inf else solve_for(function(b) sum(chance(b)[k <= a]) - 0.025)
    )
  )
}

two <- function(...) matrix(c(...), 2, byrow = TRUE)
fisher <- lapply(
  list(two(65, 86, 7, 68), two(3, 1, 1, 3), two(0, 5, 3, 2), two(5, 0, 2, 3), two(10, 2, 3, 15),
       two(0, 5, 0, 2), two(40, 73, 2, 110), two(300, 700, 250, 900)),
  function(t) {
    f <- fisher.test(t)
    close <- conditional(t)
    stopifnot(all.equal(1 / as.numeric(f$conf.int), 1 / close$interval, tolerance = 0.01))
    list(
      table = t, odds_ratio = close$odds_ratio, interval = close$interval, p_value = f$p.value,
      greater = fisher.test(t, alternative = "greater")$p.value,
      less = fisher.test(t, alternative = "less")$p.value
    )
  }
)

# Breslow and Day: the fitted count solves a quadratic
homogeneity <- function(tables) {
  ratio <- mantelhaen.test(tables, correct = FALSE)$estimate
  k <- dim(tables)[3]
  a <- e <- v <- numeric(k)
  for (i in seq_len(k)) {
    t <- tables[, , i]; m1 <- sum(t[1, ]); m0 <- sum(t[2, ]); e1 <- sum(t[, 1])
    q <- Re(polyroot(c(-ratio * m1 * e1, m0 - e1 + ratio * (m1 + e1), 1 - ratio)))
    q <- q[q >= max(0, e1 - m0) & q <= min(m1, e1)]
    a[i] <- t[1, 1]; e[i] <- q
    v[i] <- 1 / (1 / q + 1 / (m1 - q) + 1 / (e1 - q) + 1 / (m0 - e1 + q))
  }
  plain <- sum((a - e)^2 / v)
  c(plain, plain - sum(a - e)^2 / sum(v))
}
by_stratum <- function(tables) lapply(seq_len(dim(tables)[3]), function(i) tables[, , i])
netter <- array(rbind(
  c(26, 6, 21, 12), c(1, 2, 2, 2), c(27, 40, 8, 11), c(27, 18, 11, 12)
), c(2, 2, 4))
admissions <- aperm(UCBAdmissions, c(2, 1, 3))
common <- lapply(list(netter, admissions, aperm(netter, c(2, 1, 3))), function(tables) {
  tables <- array(as.numeric(tables), dim(tables))
  f <- mantelhaen.test(tables, correct = FALSE)
  list(
    tables = by_stratum(tables), odds_ratio = f$estimate, interval = as.numeric(f$conf.int),
    statistic = f$statistic, p_value = f$p.value,
    corrected = mantelhaen.test(tables, correct = TRUE)$statistic,
    greater = mantelhaen.test(tables, correct = FALSE, alternative = "greater")$p.value,
    breslow_day = homogeneity(tables)
  )
})

# kappa: the delta method with numeric derivatives of the cell shares
kappa <- function(share, worth) {
  seen <- sum(worth * share); chance <- sum(worth * outer(rowSums(share), colSums(share)))
  (seen - chance) / (1 - chance)
}
agreement <- lapply(
  list(matrix(c(88, 14, 18, 10, 40, 10, 2, 6, 12), 3), matrix(c(20, 10, 5, 15), 2),
       matrix(c(11, 2, 1, 0, 6, 3, 1, 0, 1, 4, 9, 1, 0, 0, 1, 9), 4)),
  function(t) {
    r <- nrow(t); n <- sum(t); far <- abs(outer(1:r, 1:r, "-")) / (r - 1)
    lapply(list(none = diag(r), linear = 1 - far, quadratic = 1 - far^2), function(worth) {
      p <- t / n
      slope <- vapply(seq_along(p), function(i) {
        h <- 1e-5; up <- down <- p; up[i] <- up[i] + h; down[i] <- down[i] - h
        (kappa(up, worth) - kappa(down, worth)) / (2 * h)
      }, 0)
      list(table = t, kappa = kappa(p, worth),
           standard_error = sqrt((sum(p * slope^2) - sum(p * slope)^2) / n))
    })
  }
)

out <- list(
  made_by = R.version.string, single = unlist(single, recursive = FALSE),
  differences = differences, fisher = fisher, common = common, agreement = agreement
)
jsonlite::write_json(out, "proportions.json", digits = I(17), auto_unbox = TRUE, na = "string")
