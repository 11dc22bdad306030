#!/usr/bin/env python3
"""What run.sh needs around cargo-deny.

deny.py findings < JSON             a line for each error of cargo-deny, and for each warning but that of
                                    a crate in two versions, which deny.toml allows
deny.py twin FIELD VALUE < METADATA the same metadata, in which the crate `itoa` (which needs nothing
                                    and has no second version) has another name, license or source
"""

import json
import sys


def findings(lines):
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            print("error", "unreadable", line.strip())
            continue
        fields = entry["fields"]
        if entry["type"] == "diagnostic" and fields["severity"] in ("error", "warning"):
            if (fields["severity"], fields["code"]) != ("warning", "duplicate"):
                crates = [graph.get("Krate", {}).get("name", "") for graph in fields.get("graphs", [])]
                print(fields["severity"], fields["code"], " ".join(crates), "--", fields["message"])
        elif entry["type"] == "log" and fields.get("level") == "ERROR":
            print("error", "log", "--", fields.get("message"))


def twin(field, value, metadata):
    changed = [one for one in metadata["packages"] if one["name"] == "itoa"]
    assert len(changed) == 1, "the crate that twins are made from is gone"
    changed[0][field] = value
    json.dump(metadata, sys.stdout)


if __name__ == "__main__":
    if sys.argv[1] == "findings":
        findings(sys.stdin)
    else:
        twin(sys.argv[2], sys.argv[3], json.load(sys.stdin))
