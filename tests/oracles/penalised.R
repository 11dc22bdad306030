# Penalised Cox and logistic models, and an interaction, from R. Run from the repository's root:
#   Rscript tests/oracles/penalised.R
# Every penalty is on the summed log-likelihood, against covariates divided by their standard
# deviation with divisor n. glmnet's lambda is the sum's divided by n.
suppressMessages({ library(survival); library(glmnet); library(jsonlite) })

d <- read.csv("data/leuksurv.csv")
features <- c("age", "male", "wbc", "tpi")
sdn <- function(x) sqrt(mean((x - mean(x))^2))
sds <- sapply(d[features], sdn)
z <- as.data.frame(lapply(d[features], function(x) (x - mean(x)) / sdn(x)))
z$time <- d$time_days; z$death <- d$death; z$district <- d$district

# Cox with ridge, stratified by district, Efron. survival's `ridge` is theta / 2 * sum(beta^2).
control <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 100)
ridge_cox <- function(theta, by_sd) {
  x <- if (by_sd) z else {
    half <- c(age = 55, male = 1, wbc = 250, tpi = 12.5)
    y <- as.data.frame(mapply(function(n) d[[n]] / half[[n]], features))
    y$time <- d$time_days; y$death <- d$death; y$district <- d$district; y
  }
  scale <- if (by_sd) sds else c(age = 55, male = 1, wbc = 250, tpi = 12.5)
  fit <- coxph(Surv(time, death) ~ ridge(age, male, wbc, tpi, theta = theta, scale = FALSE) +
    strata(district), data = x, control = control, ties = "efron")
  beta <- setNames(as.numeric(coef(fit)), features)
  # `var` is the inverse of the penalised information.
  plain <- coxph(Surv(time, death) ~ age + male + wbc + tpi + strata(district), data = x,
    ties = "efron", init = beta, control = coxph.control(iter.max = 0))
  list(theta = theta, coef = as.list(beta / scale),
    se = as.list(setNames(sqrt(diag(fit$var)), features) / scale),
    loglik = plain$loglik[2], loglik_null = plain$loglik[1], n = fit$n)
}
# At `init` the first loglik is that at init; the null is asked for apart.
null <- coxph(Surv(time, death) ~ age + strata(district), data = z, ties = "efron")$loglik[1]
cox <- list(ridge_100 = ridge_cox(100, TRUE), ridge_public_10 = ridge_cox(10, FALSE))
for (name in names(cox)) cox[[name]]$loglik_null <- null

# Cox with an elastic net: glmnet, Breslow, stratified. Its likelihood is 2 / n times the log
# partial likelihood in the deviance and 1 / n in the penalised objective.
n <- nrow(d)
x <- as.matrix(z[features])
net_cox <- function(l1, l2) {
  lambda <- (l1 + l2) / n
  y <- stratifySurv(Surv(z$time, z$death), z$district)
  fit <- glmnet(x, y, family = "cox", alpha = l1 / (l1 + l2), lambda = lambda,
    standardize = FALSE, thresh = 1e-14, maxit = 1e7)
  list(lasso = l1, ridge = l2, coef = as.list(setNames(as.numeric(coef(fit)), features) / sds))
}
cox$net_60_30 <- net_cox(60, 30)
cox$net_glmnet_ridge <- net_cox(0, 100)
cox$net_lasso_40 <- net_cox(40, 0)

# Logistic: death in the first year.
known <- d$death == 1 & d$time_days <= 365 | d$time_days >= 365
e <- d[known, ]
y <- as.integer(e$death == 1 & e$time_days <= 365)
sd1 <- sapply(e[features], sdn)
mean1 <- sapply(e[features], mean)
x1 <- scale(as.matrix(e[features]), center = mean1, scale = sd1)
net_logistic <- function(l1, l2) {
  m <- nrow(e)
  fit <- glmnet(x1, y, family = "binomial", alpha = l1 / (l1 + l2), lambda = (l1 + l2) / m,
    standardize = FALSE, thresh = 1e-14, maxit = 1e7)
  b <- as.numeric(coef(fit))
  slope <- b[-1] / sd1
  eta <- b[1] + x1 %*% b[-1]
  mu <- as.numeric(1 / (1 + exp(-eta)))
  out <- list(lasso = l1, ridge = l2, n = m,
    coef = as.list(c("(Intercept)" = b[1] - sum(slope * mean1), setNames(slope, features))),
    loglik = sum(y * log(mu) + (1 - y) * log(1 - mu)))
  if (l1 == 0) {
    # The inverse of the penalised information at glmnet's estimate, in raw units.
    design <- cbind(1, x1)
    v <- solve(t(design) %*% (design * (mu * (1 - mu))) + diag(c(0, rep(l2, 4))))
    t <- rbind(c(1, -mean1 / sd1), cbind(0, diag(1 / sd1)))
    out$se <- as.list(setNames(sqrt(diag(t %*% v %*% t(t))), c("(Intercept)", features)))
  }
  out
}
logistic <- list(ridge_100 = net_logistic(0, 100), net_30_20 = net_logistic(30, 20),
  lasso_40 = net_logistic(40, 0))

