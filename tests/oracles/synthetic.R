# Oracle of the survival metrics of synthetic data: R's survival on the shipped cohort, women of leuksurv
# as "real" and men as "virtual" patients. From the repository's root: Rscript tests/oracles/synthetic.R
suppressMessages({ library(survival); library(jsonlite) })

d <- read.csv("data/leuksurv.csv")
curve <- function(rows) survfit(Surv(time_days, death) ~ 1, d[rows, ])
real <- curve(d$male == 0)
made <- curve(d$male == 1)
height <- function(fit) stepfun(fit$time, c(1, fit$surv))
until <- max(real$time, made$time)
# Exact: heights between all times of both.
at <- sort(unique(c(0, real$time, made$time)))
gap <- (height(made)(at) - height(real)(at))[-length(at)]
# On a grid of 1000 points, as the field's tools do it.
grid <- seq(0, until, length.out = 1000)
rough <- height(made)(grid) - height(real)(grid)
trapezoid <- function(y) sum((y[-1] + y[-length(y)]) / 2 * diff(grid))
test <- survdiff(Surv(time_days, death) ~ male, d)
out <- list(
  versions = list(R = as.character(getRversion()), survival = as.character(packageVersion("survival"))),
  until = until,
  optimism = sum(gap * diff(at)) / until,
  divergence = sum(abs(gap) * diff(at)) / until,
  short_sightedness = (max(real$time) - max(made$time)) / until,
  grid = list(optimism = trapezoid(rough) / until, divergence = trapezoid(abs(rough)) / until),
  logrank = list(observed = unname(test$obs), expected = unname(test$exp), chisq = test$chisq,
                 p = pchisq(test$chisq, 1, lower.tail = FALSE))
)
writeLines(toJSON(out, auto_unbox = TRUE, digits = NA), "tests/oracles/synthetic_survival.json")
