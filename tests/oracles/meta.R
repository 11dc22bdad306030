# Oracle of the meta-analysis task: metafor on each hospital's own coxph or glm.
# Run from the repository's root: Rscript tests/oracles/meta.R
suppressMessages({ library(survival); library(metafor); library(jsonlite) })

# A hospital whose fit has no maximum is left out: R warns, or leaves an infinite standard error.
own <- function(fit) {
  bad <- FALSE
  f <- withCallingHandlers(tryCatch(fit(), error = function(e) NULL),
    warning = function(w) { bad <<- TRUE; invokeRestart("muffleWarning") })
  if (is.null(f) || bad || anyNA(coef(f)) || any(diag(vcov(f)) > 1e3)) return(NULL)
  list(coef = coef(f), var = diag(vcov(f)), n = length(residuals(f)))
}
meta <- function(fits) {
  fits <- Filter(Negate(is.null), fits)
  terms <- setdiff(names(fits[[1]]$coef), "(Intercept)")
  one <- function(term) {
    y <- sapply(fits, function(f) f$coef[[term]])
    v <- sapply(fits, function(f) f$var[[term]])
    r <- rma(y, v, method = "DL")
    f <- rma(y, v, method = "EE")
    reach <- qt(0.975, length(y) - 2) * sqrt(r$tau2 + r$se^2)
    list(name = term, random = c(r$beta, r$se, r$ci.lb, r$ci.ub, r$pval),
         fixed = c(f$beta, f$se), tau2 = r$tau2, q = r$QE, q_p = r$QEp, i2 = r$I2, h2 = r$H2,
         pi = exp(c(r$beta) + c(-1, 1) * reach))
  }
  list(sites = length(fits), n = sum(sapply(fits, function(f) f$n)),
       terms = lapply(terms, one))
}

d <- read.csv("data/leuksurv.csv")
b <- read.csv("data/bmt_klein.csv")
tight <- coxph.control(eps = 1e-11, iter.max = 50)
steep <- glm.control(epsilon = 1e-12, maxit = 50)
leuk <- function(g) own(function()
  coxph(Surv(time_days, death) ~ age + male + wbc + tpi, g, control = tight))
bmt <- function(g) own(function()
  coxph(Surv(dfs_days, dfs_event) ~ patient_age + donor_age + fab_4_5_aml, g, control = tight))
logit <- function(g) own(function()
  glm(death ~ age + male, binomial, g, control = steep))
out <- list(
  versions = as.list(c(R = as.character(getRversion()),
    sapply(c("survival", "metafor"), function(p) as.character(packageVersion(p))))),
  leuksurv_cox = meta(lapply(split(d, d$district), leuk)),
  bmt_cox = meta(lapply(split(b, b$hospital), bmt)),
  leuksurv_logistic = meta(lapply(split(d, d$district), logit))
)
write_json(out, "tests/oracles/meta.json", digits = 15, auto_unbox = TRUE)
