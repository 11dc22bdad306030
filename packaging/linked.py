"""Keeps of a CycloneDX file what is built into the binary.

`cargo metadata`, which cargo-cyclonedx reads, also lists packages of features that are off;
`cargo tree` does not. Usage: linked.py BOM.json < output of `cargo tree --prefix none`.
"""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    bom = json.load(file)
built = set()
for line in sys.stdin:
    words = line.split()
    if len(words) >= 2:
        built.add((words[0], words[1].removeprefix("v")))
parts = [part for part in bom["components"] if (part["name"], part["version"]) in built]
refs = {part["bom-ref"] for part in parts} | {bom["metadata"]["component"]["bom-ref"]}
listed = {(part["name"], part["version"]) for part in parts}
root = bom["metadata"]["component"]
missing = built - listed - {(root["name"], root["version"])}
if missing:
    sys.exit(f"linked.py: {sys.argv[1]} lacks {sorted(missing)}")
bom["components"] = parts
bom["dependencies"] = [
    {**entry, "dependsOn": [ref for ref in entry.get("dependsOn", []) if ref in refs]}
    for entry in bom["dependencies"]
    if entry["ref"] in refs
]
json.dump(bom, sys.stdout, indent=1, sort_keys=True)
