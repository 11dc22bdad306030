"""Marginal-based synthetic data by dpmm (SAS, Apache-2.0), and the figure by which ours is held against it.

The columns, their public bins, the split and the privacy target are those of synthetic.json. A
generator learns from the training rows and makes as many rows; its figure is the mean total
variation distance between its rows and the held-out ones over all 3-way tables. Seconds are those
of fitting and sampling on one thread, by the clock and of processor time.

    python benches/python/synthetic.py fit --data flchain --method mst
    python benches/python/synthetic.py fit --data flchain --method aim --degree 3 --seeds 3
    python benches/python/synthetic.py floor --data flchain
    python benches/python/synthetic.py score --data flchain --synthetic FILE

`fit` has dpmm's own defaults for everything but epsilon, delta, threads and, where given, the degree
of AIM's workload (its default is all pairs). dpmm's noise comes from the operating system: a seed
fixes its choices and its sampling alone, so a second run gives other figures. `floor` judges the
training rows themselves, and columns drawn apart from one another. `score` judges a CSV file with a
header, in the data's own units. Each line of output is a JSON object.

Assumes the packages of requirements-synthetic.txt; see the README beside it.
"""

import os

# Before numpy is loaded, which reads them once.
for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"]:
    os.environ[name] = "1"

import argparse
import contextlib
import csv
import itertools
import json
import pathlib
import resource
import sys
import time
import warnings

import numpy

warnings.filterwarnings("ignore")

BINS = pathlib.Path(__file__).with_name("synthetic.json")


class Table:
    """Rows as levels, one small integer a column, by the public bins."""

    def __init__(self, columns, path):
        self.names = [column["name"] for column in columns]
        self.sizes = [size(column) for column in columns]
        with open(path, newline="") as file:
            reader = csv.DictReader(file)
            absent = [name for name in self.names if name not in (reader.fieldnames or [])]
            if absent:
                sys.exit(f"{path}: it has no column {', '.join(absent)}")
            rows = [[level(c, row[c["name"]], path) for c in columns] for row in reader]
        self.levels = numpy.array(rows, dtype=numpy.int64).reshape(len(rows), len(columns))


def size(column):
    own = len(column["edges"]) - 1 if column["kind"] == "number" else len(column["levels"])
    return own + column["missing"]


def level(column, field, path):
    """A field's level; ends the program where it has none, so that nothing is judged in part."""
    field = field.strip()
    if field == "" and column["missing"]:
        return size(column) - 1
    try:
        if column["kind"] == "number":
            edges, value = column["edges"], float(field)
            if edges[0] <= value <= edges[-1]:
                return int(numpy.searchsorted(edges[1:-1], value, side="right"))
        elif field in column["levels"]:
            return column["levels"].index(field)
        else:
            return column["levels"].index(str(int(float(field))))
    except ValueError:
        pass
    sys.exit(f"{path}: column {column['name']}: {field!r} has no level in {BINS.name}")


def distances(left, right, sizes, ways):
    """Total variation between two tables of levels, for every choice of so many columns."""
    found = []
    for chosen in itertools.combinations(range(len(sizes)), ways):
        shape = [sizes[column] for column in chosen]
        shares = []
        for rows in (left, right):
            cells = numpy.ravel_multi_index(rows[:, chosen].T, shape)
            shares.append(numpy.bincount(cells, minlength=numpy.prod(shape)) / len(rows))
        found.append(0.5 * numpy.abs(shares[0] - shares[1]).sum())
    return numpy.array(found)


def figures(synthetic, heldout, sizes):
    by_ways = {ways: distances(synthetic, heldout, sizes, ways) for ways in (1, 2, 3)}
    return {f"tv{ways}": round(float(all_.mean()), 5) for ways, all_ in by_ways.items()} | {
        "tv3_worst": round(float(by_ways[3].max()), 5)
    }


class Study:
    """A data set with its split."""

    def __init__(self, name, shared):
        bins = json.loads(BINS.read_text())
        self.bins, self.target = bins[name], (bins["epsilon"], bins["delta"])
        self.table = Table(self.bins["columns"], pathlib.Path(shared) / "data" / self.bins["file"])
        self.sizes = self.table.sizes
        number = numpy.arange(len(self.table.levels))
        out = number % bins["heldout"]["modulo"] == bins["heldout"]["equals"]
        self.train, self.heldout = self.table.levels[~out], self.table.levels[out]


