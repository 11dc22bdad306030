"""Seconds that PyTorch needs to train the private AMLSG network: with Opacus, and in plain loops.

The same model as haima's (`deepsurv`, one hidden layer of 16 tanh units before the rate form of a
proportional hazards likelihood with a baseline of eight intervals), the same training patients
(folds 1 to 4 of `truth/folds/amlsg_os.csv`), columns, public ranges, steps, clip, rate, momentum and
noise: one full batch a step, every patient's gradient clipped. Prints the median of five runs (of the
loops, one), by the clock and of processor time, and Harrell's C of fold 0.

    python benches/python/leukaemia.py SHARED_FOLDER NOISE_MULTIPLIER

Assumes the packages of requirements.txt; see the README beside it.
"""

import csv
import math
import statistics
import sys
import time
import warnings

import numpy
import torch
from torch import nn

warnings.filterwarnings("ignore")

NUMERIC = {
    "age": (15.5, 100.5), "wbc": (0.0, 7.0), "hb": (0.0, 25.0), "platelet": (0.0, 8.0),
    "ldh": (0.0, 10.0), "bm_blasts": (0.0, 100.0), "pb_blasts": (0.0, 100.0),
    "performance_ecog": (-0.5, 4.5), "cebpa": (-0.5, 2.5),
}
LOG1P = {"wbc", "platelet", "ldh"}
FLAGS = """npm1 flt3_itd flt3_tkd complex minus5_5q minus7 plus8_8q mono17_17p_abn17p t_15_17 t_8_21
inv16_t16_16 inv3_t3_3 t_v_11 mut_dnmt3a mut_nras mut_tet2 mut_idh2 mut_runx1 mut_ptpn11 mut_tp53
mut_idh1 mut_srsf2 mut_wt1 mut_kras mut_kmt2a mut_kit mut_asxl1 mut_stag2 mut_rad21 mut_ezh2 mut_phf6
mut_cbl mut_nf1 mut_sf3b1 mut_u2af1 mut_gata2 mut_bcor mut_myc""".split()
LEVELS = {"sex": ["M"], "typeaml": ["oAML", "sAML", "tAML"]}
CUTS = [180.0, 365.0, 545.0, 730.0, 1095.0, 1460.0, 2190.0, 3650.0]

HIDDEN, STEPS, CLIP, RATE, MOMENTUM = 16, 100, 1.0, 0.5, 0.9
SCALE, HAZARD, EXPECTED = 0.5, 0.12, 1200
RUNS = 5


def number(field):
    return float({"True": "1", "False": "0", "": "nan"}.get(field, field))


def read(shared):
    """Inputs, targets (share at risk, event, by interval), and (time, died, fold) of every patient."""
    with open(f"{shared}/data/amlsg_1540.csv") as file:
        rows = list(csv.DictReader(file))
    with open(f"{shared}/truth/folds/amlsg_os.csv") as file:
        folds = [int(row["fold"]) for row in csv.DictReader(file)]
    inputs, targets, followed = [], [], []
    for row, fold in zip(rows, folds):
        x = []
        for name, (low, high) in NUMERIC.items():
            value = number(row[name])
            value = math.log1p(value) if name in LOG1P else value
            x.append(0.0 if math.isnan(value) else (value - (low + high) / 2) / ((high - low) / 2))
        for name in FLAGS:
            value = number(row[name])
            x.append(0.0 if math.isnan(value) else value)
        for name, levels in LEVELS.items():
            x.extend(float(row[name] == level) for level in levels)
        time_, died = float(row["os"]), float(row["status"])
        left, at_risk, events = 0.0, [], []
        for cut in CUTS:
            at_risk.append(max(0.0, (min(time_, cut) - left) / (cut - left)))
            events.append(died * (time_ <= cut and (time_ > left or left == 0.0)))
            left = cut
        inputs.append(x)
        targets.append(at_risk + events)
        followed.append((time_, died, fold))
    return (
        torch.tensor(inputs, dtype=torch.float32),
        torch.tensor(targets, dtype=torch.float32),
        numpy.array(followed),
    )


class Survival(nn.Module):
    """A risk score, added to a baseline of one log hazard an interval."""

    def __init__(self, width):
        super().__init__()
        self.first = nn.Linear(width, HIDDEN)
        self.last = nn.Linear(HIDDEN, 1, bias=False)
        # The baseline as a layer of one input, which Opacus knows how to clip.
        self.baseline = nn.Linear(1, len(CUTS), bias=False)
        nn.init.constant_(self.baseline.weight, math.log(-math.log1p(-HAZARD)) / SCALE)

    def score(self, x):
        return self.last(torch.tanh(self.first(x)))

    def forward(self, x):
        return self.score(x) + SCALE * self.baseline(torch.ones(len(x), 1))


def loss(z, target):
    """The patients' negative log-likelihoods, added."""
    at_risk, events = target.chunk(2, dim=1)
    return (at_risk * z.exp() - events * z).sum()


def opacus(x, target, noise):
    from opacus.grad_sample import GradSampleModule
    from opacus.optimizers import DPOptimizer

    model = GradSampleModule(Survival(x.shape[1]), loss_reduction="sum")
    optimizer = DPOptimizer(
        torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM),
        noise_multiplier=noise, max_grad_norm=CLIP, expected_batch_size=EXPECTED, loss_reduction="mean",
    )
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(model(x), target).backward()
        optimizer.step()
    return model._module


def loops(x, target, noise):
    model = Survival(x.shape[1])
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM)
    for _ in range(STEPS):
        sums = [torch.zeros_like(p) for p in parameters]
        for i in range(len(x)):
            gradient = torch.autograd.grad(loss(model(x[i : i + 1]), target[i : i + 1]), parameters)
            norm = math.sqrt(sum(float(g.square().sum()) for g in gradient))
            factor = min(1.0, CLIP / norm)
            for total, part in zip(sums, gradient):
                total.add_(part, alpha=factor)
        for p, total in zip(parameters, sums):
            p.grad = (total + noise * CLIP * torch.randn_like(total)) / EXPECTED
        optimizer.step()
    return model


def concordance(followed, risk):
    time_, died = followed[:, 0], followed[:, 1] > 0
    later = (time_[None, :] > time_[died, None]) | ((time_[None, :] == time_[died, None]) & ~died[None, :])
    wins = (risk[died, None] > risk[None, :]) + 0.5 * (risk[died, None] == risk[None, :])
    return (wins * later).sum() / later.sum()


def main():
    shared, noise = sys.argv[1], float(sys.argv[2])
    x, target, followed = read(shared)
    training = torch.tensor(followed[:, 2] != 0)
    torch.set_num_threads(2)
    for name, train, runs in [("Opacus", opacus, RUNS), ("plain loops", loops, 1)]:
        seconds, busy, scores = [], [], []
        for run in range(runs):
            torch.manual_seed(run)
            begin, begin_busy = time.perf_counter(), time.process_time()
            model = train(x[training], target[training], noise)
            seconds.append(time.perf_counter() - begin)
            busy.append(time.process_time() - begin_busy)
            with torch.no_grad():
                risk = model.score(x)[~training, 0].numpy()
            scores.append(concordance(followed[(~training).numpy()], risk))
        print(f"{name}: {statistics.median(seconds):.3f} s ({statistics.median(busy):.3f} s of "
              f"processor), median of {runs}; C-index {statistics.mean(scores):.4f}", flush=True)


if __name__ == "__main__":
    main()
