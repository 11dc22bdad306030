# Score tests of variants by R's glm and lm, one model a variant.
# From the repository's root, with the AMLSG table beside it (not part of the repository):
#   HAIMA_SHARED=... Rscript tests/oracles/scan.R
library(jsonlite)

# Rao's test of one more term, in the complete cases of the model with it. For a linear model, the
# residual mean square of the null model stands for the variance.
rao <- function(data, outcome, covariates, variant, family) {
  complete <- na.omit(data[, c(outcome, covariates, variant)])
  null <- reformulate(if (length(covariates)) covariates else "1", outcome)
  full <- update(null, reformulate(c(".", variant)))
  if (family == "logistic") {
    # glm's default of 1e-8 on the deviance leaves 1e-5 in the score.
    fit <- function(f) glm(f, binomial, complete, control = glm.control(epsilon = 1e-14, maxit = 100))
    anova(fit(null), fit(full), test = "Rao")$Rao[2]
  } else {
    rss <- anova(lm(null, complete), lm(full, complete))
    (rss$RSS[1] - rss$RSS[2]) / (rss$RSS[1] / rss$Res.Df[1])
  }
}
scan <- function(data, outcome, covariates, variants, family) {
  chisq <- sapply(variants, function(v) rao(data, outcome, covariates, v, family))
  list(
    n = nrow(na.omit(data[, c(outcome, covariates), drop = FALSE])), variants = I(variants),
    chisq = I(unname(chisq)), p = I(unname(pchisq(chisq, 1, lower.tail = FALSE))),
    # Of single variants: no burden set, whose name begins so.
    lambda = median(chisq[!startsWith(variants, "burden")]) / qchisq(0.5, 1)
  )
}

leuksurv <- read.csv("data/leuksurv.csv")
bmt <- read.csv("data/bmt_klein.csv")
bmt_variants <- c("fab_4_5_aml", "patient_male", "donor_male", "patient_cmv", "mtx_prophylaxis")
mgus2 <- read.csv("data/mgus2.csv")
# Flags with missing values, as a panel that not every patient had.
mgus2$anaemia <- as.integer(mgus2$hgb < 12)
mgus2$renal <- as.integer(mgus2$creat > 1.5)
oracle <- list(
  R = R.version.string,
  leuksurv = scan(leuksurv, "death", c("age", "wbc"), "male", "logistic"),
  bmt = scan(bmt, "death", c("patient_age", "disease_group"), bmt_variants, "logistic"),
  bmt_alone = scan(bmt, "death", character(), bmt_variants, "logistic"),
  bmt_linear = scan(bmt, "wait_days", c("patient_age", "disease_group"), bmt_variants, "linear"),
  mgus2_linear = scan(mgus2, "age", "sex", c("anaemia", "renal"), "linear"),
  mgus2_logistic = scan(mgus2, "death", c("age", "sex"), c("anaemia", "renal"), "logistic")
)

# Fisher's exact tests of all pairs in order, the counts behind them, and the log odds ratio with its
# error from a saturated logistic model (nonsense where a count is 0).
comutation <- function(data, genes, odds = FALSE) {
  tables <- combn(genes, 2, simplify = FALSE, FUN = function(g) {
    table(factor(data[[g[1]]], 1:0), factor(data[[g[2]]], 1:0))
  })
  result <- list(
    n = nrow(data), genes = genes, counts = unname(colSums(data[, genes])),
    burden = as.vector(table(factor(rowSums(data[, genes]), 0:length(genes)))),
    both = sapply(tables, function(t) t[1, 1]), neither = sapply(tables, function(t) t[2, 2]),
    p = sapply(tables, function(t) fisher.test(t)$p.value)
  )
  if (odds) {
    fits <- combn(genes, 2, simplify = FALSE, FUN = function(g) {
      control <- glm.control(epsilon = 1e-14, maxit = 100)
      coef(summary(glm(reformulate(g[2], g[1]), binomial, data, control = control)))[2, 1:2]
    })
    result$log_odds <- sapply(fits, function(f) f[[1]])
    result$se <- sapply(fits, function(f) f[[2]])
  }
  result
}
oracle$bmt_pairs <- comutation(bmt, bmt_variants, odds = TRUE)

shared <- Sys.getenv("HAIMA_SHARED")
amlsg <- read.csv(file.path(shared, "data", "amlsg_1540.csv"))
genes <- grep("^mut_", names(amlsg), value = TRUE)
amlsg$older <- as.integer(amlsg$age > 60)
amlsg$burden_spliceosome <- rowSums(amlsg[, c("mut_srsf2", "mut_sf3b1", "mut_u2af1", "mut_zrsr2")])
amlsg$burden_cohesin <- rowSums(amlsg[, c("mut_stag2", "mut_rad21")])
sets <- c("burden_cohesin", "burden_spliceosome")
oracle$amlsg_status <- scan(amlsg, "status", c("age", "sex"), c(genes, sets), "logistic")
oracle$amlsg_older <- scan(amlsg, "older", "sex", c(genes, sets), "logistic")
oracle$amlsg_age <- scan(amlsg, "age", "sex", c(genes, sets), "linear")
oracle$amlsg_cebpa <- scan(amlsg, "status", c("age", "sex"), "cebpa", "logistic")
oracle$amlsg_pairs <- comutation(amlsg, genes)
write_json(oracle, "tests/oracles/scan.json", digits = 15, auto_unbox = TRUE, pretty = TRUE)