def joined(study, levels):
    """Columns for dpmm with every (time, event) as one attribute, and the way back."""
    names = study.table.names
    pairs = [(names.index(p["time"]), names.index(p["event"])) for p in study.bins["survival"]]
    events = {event for _, event in pairs}
    kept = [i for i in range(len(names)) if i not in events]
    levels, sizes = levels.copy(), list(study.sizes)
    for time_, event in pairs:
        levels[:, time_] = levels[:, time_] * sizes[event] + levels[:, event]
        sizes[time_] *= sizes[event]

    def back(made):
        rows = numpy.zeros((len(made), len(names)), dtype=numpy.int64)
        rows[:, kept] = made
        for time_, event in pairs:
            rows[:, time_], rows[:, event] = divmod(rows[:, time_], study.sizes[event])
        return rows

    return levels[:, kept], [sizes[i] for i in kept], [names[i] for i in kept], back


def fit(study, options):
    import pandas
    from dpmm.models.aim import AIMGM
    from dpmm.models.mst import MSTGM
    from numpy.random import RandomState

    levels, sizes, names, back = study.train, study.sizes, study.table.names, lambda made: made
    if options.survival == "joint":
        levels, sizes, names, back = joined(study, levels)
    rows = pandas.DataFrame(levels, columns=names)
    epsilon, delta = study.target
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        given = {"degree": options.degree} if options.method == "aim" and options.degree else {}
        kind = {"mst": MSTGM, "aim": AIMGM}[options.method]
        begin, begin_busy = time.perf_counter(), time.process_time()
        model = kind(epsilon=epsilon, delta=delta, n_jobs=1, **given)
        model.set_random_state(RandomState(seed))
        model.set_domain(dict(zip(names, sizes)))
        # What the library prints is none of the output.
        with contextlib.redirect_stdout(sys.stderr):
            model.fit(rows.copy())
            fitted = time.perf_counter()
            made = model.generate(n_records=len(rows))
        end, end_busy = time.perf_counter(), time.process_time()
        made = back(made[names].to_numpy().astype(numpy.int64))
        yield {
            "method": f"dpmm {options.method}", **given, "survival": options.survival, "seed": seed,
            **figures(made, study.heldout, study.sizes),
            "seconds": round(end - begin, 2), "seconds_fit": round(fitted - begin, 2),
            "seconds_processor": round(end_busy - begin_busy, 2),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "measured": len(model.generator.cliques),
        }


def floor(study, options):
    """What no generator is expected to pass, and what knows each column but nothing of two together."""
    yield {"method": "training rows", **figures(study.train, study.heldout, study.sizes)}
    rng = numpy.random.default_rng(0)
    for seed in range(options.seeds):
        apart = numpy.column_stack([rng.permutation(column) for column in study.train.T])
        yield {"method": "columns apart", "seed": seed, **figures(apart, study.heldout, study.sizes)}


def score(study, options):
    made = Table(study.bins["columns"], options.synthetic).levels
    if not len(made):
        sys.exit(f"{options.synthetic}: no rows")
    yield {"synthetic": options.synthetic, "rows": len(made),
           **figures(made, study.heldout, study.sizes)}


def main():
    shared = os.environ.get("HAIMA_SHARED", "../shared")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["fit", "floor", "score"])
    parser.add_argument("--data", choices=["flchain", "mgus2"], required=True)
    parser.add_argument("--shared", default=shared, help="folder with data/ (HAIMA_SHARED)")
    parser.add_argument("--method", choices=["mst", "aim"], default="mst")
    parser.add_argument("--degree", type=int, help="of AIM's workload; dpmm's default without it")
    parser.add_argument("--survival", choices=["columns", "joint"], default="columns",
                        help="(time, event) as two columns, or as one attribute of their product")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--synthetic", help="CSV file to score")
    options = parser.parse_args()
    if options.command == "score" and not options.synthetic:
        parser.error("score needs --synthetic FILE")
    study = Study(options.data, options.shared)
    run = {"fit": fit, "floor": floor, "score": score}[options.command]
    for line in run(study, options):
        whole = {"data": options.data, "train": len(study.train), "heldout": len(study.heldout)}
        print(json.dumps(whole | line), flush=True)


if __name__ == "__main__":
    main()
