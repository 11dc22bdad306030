"""Epsilon of a training by DP-SGD from Google's accountants, timed: the question that
`cargo bench -p haima-dp --bench accountants` asks ours (sigma 1.1, q 256/60000, 14,062 steps,
delta 1e-5). Prints epsilon and the shortest of five times, in milliseconds.
"""

import time

import dp_accounting
from dp_accounting import pld, rdp

NEIGHBOURS = dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE
STEP = dp_accounting.PoissonSampledDpEvent(256 / 60_000, dp_accounting.GaussianDpEvent(1.1))
TRAINING = dp_accounting.SelfComposedDpEvent(STEP, 14_062)


def ask(make):
    accountant = make()
    accountant.compose(TRAINING)
    return accountant.get_epsilon(1e-5)


def timed(make):
    start = time.perf_counter()
    epsilon = ask(make)
    return time.perf_counter() - start, epsilon


def main():
    accountants = {
        "Renyi": lambda: rdp.RdpAccountant(neighboring_relation=NEIGHBOURS),
        "privacy loss distribution": lambda: pld.PLDAccountant(NEIGHBOURS),
    }
    for name, make in accountants.items():
        runs = [timed(make) for _ in range(5)]
        seconds, epsilon = min(runs)
        print(f"{name}: epsilon {epsilon:.6f}, {1e3 * seconds:.1f} ms")


if __name__ == "__main__":
    main()
