# Oracle of the survival methods whose risk sets span hospitals: competing risks, Fine-Gray,
# illness-death, and Cox without strata. Run from the repository's root:
#   Rscript tests/oracles/competing.R
# It reads the shipped data/*.csv and writes tests/oracles/competing.json.
suppressMessages({
  library(survival)
  library(cmprsk)
  library(jsonlite)
})

named <- function(x) as.list(x)
fit <- function(f) list(
  n = f$n, events = f$nevent, coef = named(coef(f)), se = named(sqrt(diag(vcov(f)))),
  loglik = f$loglik[2], loglik_null = f$loglik[1])

mgus2 <- read.csv("data/mgus2.csv", stringsAsFactors = TRUE)
mgus2$etime <- with(mgus2, ifelse(pstat == 0, futime, ptime))
mgus2$event <- with(mgus2, ifelse(pstat == 0, 2 * death, 1))
leuksurv <- read.csv("data/leuksurv.csv")
bmt <- read.csv("data/bmt_klein.csv", stringsAsFactors = TRUE)
# The end of disease-free survival: relapse, or death without it.
bmt$ending <- with(bmt, ifelse(relapse == 1, 1, ifelse(dfs_event == 1, 2, 0)))

# Cumulative incidence: each step once, as est[i] after time[i].
steps <- function(curve) {
  last <- !duplicated(curve$time, fromLast = TRUE)
  list(time = curve$time[last], est = curve$est[last], var = curve$var[last])
}
cif <- function(time, event, group) {
  fitted <- cuminc(time, event, group)
  curves <- fitted[names(fitted) != "Tests"]
  list(curves = lapply(curves, steps),
    tests = if (is.null(fitted$Tests)) NULL else
      lapply(split(as.data.frame(fitted$Tests), rownames(fitted$Tests)), as.list))
}
# The interval on the scale log(-log(F)): Kalbfleisch and Prentice 2002, section 8.2.
loglog <- function(curve) {
  se <- sqrt(curve$var)
  z <- qnorm(0.975) * se / (curve$est * log(curve$est))
  list(time = curve$time, lo = curve$est^exp(-z), hi = curve$est^exp(z))
}
mgus2_all <- cif(mgus2$etime, mgus2$event, rep(1, nrow(mgus2)))
incidence <- list(
  mgus2_by_sex = cif(mgus2$etime, mgus2$event, mgus2$sex),
  mgus2_by_sex_12m = cif(ceiling(mgus2$etime / 12) * 12, mgus2$event, mgus2$sex),
  bmt_by_group = cif(bmt$dfs_days, bmt$ending, bmt$disease_group),
  mgus2_pcm_loglog = loglog(mgus2_all$curves[["1 1"]]))

# Fine-Gray.
gray <- function(data, time, event, formula, cause) {
  x <- model.matrix(formula, data)[, -1, drop = FALSE]
  f <- crr(data[[time]], data[[event]], x, failcode = cause, gtol = 1e-12, maxiter = 50)
  list(n = f$n, coef = named(f$coef), se = named(setNames(sqrt(diag(f$var)), names(f$coef))),
    se_model = named(setNames(sqrt(diag(solve(f$inf))), names(f$coef))),
    loglik = f$loglik, loglik_null = f$loglik.null)
}
mgus2_complete <- na.omit(mgus2[c("etime", "event", "age", "sex", "hgb", "mspike")])
mgus2_year <- transform(mgus2_complete, etime = ceiling(etime / 12) * 12)
finegray <- list(
  mgus2_death = gray(mgus2_complete, "etime", "event", ~ age + sex + hgb + mspike, 2),
  mgus2_pcm_12m = gray(mgus2_year, "etime", "event", ~ age + sex + hgb + mspike, 1),
  bmt_relapse = gray(bmt, "dfs_days", "ending", ~ disease_group + fab_4_5_aml + patient_age, 1))

