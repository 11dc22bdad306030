#!/usr/bin/env python3
"""Holds docs/security/dependencies.md against `cargo metadata`: notes.py METADATA.json PAGE.md

`proofs/supply/run.sh notes` makes the one and names the other.
Prints a line for each fault and ends with status 1 if there is one:
- a direct dependency of the workspace without a row, or a row without one;
- a crate named in a row, in brackets or under "Cryptographic crates", that is not in Cargo.lock;
- another licence in a row than the crate states;
- under "Cryptographic crates": another version than Cargo.lock has, or another number of `unsafe`
  than the source of that version holds. So who updates such a crate has to look at it again;
- one of them without a note, or a direct cryptographic dependency that is not among them.

Not shown: that what the page says of a crate in words is true.
"""

import json
import pathlib
import re
import sys

READ = "Cryptographic crates"


def code(text):
    """Rust source without its comments and strings."""
    kept = r'r(#*)".*?"\1|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'|//[^\n]*|/\*.*?\*/'
    return re.sub(kept, " ", text, flags=re.S)


def unsafe(manifest):
    """How often the word `unsafe` stands in the code of a crate's src folder."""
    files = pathlib.Path(manifest).parent.glob("src/**/*.rs")
    return sum(len(re.findall(r"\bunsafe\b", code(f.read_text(errors="replace")))) for f in files)


def alike(licence):
    """`MIT/Apache-2.0` and `Apache-2.0 OR MIT` are the same statement."""
    return sorted(re.split(r"\s*/\s*|\s+OR\s+", licence)) if "AND" not in licence else licence


def rows(page):
    """(chapter, cells) of each row of a table, without heads and rules."""
    chapter, head = "", True
    for line in page.splitlines():
        if line.startswith("## "):
            chapter = line[3:].strip()
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            head = True
        elif not head and not re.fullmatch(r"[-:]+", cells[0]):
            yield chapter, cells
        if line.startswith("|"):
            head = False


def main(metadata, page):
    data = json.loads(pathlib.Path(metadata).read_text())
    page = pathlib.Path(page).read_text()
    packages = {}
    for one in data["packages"]:
        packages.setdefault(one["name"], []).append(one)
    members = [one for one in data["packages"] if one["id"] in data["workspace_members"]]
    ours = {one["name"] for one in members}
    direct = {d["name"] for one in members for d in one["dependencies"]} - ours
    # Which of several versions is the direct one: by the resolved graph.
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    used = {d["pkg"] for one in members for d in nodes[one["id"]]["deps"]}

    faults, named, read = [], set(), set()
    for chapter, cells in rows(page):
        if chapter == "Tools":
            continue
        if chapter == READ:
            name, version, count = cells[0], cells[1], cells[2]
            read.add(name)
            of_it = {one["version"]: one for one in packages.get(name, [])}
            if version not in of_it:
                faults.append(f"{name} {version} was read, Cargo.lock has {', '.join(of_it) or 'none'}")
            elif (found := unsafe(of_it[version]["manifest_path"])) != int(count.replace(",", "")):
                faults.append(f"{name} {version} has {found} `unsafe`, not {count}")
            continue
        outside = re.sub(r"\(.*?\)", "", cells[0])
        for name in re.split(r"[,\s]+", outside.strip()):
            name = {"webpki": "rustls-webpki"}.get(name, name)
            named.add(name)
            if name not in direct:
                faults.append(f"{name} has a row and is no direct dependency")
                continue
            stated = next(one for one in packages[name] if one["id"] in used)["license"]
            if stated and alike(re.sub(r" \(.*", "", cells[2])) != alike(stated):
                faults.append(f"{name} states the licence {stated}")
        for name in re.findall(r"[\w-]+", " ".join(re.findall(r"\((.*?)\)", cells[0]))):
            if name not in packages:
                faults.append(f"{name} is named and not in Cargo.lock")
    faults += [f"{name} has no row" for name in sorted(direct - named)]

    cryptographic = {
        {"webpki": "rustls-webpki"}.get(name, name)
        for chapter, cells in rows(page)
        if chapter == "Cryptography"
        for name in re.split(r"[,\s]+", re.sub(r"\(.*?\)", "", cells[0]).strip())
    }
    noted = set(re.findall(r"`([\w-]+)`", " ".join(re.findall(r"^- \*\*(.*?)\*\*", page, re.M))))
    faults += [f"{name} is not under {READ}" for name in sorted(cryptographic - read)]
    faults += [f"{name} has no note" for name in sorted(read - noted)]
    faults += [f"{name} has a note and no row under {READ}" for name in sorted(noted - read)]
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: notes.py METADATA.json PAGE.md; or proofs/supply/run.sh notes")
    sys.exit(main(*sys.argv[1:]))
