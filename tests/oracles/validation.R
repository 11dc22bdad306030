# Oracle of the validation task: R's survival, riskRegression and pROC on the shipped cohorts.
# Run from the repository's root: Rscript tests/oracles/validation.R
suppressMessages({
  library(survival); library(riskRegression); library(prodlim); library(pROC); library(jsonlite)
})

d <- read.csv("data/leuksurv.csv")
out <- list(versions = as.list(c(
  R = as.character(getRversion()),
  sapply(c("survival", "riskRegression", "prodlim", "pROC"),
         function(p) as.character(packageVersion(p)))
)))
terms <- function(fit) list(name = names(coef(fit)), coef = unname(coef(fit)))

# Binary: death during follow-up, by a logistic model of every third patient.
fit <- glm(death ~ age + male + wbc, binomial, d[seq(1, nrow(d), 3), ], control = list(epsilon = 1e-14))
p <- predict(fit, d, type = "response")
y <- d$death
binary <- function(p, auc_only = FALSE) {
  r <- roc(y, p, direction = "<", quiet = TRUE)
  ci <- ci.auc(r, method = "delong")
  w <- wilcox.test(p[y == 1], p[y == 0], exact = FALSE)$statistic / (sum(y) * sum(1 - y))
  l <- qlogis(pmin(pmax(p, 1e-6), 1 - 1e-6))
  both <- summary(glm(y ~ l, binomial, control = list(epsilon = 1e-14)))$coefficients
  large <- summary(glm(y ~ 1, binomial, offset = l, control = list(epsilon = 1e-14)))$coefficients
  thresholds <- (1:19) / 20
  bin <- pmin(floor(p * 10), 9)
  list(
    auc = unname(w), auc_se = sqrt(var(r)), auc_ci = as.numeric(ci)[c(1, 3)],
    brier = mean((p - y)^2), brier_se = sd((p - y)^2) / sqrt(length(y)),
    observed = mean(y), predicted = mean(p),
    recalibration = list(coef = unname(both[, 1]), se = unname(both[, 2])),
    in_the_large = unname(large[1, 1:2]),
    calibration = lapply(split(data.frame(p, y), bin),
                         function(g) c(nrow(g), mean(g$y), mean(g$p))),
    net_benefit = sapply(thresholds, function(t)
      mean(p >= t & y == 1) - mean(p >= t & y == 0) * t / (1 - t)),
    treat_all = mean(y) - mean(1 - y) * (thresholds / (1 - thresholds))
  )
}
# The same, as a column of 20 values.
coarse <- (floor(pmin(p, 0.999) * 20) + 0.5) / 20
out$binary <- list(terms = terms(fit), fine = binary(p), coarse = binary(coarse))

# Survival: a Cox model of every second patient.
s <- Surv(d$time_days, d$death)
cox <- coxph(Surv(time_days, death) ~ age + male + wbc + tpi, d[seq(1, nrow(d), 2), ])
lp <- as.vector(as.matrix(d[, c("age", "male", "wbc", "tpi")]) %*% coef(cox))
base <- basehaz(cox, centered = FALSE)
horizons <- c(30, 182, 365, 730, 1460, 2920)
hazard <- sapply(horizons, function(t) max(0, base$hazard[base$time <= t]))
risk <- sapply(hazard, function(h) 1 - exp(-h * exp(lp)))
# A score of eight values.
group <- as.numeric(cut(lp, quantile(lp, seq(0, 1, 1 / 8)), include.lowest = TRUE))

# By definition, with the Kaplan-Meier curve of censoring in which deaths come first: among the
# times of censoring those at risk are the patients who have not died by then.
at <- sort(unique(d$time_days[d$death == 0]))
step <- sapply(at, function(u) 1 - sum(d$time_days == u & d$death == 0) /
  (sum(d$time_days >= u) - sum(d$time_days == u & d$death == 1)))
G <- function(u) prod(step[at <= u])
Gminus <- function(u) prod(step[at < u])
w_case <- 1 / sapply(d$time_days, Gminus)
km <- survfit(s ~ 1)
definition <- function(k, marker) {
  t <- horizons[k]
  case <- d$time_days <= t & d$death == 1
  control <- d$time_days > t
  w <- case * w_case + control / G(t)
  won <- outer(marker[case], marker[control], ">") + outer(marker[case], marker[control], "==") / 2
  surv <- summary(km, times = t)$surv
  null <- 1 - surv
  c(
    auc = sum(won * w_case[case]) / (sum(w_case[case]) * sum(control)),
    brier = mean(w * (case - risk[, k])^2),
    brier_null = mean(w * (case - null)^2),
    observed = null, predicted = mean(risk[, k]), uncensored = G(t),
    n_after = sum(control), events = sum(case)
  )
}
rows <- function(marker) as.data.frame(t(sapply(seq_along(horizons), definition, marker)))

# riskRegression's own, from the risks and, for the area, from the groups.
score <- function(marker, metrics)
  Score(list(m = marker), Surv(time_days, death) ~ 1, d, times = horizons, metrics = metrics,
        cens.model = "km", conf.int = FALSE, se.fit = FALSE, null.model = TRUE, split.method = "none")
b <- as.data.frame(score(risk, "brier")$Brier$score)
a <- as.data.frame(score(matrix(group / 10, nrow(d), length(horizons)), "auc")$AUC$score)
trapezoid <- function(x, v) sum(diff(x) * (head(v, -1) + tail(v, -1)) / 2) / diff(range(x))
concord <- function(x) {
  k <- concordance(s ~ x, reverse = TRUE)
  list(c = unname(k$concordance), se = sqrt(k$var),
       pairs = unname(sum(k$count[c("concordant", "discordant", "tied.x")])))
}
fine <- rows(lp); coarse <- rows(group)
stopifnot(max(abs(b$Brier[b$model == "m"] - fine$brier)) < 1e-9,
          max(abs(b$Brier[b$model == "Null model"] - fine$brier_null)) < 1e-9,
          max(abs(a$AUC - coarse$auc)) < 1e-9)
out$survival <- list(
  terms = terms(cox), baseline = unname(as.matrix(base[, c("time", "hazard")])),
  horizons = horizons, group = group,
  concordance = list(fine = concord(lp), group = concord(group)),
  fine = fine, coarse = coarse,
  risk_regression = list(brier = b$Brier[b$model == "m"],
                         brier_null = b$Brier[b$model == "Null model"], auc_group = a$AUC),
  integrated = trapezoid(horizons, fine$brier),
  integrated_null = trapezoid(horizons, fine$brier_null)
)
write_json(out, "tests/oracles/validation.json", digits = 15, auto_unbox = TRUE, pretty = FALSE)
