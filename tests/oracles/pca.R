# Principal components and correlations of shipped cohorts, by R's prcomp, cor and cov.
# From the repository's root: Rscript tests/oracles/pca.R
library(jsonlite)

components <- function(file, columns, scale) {
  complete <- na.omit(read.csv(file.path("data", file))[, columns])
  fit <- prcomp(complete, scale. = scale)
  list(
    n = nrow(complete), columns = columns, scale = scale,
    means = unname(colMeans(complete)), sds = unname(sapply(complete, sd)),
    correlation = unname(cor(complete)), covariance = unname(cov(complete)),
    sdev = fit$sdev, rotation = unname(t(fit$rotation))
  )
}

mgus2 <- c("age", "hgb", "creat", "mspike", "death")
leuksurv <- c("age", "male", "wbc", "tpi")
oracle <- list(
  R = R.version.string,
  mgus2_scaled = components("mgus2.csv", mgus2, TRUE),
  mgus2_covariance = components("mgus2.csv", mgus2, FALSE),
  leuksurv_scaled = components("leuksurv.csv", leuksurv, TRUE),
  leuksurv_covariance = components("leuksurv.csv", leuksurv, FALSE)
)
write_json(oracle, "tests/oracles/pca.json", digits = 15, auto_unbox = TRUE, pretty = TRUE)