# Poisson: glmnet with an offset.
net_poisson <- function(l1, l2) {
  f <- c("age", "male", "wbc", "tpi")
  fit <- glmnet(x, d$death, family = "poisson", alpha = l1 / (l1 + l2), lambda = (l1 + l2) / n,
    offset = log(d$time_days), standardize = FALSE, thresh = 1e-14, maxit = 1e7)
  b <- as.numeric(coef(fit)); slope <- b[-1] / sds
  list(lasso = l1, ridge = l2,
    coef = as.list(c("(Intercept)" = b[1] - sum(slope * sapply(d[f], mean)), setNames(slope, f))))
}
poisson_net <- list(net_30_20 = net_poisson(30, 20))
# Linear: half the residual sum of squares plus ridge / 2 |beta|^2, by its normal equations (glmnet
# rescales its lambda by the deviation of the outcome). An elastic net: glmnet, on an outcome of
# deviation 1, where the rescaling is none.
f3 <- c("age", "male", "tpi")
x3 <- as.matrix(z[f3]); yc <- d$wbc - mean(d$wbc)
gram <- t(x3) %*% x3
b3 <- solve(gram + diag(50, 3), t(x3) %*% yc)[, 1]
slope3 <- b3 / sds[f3]
linear <- list(ridge_50 = list(ridge = 50, coef = as.list(c(
  "(Intercept)" = mean(d$wbc) - sum(slope3 * sapply(d[f3], mean)), slope3))))
sy <- sdn(d$wbc)
linear$net <- local({
  # In units of sy, lambda1 is l1 / (n sy) and lambda2 is l2 / n.
  l1 <- 1500; l2 <- 40; a1 <- l1 / (n * sy); a2 <- l2 / n
  fit <- glmnet(x3, yc / sy, family = "gaussian", alpha = a1 / (a1 + a2), lambda = a1 + a2,
    standardize = FALSE, thresh = 1e-16, maxit = 1e7)
  slope <- as.numeric(coef(fit))[-1] * sy / sds[f3]
  list(lasso = l1, ridge = l2, coef = as.list(c(
    "(Intercept)" = mean(d$wbc) - sum(slope * sapply(d[f3], mean)), setNames(slope, f3))))
})

# Interactions: products of raw columns.
glm_of <- function(fit) list(coef = as.list(coef(fit)), se = as.list(sqrt(diag(vcov(fit)))),
  deviance = deviance(fit), loglik = as.numeric(logLik(fit)), n = nobs(fit))
ctl <- glm.control(epsilon = 1e-14, maxit = 100)
m <- read.csv("data/mgus2.csv")
bmt <- read.csv("data/bmt_klein.csv")
cox_of <- function(fit) list(coef = as.list(coef(fit)), se = as.list(sqrt(diag(vcov(fit)))),
  loglik = fit$loglik[2], loglik_null = fit$loglik[1], n = fit$n, events = fit$nevent)
interaction <- list(
  cox_male_age = cox_of(coxph(Surv(time_days, death) ~ male * age + strata(district), data = d,
    ties = "efron", control = control)),
  cox_group_age = cox_of(coxph(Surv(dfs_days, dfs_event) ~ disease_group * patient_age +
    strata(hospital), data = bmt, ties = "efron", control = control)),
  logistic_male_age = glm_of(glm(death ~ male * age, family = binomial, data = d, control = ctl)),
  poisson_male_age = glm_of(glm(death ~ male * age + offset(log(time_days)), family = poisson,
    data = d, control = ctl)),
  linear_sex_age = {
    s <- lm(hgb ~ sex * age + creat, data = m)
    t <- summary(s)$coefficients
    list(coef = as.list(coef(s)), se = as.list(t[, 2]), p = as.list(t[, 4]),
      lo = as.list(confint(s)[, 1]), hi = as.list(confint(s)[, 2]), sigma = summary(s)$sigma, deviance = deviance(s), loglik = as.numeric(logLik(s)),
      loglik_null = as.numeric(logLik(lm(hgb ~ 1, data = model.frame(s)))), n = nobs(s))
  })
p3 <- glm(death ~ age + male + offset(log(time_days)), family = poisson, data = d, control = ctl)
null_poisson <- as.numeric(logLik(glm(death ~ 1 + offset(log(time_days)), family = poisson,
  data = d, control = ctl)))

# What the noised forms estimate where there is no noise: rows x = (1/2, z) with z by public ranges,
# flags less 1/2, weighted by 1 / |x| (logistic) and 1 / |x|^2 (linear).
norm <- with(d, sqrt(0.25 + ((age - 55) / 55)^2 + (male - 0.5)^2 + ((tpi - 2.5) / 12.5)^2))
weighted <- list(
  logistic = list(coef = as.list(coef(glm(death ~ age + male + tpi, family = quasibinomial,
    weights = 1 / norm, data = d, control = ctl)))),
  linear = list(coef = as.list(coef(lm(wbc ~ age + male + tpi, weights = 1 / norm^2, data = d)))))

versions <- list(R = as.character(getRversion()),
  survival = as.character(packageVersion("survival")),
  glmnet = as.character(packageVersion("glmnet")))
write_json(list(versions = versions, sd = as.list(sds), cox = cox, logistic = logistic,
  poisson = poisson_net, linear = linear, interaction = interaction,
  poisson_loglik_null = null_poisson, weighted = weighted),
  "tests/oracles/penalised.json", digits = 15, auto_unbox = TRUE, pretty = TRUE)
