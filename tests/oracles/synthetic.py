# Oracle of the metrics of synthetic data: numpy, SciPy and scikit-learn on made-up rows of levels.
# From the repository's root, with numpy, scipy and scikit-learn installed; versions stand in the output:
# python tests/oracles/synthetic.py
import itertools
import json
from importlib.metadata import version

import numpy as np
from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

random = np.random.default_rng(20240917)
# age: 6 ordered bins and missing; group: 4 levels; flag; time: 3 bins x 2 events.
SIZES = [7, 4, 2, 6]


def rows(n, drift):
    age = np.clip(random.normal(2.5 + drift, 1.4, n).round(), 0, 5).astype(int)
    group = (age + random.integers(0, 3, n) * (random.random(n) < 0.6 + drift / 4)) % 4
    flag = (random.random(n) < 0.2 + 0.1 * age).astype(int)
    time = 2 * np.clip(3 - age // 2 + random.integers(-1, 2, n), 0, 2) + (random.random(n) < 0.3 + 0.2 * flag)
    age[random.random(n) < 0.08] = 6
    return np.stack([age, group, flag, time], axis=1)


real, synthetic = rows(240, 0.0), rows(300, 0.4)
n, m = len(real), len(synthetic)


def table(data, columns):
    counts = np.zeros([SIZES[c] for c in columns])
    np.add.at(counts, tuple(data[:, c] for c in columns), 1)
    return counts


def tv(a, b):
    return 0.5 * np.abs(a / a.sum() - b / b.sum()).sum()


def chance(a, b):
    """Mean total variation when labels are dealt out at random: the pmf of each cell, summed."""
    total = 0.0
    for k in (a + b).ravel():
        x = np.arange(0, int(k) + 1)
        pmf = stats.hypergeom(n + m, int(k), n).pmf(x)
        total += (pmf * np.abs(x / n - (k - x) / m)).sum()
    return total / 2


def permuted(columns, times=4000):
    """The same by dealing them out."""
    both, found = np.concatenate([real, synthetic]), []
    for _ in range(times):
        order = random.permutation(n + m)
        found.append(tv(table(both[order[:n]], columns), table(both[order[n:]], columns)))
    return float(np.mean(found))


def ks(column, known):
    a, b = real[:, column], synthetic[:, column]
    return stats.ks_2samp(a[a < known], b[b < known]).statistic


def cramer(counts):
    """Bergsma 2013, from SciPy's uncorrected chi-square."""
    counts = counts[counts.sum(1) > 0][:, counts.sum(0) > 0]
    size = counts.sum()
    phi2 = stats.chi2_contingency(counts, correction=False).statistic / size
    r, c = counts.shape
    phi2 = max(0, phi2 - (r - 1) * (c - 1) / (size - 1))
    return np.sqrt(phi2 / (min(r - (r - 1) ** 2 / (size - 1), c - (c - 1) ** 2 / (size - 1)) - 1))


def gower(a, b):
    def ordered(x, y, known):
        return 1.0 if (x >= known) != (y >= known) else abs(x - y) / (known - 1) if x < known else 0.0
    time = (abs(a[3] // 2 - b[3] // 2) / 2 + (a[3] % 2 != b[3] % 2)) / 2
    return (ordered(a[0], b[0], 6) + (a[1] != b[1]) + (a[2] != b[2]) + time) / 4


nearest = []
for patient in real[:60].tolist():
    distances = sorted(gower(patient, other) for other in synthetic.tolist())
    first, second = distances[:2]
    nearest.append([first, 1.0 if second == 0 else first / second])


def forest(a, b):
    """Out-of-bag AUC, mean of ten forests; equal numbers of each."""
    size, found = min(len(a), len(b)), []
    x = np.concatenate([a[:size], b[:size]])
    # One indicator a level where there is no order.
    x = np.column_stack([x[:, 0], x[:, 1] == 0, x[:, 1] == 1, x[:, 1] == 2, x[:, 2]] + [x[:, 3] == k for k in range(6)])
    y = np.repeat([1, 0], size)
    for seed in range(10):
        trees = RandomForestClassifier(500, min_samples_leaf=5, max_depth=12, oob_score=True, random_state=seed)
        found.append(roc_auc_score(y, trees.fit(x, y).oob_decision_function_[:, 1]))
    return float(np.mean(found))


triples = list(itertools.combinations(range(4), 3))
pairs = list(itertools.combinations(range(4), 2))
far = np.stack([np.clip(synthetic[:, 0] + 2, 0, 6), synthetic[:, 1], 1 - synthetic[:, 2], synthetic[:, 3]], axis=1)
known = [(real[:, 0] < 6), (synthetic[:, 0] < 6)]
out = {
    "versions": {p: version(p) for p in ["numpy", "scipy", "scikit-learn"]},
    "sizes": SIZES,
    "real": real.tolist(),
    "synthetic": synthetic.tolist(),
    "columns": [{
        "tv": tv(table(real, [c]), table(synthetic, [c])),
        "chance": chance(table(real, [c]), table(synthetic, [c])),
    } for c in range(4)],
    "ks_age": ks(0, 6),
    "ks_time": stats.ks_2samp(real[:, 3] // 2, synthetic[:, 3] // 2).statistic,
    "pairs": [{
        "columns": list(p),
        "tv": tv(table(real, p), table(synthetic, p)),
        "chance": chance(table(real, p), table(synthetic, p)),
        "association": [cramer(table(real, p)), cramer(table(synthetic, p))],
    } for p in pairs],
    "rank_age_flag": [
        stats.spearmanr(real[known[0], 0], real[known[0], 2]).statistic,
        stats.spearmanr(synthetic[known[1], 0], synthetic[known[1], 2]).statistic,
    ],
    "triples": {
        "tv": float(np.mean([tv(table(real, t), table(synthetic, t)) for t in triples])),
        "chance": float(np.mean([chance(table(real, t), table(synthetic, t)) for t in triples])),
        "permuted": float(np.mean([permuted(t) for t in triples])),
    },
    "nearest": nearest,
    "copies": int(sum(any((row == other).all() for other in synthetic) for row in real)),
    "forest": {"drift": forest(real, synthetic), "far": forest(real, far)},
    "far": far.tolist(),
}
with open("tests/oracles/synthetic.json", "w") as file:
    json.dump(out, file, separators=(",", ":"))
    file.write("\n")
print({k: out[k] for k in ["versions", "ks_age", "ks_time", "rank_age_flag", "triples", "copies", "forest"]})