# Cox without strata. `delayed` is a made-up entry time, for left truncation.
leuksurv$delayed <- (leuksurv$patient %% 7) * 20
leuksurv$month <- ceiling(leuksurv$time_days / 30) * 30
leuksurv$delayed_month <- ceiling(leuksurv$delayed / 30) * 30
pooled <- function(formula, ties, data = leuksurv) {
  f <- do.call(coxph, list(formula, data, ties = ties,
    control = coxph.control(eps = 1e-11, toler.chol = 1e-13, iter.max = 50)))
  hazard <- basehaz(f, centered = FALSE)
  c(fit(f), list(baseline = list(time = hazard$time, cumhaz = hazard$hazard)))
}
cox <- list()
for (ties in c("breslow", "efron")) {
  cox[[paste0("leuksurv_", ties)]] <-
    pooled(Surv(time_days, death) ~ age + male + wbc + tpi, ties)
  cox[[paste0("leuksurv_30d_", ties)]] <-
    pooled(Surv(month, death) ~ age + male + wbc + tpi, ties)
  cox[[paste0("leuksurv_delayed_", ties)]] <-
    pooled(Surv(delayed, time_days, death) ~ age + male + wbc + tpi, ties,
      leuksurv[leuksurv$delayed < leuksurv$time_days, ])
  cox[[paste0("leuksurv_delayed_30d_", ties)]] <-
    pooled(Surv(delayed_month, month, death) ~ age + male + wbc + tpi, ties,
      leuksurv[leuksurv$delayed_month < leuksurv$month, ])
  cox[[paste0("mgus2_pcm_", ties)]] <-
    pooled(Surv(etime, event == 1) ~ age + sex + mspike, ties, mgus2)
  cox[[paste0("mgus2_death_without_pcm_", ties)]] <-
    pooled(Surv(etime, event == 2) ~ age + sex + mspike, ties, mgus2)
}

# Kaplan-Meier of a cause: the others censored.
km <- survfit(Surv(etime, event == 1) ~ 1, mgus2)
cause_km <- list(time = km$time, surv = km$surv, se = km$surv * km$std.err)

# Illness-death: as in the vignette `compete` of survival, who progresses and leaves in the same
# month progressed a tenth of a month earlier.
mgus2$progression <- with(mgus2, ifelse(ptime == futime & pstat == 1, ptime - 0.1, ptime))
states <- tmerge(mgus2[c("id", "sex")], mgus2, id = id, death = event(futime, death),
  pcm = event(progression, pstat))
states$to <- factor(with(states, ifelse(pcm == 1, 1, 2 * death)), 0:2,
  c("censored", "pcm", "death"))
multi <- survfit(Surv(tstart, tstop, to) ~ 1, states, id = id)
grid <- sort(unique(c(mgus2$ptime[mgus2$pstat == 1], mgus2$futime)))
at <- summary(multi, times = grid)
# Columns of the cumulative hazards: 1:2 (health to illness), 1:3, 2:3.
multistate <- list(states = multi$states, transitions = colnames(multi$cumhaz), time = grid,
  pstate = at$pstate, cumhaz = at$cumhaz)
one <- function(rows, level) {
  rows$hit <- rows$to == level
  s <- summary(survfit(Surv(tstart, tstop, hit) ~ 1, rows, ctype = 1), times = grid, extend = TRUE)
  list(cumhaz = s$cumhaz, se = s$std.chaz)
}
healthy <- states[states$tstart == 0, ]
ill <- states[states$tstart > 0, ]
multistate$nelson_aalen <- list(
  illness = one(healthy, "pcm"), death = one(healthy, "death"),
  death_after_illness = one(ill, "death"))

versions <- list(R = as.character(getRversion()),
  survival = as.character(packageVersion("survival")),
  cmprsk = as.character(packageVersion("cmprsk")))
write_json(list(versions = versions, cif = incidence, finegray = finegray, cox = cox,
  cause_km = cause_km, multistate = multistate),
  "tests/oracles/competing.json", digits = 15, auto_unbox = TRUE, na = "null", matrix = "columnmajor")
