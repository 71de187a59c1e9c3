# SPDX-License-Identifier: Apache-2.0
# The oracle of test_multiplicity.py. Run by hand when it must change:  Rscript multiplicity.R
# Graphs are judged by the closed test they stand for: every intersection of hypotheses is tested
# by Bonferroni with the weights that remain when the others are taken out. The code under test
# walks from one rejection to the next and never forms an intersection.

values <- list(
  c(0.01, 0.02, 0.03, 0.04), c(0.011, 0.02, 0.022, 0.09), c(0.5, 0.001, 0.02), c(0.04),
  c(0.025, 0.025, 0.025), c(0, 1, 0.3), c(0.2, 0.01, 0.03, 0.012, 0.7, 0.05, 0.031, 0.0004)
)
adjusted <- lapply(values, function(p) {
  c(list(p_values = I(p)), lapply(
    c(bonferroni = "bonferroni", holm = "holm", hochberg = "hochberg", hommel = "hommel"),
    function(method) I(p.adjust(p, method))
  ))
})

remaining_weights <- function(w, g, out) {
  for (j in out) {
    next_w <- w; next_g <- g
    for (l in seq_along(w)) {
      next_w[l] <- w[l] + w[j] * g[j, l]
      for (k in seq_along(w)) {
        loop <- g[l, j] * g[j, l]
        next_g[l, k] <- if (l != k && loop < 1 - 1e-9) (g[l, k] + g[l, j] * g[j, k]) / (1 - loop) else 0
      }
    }
    next_w[j] <- 0; next_g[j, ] <- 0; next_g[, j] <- 0
    w <- next_w; g <- next_g
  }
  w
}
closed <- function(p, w, g) {
  m <- length(p)
  subsets <- lapply(seq_len(2^m - 1), function(code) which(bitwAnd(code, 2^(0:(m - 1))) > 0))
  by_subset <- vapply(subsets, function(inside) {
    left <- remaining_weights(w, g, rev(setdiff(seq_len(m), inside)))[inside]
    min(ifelse(left > 0, p[inside] / left, Inf), 1)
  }, 0)
  vapply(seq_len(m), function(j) {
    max(by_subset[vapply(subsets, function(inside) j %in% inside, NA)])
  }, 0)
}
graph_case <- function(p, w, g) {
  list(p_values = p, weights = w, transitions = g, adjusted = closed(p, w, g))
}
# two primary hypotheses, each with a secondary one: Bretz et al. 2009
families <- rbind(c(0, 0.5, 0.5, 0), c(0.5, 0, 0, 0.5), c(0, 1, 0, 0), c(1, 0, 0, 0))
uneven <- rbind(c(0, 0.7, 0.3, 0), c(0.2, 0, 0.5, 0.1), c(0.9, 0.1, 0, 0), c(0.3, 0.3, 0.4, 0))
loops <- rbind(c(0, 1, 0), c(1 - 1e-4, 0, 1e-4), c(0, 1, 0))
graphs <- list(
  graph_case(c(0.01, 0.02, 0.015, 0.04), c(0.5, 0.5, 0, 0), families),
  graph_case(c(0.024, 0.001, 0.3, 0.012), c(0.5, 0.5, 0, 0), families),
  graph_case(c(0.3, 0.001, 0.001, 0.001), c(0.5, 0.5, 0, 0), families),
  graph_case(c(0.013, 0.02, 0.006, 0.021), c(0.4, 0.3, 0.2, 0.1), uneven),
  graph_case(c(0.2, 0.003, 0.03, 0.004), c(0.1, 0.2, 0, 0.6), uneven),
  graph_case(c(0.02, 0.01, 0.03), c(0.5, 0.5, 0), loops)
)

out <- list(made_by = R.version.string, adjusted = adjusted, graphs = graphs)
jsonlite::write_json(out, "multiplicity.json", digits = I(16), auto_unbox = TRUE)
