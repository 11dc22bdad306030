#!/usr/bin/env python3
"""What run.sh does.

planted.py TREE [CLAIM|ID ...]      plants all changes in a copy of this repository in TREE, builds the
                                    tests that they name, and runs these changes' tests: off, on, off
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Packages beside `haima`, which is the rest of the tree.
PACKAGES = {"crypto": "haima-crypto", "dp": "haima-dp", "fl-core": "haima-fl-core", "smpc-node": "haima-smpc-node"}
# A test that takes longer than this many seconds counts for nothing.
LONGEST = 300
SWITCH = '::std::env::var_os("HAIMA_PLANTED").is_some_and(|on| on == "{id}")'


def fail(*lines):
    print(*lines, sep="\n")
    sys.exit(1)


def changes(entry):
    """Where an entry changes what."""
    return entry.get("change", [entry])


def plant(entries, tree):
    """Copies what git knows of this repository, with all changes in it. Files that are the same keep
    their times, so that cargo builds only what has changed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout.decode().split("\0")
    files = {name for name in listed if name and (ROOT / name).is_file()}
    for old in [path for path in tree.rglob("*") if path.is_file()]:
        if str(old.relative_to(tree)) not in files:
            old.unlink()
    texts = {name: (ROOT / name).read_bytes() for name in files}
    for entry in entries:
        for change in changes(entry):
            name, old, new = change["file"], change["old"].encode(), change["new"]
            if texts[name].count(old) != 1:
                fail(f"FAILED planted {entry['id']}: what it changes stands in {name} {texts[name].count(old)} times")
            new = re.sub(r"\bPLANTED\b", lambda _: SWITCH.format(id=entry["id"]), new)
            texts[name] = texts[name].replace(old, new.encode())
    for name, text in texts.items():
        path = tree / name
        if not path.is_file() or path.read_bytes() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
            path.chmod((ROOT / name).stat().st_mode)


def program(file):
    """The package and the test program that have a file, by cargo's layout."""
    first, _, rest = file.partition("/")
    package = PACKAGES.get(first, "haima")
    rest = rest if first in PACKAGES else file
    if not rest.startswith("tests/"):
        return package, None
    return package, rest.removeprefix("tests/").split("/")[0].removesuffix(".rs")


def build(tests, tree):
    """Builds the programs that have these tests: package and program, to file and folder."""
    names = sorted({program(test.split()[0])[1] for test in tests} - {None})
    command = ["cargo", "test", "--workspace", "--locked", "--no-run", "--message-format=json-render-diagnostics", "--lib"]
    for name in names:
        command += ["--test", name]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stderr[-6000:], file=sys.stderr)
        fail("FAILED planted build: the changes do not compile")
    programs = {}
    for line in done.stdout.splitlines():
        artefact = json.loads(line)
        if artefact["reason"] == "compiler-artifact" and artefact["profile"]["test"] and artefact["executable"]:
            folder = pathlib.Path(artefact["manifest_path"]).parent
            package = PACKAGES.get(folder.name, "haima") if folder != tree else "haima"
            is_test = "test" in artefact["target"]["kind"]
            name = artefact["target"]["name"] if is_test else None
            programs[package, name] = (artefact["executable"], folder)
    return programs


def run(programs, test, switch):
    """`ok`, `FAILED`, `absent` or what else came of one test, and what it said."""
    file, name = test.split()
    executable, folder = programs[program(file)]
    listed = subprocess.run([executable, "--list", name], cwd=folder, capture_output=True, text=True).stdout
    paths = [line.removesuffix(": test") for line in listed.splitlines() if line.endswith(": test")]
    paths = [path for path in paths if path.split("::")[-1] == name]
    # A name that several modules have is that of the file's.
    stem = pathlib.Path(file).with_suffix("").parts
    paths = [path for path in paths if len(paths) == 1 or set(path.split("::")[:-1]) <= set(stem) | {"tests"}]
    if len(paths) != 1:
        return f"is there {len(paths)} times", ""
    environment = {key: value for key, value in os.environ.items() if key != "HAIMA_PLANTED"}
    if switch:
        environment["HAIMA_PLANTED"] = switch
    try:
        done = subprocess.run(
            [executable, "--exact", paths[0], "--show-output"],
            cwd=folder, env=environment, capture_output=True, text=True, errors="replace", timeout=LONGEST,
        )
    except subprocess.TimeoutExpired:
        return f"takes over {LONGEST} s", ""
    said = done.stdout + done.stderr
    if re.search(r"^(ORACLE|POSTGRES|PYTHON|BROWSER|AXE) absent", said, re.MULTILINE):
        return "absent", said
    ended = re.search(rf"^test {re.escape(paths[0])}(?: - should panic)? \.\.\. .*?(ok|FAILED)$", said, re.MULTILINE | re.DOTALL)
    return (ended.group(1) if ended else "did not end"), said


def places(said, folder, tree):
    """The lines of source at which something panicked, without blanks: four from each place on."""
    for file, line in re.findall(r"panicked at ([^\s:]+):(\d+):\d+", said):
        for path in (tree / file, folder / file):
            if path.is_file():
                lines = path.read_text().splitlines()[int(line) - 1 : int(line) + 3]
                yield "".join("".join(lines).split())
                break


def check(programs, entry, tree):
    """The line of one entry."""
    name_of = f"planted {entry['id']}"
    if len(entry["at"]) != len(entry["tests"]):
        return f"FAILED {name_of}: `at` is not as long as `tests`"
    for test, at in zip(entry["tests"], entry["at"]):
        name = test.split()[1]
        for switch, wanted in ((None, "ok"), (entry["id"], "FAILED"), (None, "ok")):
            got, said = run(programs, test, switch)
            if got == "absent":
                return f"SKIPPED {name_of}: {name} lacks what it needs"
            if switch and got == "ok":
                return f"FAILED {name_of}: {name} passes without {entry['without']}"
            if got != wanted:
                return f"FAILED {name_of}: {name}, with {switch or 'nothing'} planted: {got}"
            if not switch:
                continue
            found = list(places(said, programs[program(test.split()[0])][1], tree))
            if os.environ.get("PLANTED_SHOW"):
                print(f"{name_of}: {name} fails at", *found, sep="\n    ", flush=True)
            if not any(place.startswith("".join(at.split())) for place in found):
                return f"FAILED {name_of}: {name} fails elsewhere than at `{at}`"
    names = ", ".join(test.split()[1] for test in entry["tests"])
    return f"ok {name_of} (without {entry['without']}: {names})"


def main(tree, wanted):
    entries = tomllib.loads((ROOT / "proofs/planted/planted.toml").read_text())["planted"]
    names = {entry["id"] for entry in entries} | {entry["id"].split("-")[0] for entry in entries}
    unknown = sorted(set(wanted) - names)
    if unknown:
        fail(*(f"FAILED planted {name}: there is no such change, and no claim that has one" for name in unknown))
    tree = pathlib.Path(tree).resolve()
    tree.mkdir(parents=True, exist_ok=True)
    plant(entries, tree)
    chosen = [e for e in entries if not wanted or e["id"] in wanted or e["id"].split("-")[0] in wanted]
    # Always the same programs, so that what is built once serves for each.
    programs = build([test for entry in entries for test in entry["tests"]], tree)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        failed = False
        for line in pool.map(lambda entry: check(programs, entry, tree), chosen):
            print(line, flush=True)
            failed |= line.startswith("FAILED")
    sys.exit(1 if failed else 0)


main(sys.argv[1], sys.argv[2:])
