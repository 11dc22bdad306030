# k-means and Gaussian mixtures from public starts, by R's kmeans (Lloyd) and by mclust's em.
# From the repository's root: Rscript tests/oracles/clusters.R
library(jsonlite)
suppressPackageStartupMessages(library(mclust))

mgus2 <- na.omit(read.csv("data/mgus2.csv")[, c("age", "hgb", "creat")])
# The public ranges of the schema, by which k-means measures.
middle <- c(64, 12.5, 15)
half <- c(46, 9.5, 15)
start <- rbind(c(50, 14, 1), c(75, 13, 2), c(80, 9, 5))

z <- sweep(sweep(as.matrix(mgus2), 2, middle), 2, half, "/")
lloyd <- kmeans(z, sweep(sweep(start, 2, middle), 2, half, "/"), iter.max = 1000, algorithm = "Lloyd")
stopifnot(lloyd$ifault == 0)

# Components of the weight 1/3, half a half range wide, at the same centres.
em_of <- function(model, iterations) {
  covariance <- diag((0.5 * half)^2)
  variance <- mclustVariance(model, d = 3, G = 3)
  variance$sigma <- array(rep(covariance, 3), c(3, 3, 3))
  variance$cholsigma <- array(rep(chol(covariance), 3), c(3, 3, 3))
  variance$scale <- rep(det(covariance)^(1 / 3), 3)
  variance$shape <- matrix(diag(covariance) / det(covariance)^(1 / 3), 3, 3)
  variance$orientation <- diag(3)
  parameters <- list(pro = rep(1 / 3, 3), mean = t(start), variance = variance)
  em(
    data = as.matrix(mgus2), modelName = model, parameters = parameters,
    control = emControl(tol = c(1e-300, 1e-300), itmax = c(iterations, iterations)), warn = FALSE
  )
}
mixture <- function(model) {
  fit <- em_of(model, 40)
  list(
    iterations = 40, weights = fit$parameters$pro, means = unname(t(fit$parameters$mean)),
    covariances = lapply(1:3, function(k) unname(fit$parameters$variance$sigma[, , k])),
    # Ours is taken at the parameters that the last step started from.
    loglik = em_of(model, 39)$loglik
  )
}

oracle <- list(
  R = R.version.string, mclust = as.character(packageVersion("mclust")),
  n = nrow(mgus2), start = start,
  kmeans = list(
    centres = unname(sweep(sweep(lloyd$centers, 2, half, "*"), 2, middle, "+")),
    size = lloyd$size, withinss = lloyd$withinss, total = lloyd$tot.withinss
  ),
  full = mixture("VVV"), diagonal = mixture("VVI")
)
write_json(oracle, "tests/oracles/clusters.json", digits = 15, auto_unbox = TRUE, pretty = TRUE)
