# Restricted means, start-stop rows, weighted (IPTW) fits: what ../../shared/truth lacks.
# Run from the repository's root: Rscript tests/oracles/survival.R
suppressMessages({library(survival); library(jsonlite)})
leuk <- read.csv("data/leuksurv.csv")
bmt <- read.csv("data/bmt_klein.csv")
out <- list(versions = list(R = paste(R.version$major, R.version$minor, sep = "."),
                            survival = as.character(packageVersion("survival"))))

fit <- survfit(Surv(time_days, death) ~ male, leuk)
table <- summary(fit, rmean = 730)$table
out$rmst_leuksurv_730 <- setNames(lapply(rownames(table), function(g)
  list(mean = table[g, "rmean"], se = table[g, "se(rmean)"])), rownames(table))

# Platelet recovery as a covariate that changes with time: one row before it, one after.
rows <- do.call(rbind, lapply(seq_len(nrow(bmt)), function(i) {
  r <- bmt[i, ]
  recovered <- r$platelet_recovery == 1 && r$platelet_recovery_days < r$dfs_days
  if (!recovered) return(data.frame(patient = i, hospital = r$hospital, start = 0, stop = r$dfs_days,
    event = r$dfs_event, recovered = 0, age = r$patient_age, fab = r$fab_4_5_aml))
  data.frame(patient = i, hospital = r$hospital, start = c(0, r$platelet_recovery_days),
    stop = c(r$platelet_recovery_days, r$dfs_days), event = c(0, r$dfs_event), recovered = c(0, 1),
    age = r$patient_age, fab = r$fab_4_5_aml)
}))
rows <- rows[rows$start < rows$stop, ]
cox <- function(fit) list(n = fit$n, events = fit$nevent, coef = as.list(coef(fit)),
  se = as.list(setNames(sqrt(diag(vcov(fit))), names(coef(fit)))), loglik = fit$loglik[2])
for (ties in c("breslow", "efron"))
  out[[paste0("start_stop_bmt_", ties)]] <- cox(coxph(Surv(start, stop, event) ~ recovered + age + fab +
    strata(hospital), rows, ties = ties, control = coxph.control(eps = 1e-12, iter.max = 50)))

# The same, rows of one patient taken together.
for (ties in c("breslow", "efron")) {
  fit <- coxph(Surv(start, stop, event) ~ recovered + age + fab + strata(hospital), rows, ties = ties,
    cluster = patient, control = coxph.control(eps = 1e-12, iter.max = 50))
  out[[paste0("start_stop_bmt_clustered_", ties)]] <- list(robust_se = as.list(sqrt(diag(fit$var))))
  names(out[[paste0("start_stop_bmt_clustered_", ties)]]$robust_se) <- names(coef(fit))
}

# Inverse probability of treatment: high white count as the exposure, age and sex as confounders.
leuk$high <- as.integer(leuk$wbc > 50)
ps <- glm(high ~ age + male + tpi, binomial, leuk, control = glm.control(epsilon = 1e-14, maxit = 50))
p <- fitted(ps)
weights <- list(ate = ifelse(leuk$high == 1, 1 / p, 1 / (1 - p)),
                att = ifelse(leuk$high == 1, 1, p / (1 - p)))
out$propensity <- list(coef = as.list(coef(ps)))
for (estimand in names(weights)) for (ties in c("breslow", "efron")) {
  w <- weights[[estimand]]
  fit <- coxph(Surv(time_days, death) ~ high + strata(district), leuk, weights = w, ties = ties, robust = TRUE,
    control = coxph.control(eps = 1e-12, iter.max = 50))
  out[[paste("iptw_cox", estimand, ties, sep = "_")]] <- list(coef = coef(fit)[[1]],
    robust_se = sqrt(fit$var[1, 1]), naive_se = sqrt(fit$naive.var[1, 1]), sum_weights = sum(w))
}
write_json(out, "tests/oracles/survival.json", digits = 15, auto_unbox = TRUE, pretty = TRUE)
