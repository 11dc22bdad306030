# ComBat of made-up features, by neuroCombat 0.2.12 (Fortin) on the pooled rows; versions stand in the
# output. From the repository's root, with numpy, pandas and neuroCombat installed:
# python tests/oracles/combat.py
# The iteration of the empirical Bayes step is carried to 1e-13 instead of the program's 1e-4, so that
# its fixed point is compared and not where it stops.
import importlib
import json
from importlib.metadata import version

import neuroCombat as package
import numpy as np
import pandas as pd
module = importlib.import_module("neuroCombat.neuroCombat")

module.it_sol.__defaults__ = (1e-13,)

random = np.random.default_rng(20070108)
n, p = 120, 6
scanner = random.integers(0, 3, n)
site = random.integers(0, 3, n)
age = np.round(random.uniform(30, 80, n), 1)
sex = random.integers(0, 2, n)
features = np.empty((n, p))
for j in range(p):
    shift = random.normal(0, 1, 3)
    spread = random.uniform(0.6, 1.6, 3)
    noise = random.normal(0, 1, n)
    features[:, j] = 10 + j + 0.05 * (age - 55) + 0.6 * sex + shift[scanner] + spread[scanner] * noise
    features[:, j] += 0.7 * (site - 1)
features = np.round(features, 4)


def combat(batch, covariates):
    table = pd.DataFrame({"batch": batch})
    if covariates:
        table["age"], table["sex"] = age, sex
    result = package.neuroCombat(
        dat=features.T, covars=table, batch_col="batch",
        categorical_cols=["sex"] if covariates else None,
        continuous_cols=["age"] if covariates else None,
    )
    estimates = result["estimates"]
    return {
        "data": result["data"].T.tolist(),
        "gamma": np.asarray(estimates["gamma.star"]).tolist(),
        "delta": np.asarray(estimates["delta.star"]).tolist(),
        "sd": np.sqrt(np.asarray(estimates["var.pooled"]).ravel()).tolist(),
    }


oracle = {
    "versions": {name: version(name) for name in ["neuroCombat", "numpy", "pandas"]},
    "scanner": scanner.tolist(), "site": site.tolist(), "age": age.tolist(), "sex": sex.tolist(),
    "features": features.tolist(),
    "by_scanner": combat(scanner, True),
    "by_scanner_alone": combat(scanner, False),
    "by_site": combat(site, True),
}
with open("tests/oracles/combat.json", "w") as file:
    json.dump(oracle, file)
    file.write("\n")
