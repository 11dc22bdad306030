#!/usr/bin/env python3
"""Holds what cargo-audit reports against what is accepted:
advisories.py DATABASE ACCEPTED SHIPPED < AUDIT.json

ACCEPTED is accepted.txt; SHIPPED has a line `name version` for each crate in a program. Prints
`accepted ...` for each accepted advisory, any other line is a fault, and then the status is 1:
- an advisory that applies and is not accepted (vulnerable, unsound, unmaintained, notice alike);
- an accepted one that does not apply any more, unless the database is too old to have it;
- one accepted as `unshipped` whose crate is in a program;
- one without a date or a reason.
"""

import json
import pathlib
import re
import sys


def entries(path):
    for line in pathlib.Path(path).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            yield [field.strip() for field in line.split("|")]


def main(database, accepted, shipped):
    report = json.load(sys.stdin)
    found = list(report["vulnerabilities"]["list"])
    for kind in report["warnings"].values():
        found += [one for one in kind if one.get("advisory")]
    open_ = {(one["advisory"]["id"], f"{one['package']['name']} {one['package']['version']}") for one in found}
    titles = {one["advisory"]["id"]: one["advisory"]["title"] for one in found}
    programs = set(pathlib.Path(shipped).read_text().splitlines())
    faults = []
    for entry in entries(accepted):
        if len(entry) != 5 or not all(entry) or not re.fullmatch(r"20\d\d-\d\d-\d\d", entry[2]):
            faults.append(f"not `id | crate version | date | where | reason`: {' | '.join(entry)}")
            continue
        advisory, crate, date, where, reason = entry
        if where not in ("shipped", "unshipped"):
            faults.append(f"{advisory} is accepted as `{where}`")
        if where == "unshipped" and crate in programs:
            faults.append(f"{advisory} is accepted since {crate} is in no program, and it is in one")
        if (advisory, crate) in open_:
            open_.remove((advisory, crate))
            print(f"accepted {advisory} of {crate}, since {date}: {reason}")
        elif list(pathlib.Path(database).glob(f"crates/*/{advisory}.md")):
            faults.append(f"{advisory} is accepted for {crate} and does not apply to it")
        else:
            print(f"accepted {advisory} of {crate}, since {date}; not in this database")
    faults += [f"{advisory} applies to {crate}: {titles[advisory]}" for advisory, crate in sorted(open_)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
