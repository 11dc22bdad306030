"""A study in masked mode as a site reads it, written from docs/protocol.md: the manifest and its
signatures, a round's spec and query, and the sums that are released.
"""

import math
import os
import struct
import sys
import time
import tomllib
from collections import namedtuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, "../../crypto/tests/interop"))
sys.path.insert(0, os.path.join(HERE, "../../smpc-node/tests/interop"))
import secagg  # noqa: E402
from haima_crypto import Reader, digest, listed, text, u8, u32, u64  # noqa: E402
from haima_spec import read_spec, spec_bytes  # noqa: E402
from haima_wire import PROTOCOL  # noqa: E402
from secagg_site import check_confirmations, require  # noqa: E402

EXPANSIONS = {"aes-128-ctr": 1, "chacha20": 2}
CLOCK_MS = 30_000


def verify(party, signed, signature):
    """Refuses a digest that this party of the manifest did not sign."""
    key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(party["identity"]))
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        require(False, f"the signature of {party['name']} does not verify")


# Manifest.


def float_bits(value):
    return struct.pack("<d", value)


def value_bytes(value):
    """A value of a TOML table, under its tag."""
    if isinstance(value, str):
        return u8(0) + text(value)
    if isinstance(value, bool):
        return u8(3) + u8(value)
    if isinstance(value, int):
        return u8(1) + u64(value % 2**64)
    if isinstance(value, float):
        return u8(2) + float_bits(value)
    if isinstance(value, list):
        return u8(5) + listed([value_bytes(item) for item in value])
    if isinstance(value, dict):
        return u8(6) + table_bytes(value)
    raise SystemExit(f"a value of {type(value)}")


def table_bytes(table):
    entries = sorted((key.encode(), value) for key, value in table.items())
    return listed([u32(len(key)) + key + value_bytes(value) for key, value in entries])


def party_bytes(party):
    return b"".join(
        text(party[key].lower() if key in ("identity", "tls") else party[key])
        for key in ("name", "operator", "identity", "tls", "address")
    )


def site_bytes(site):
    names = text(site["name"]) + text(site["operator"])
    keys = text(site["identity"].lower()) + text(site["tls"].lower())
    return names + keys + u64(site["max_patients"])


def noise_bytes(noise):
    """The seven numbers of a private task's noise."""
    head = float_bits(noise.get("q", 1.0)) + u64(noise["s"]) + u32(noise.get("draws", 1))
    head += u64(noise["sensitivity"]) + u64(noise["dimension"])
    return head + float_bits(noise["delta"]) + u32(noise.get("order", 0))


def task_bytes(task, titled):
    private = task["class"] == "private"
    head = text(task["id"]) + text(task["task"]) + u32(task["version"]) + u8(private)
    head += u32(task["max_steps"]) + u32(task["spare_attempts"])
    head += u8(task.get("needs_bound", False))
    noise = u8(1) + noise_bytes(task["noise"]) if private else u8(0)
    title = text(task.get("title", "")) if titled else b""
    return head + noise + table_bytes(task.get("params", {})) + title


def plan_digest(m):
    """Every private release that the study may make."""
    private = [
        text(task["id"])
        + u32(task["max_steps"])
        + u32(task["spare_attempts"])
        + noise_bytes(task["noise"])
        for task in m["task"]
        if task["class"] == "private"
    ]
    return digest(text("haima plan 2") + u32(1) + text(m["study"]) + listed(private))


def manifest_digest(m):
    masking = m.get("masking")
    hiding = u8(0)
    if masking:
        hiding = u8(1) + u32(masking["threshold"]) + u32(masking["corrupt"])
        hiding += u8(EXPANSIONS[masking.get("prg", "aes-128-ctr")])
    titled = any("title" in task for task in m["task"])
    return digest(
        b"".join(
            [
                text("haima manifest 6" if titled else "haima manifest 5"),
                u32(m["version"]),
                text(m["study"]),
                u32(m.get("revision", 1)),
                text(m.get("amends", "").lower()),
                u32(m["min_sites"]),
                u32(m["max_dimension"]),
                u64(m["round_ms"]),
                u64(m["grace_ms"]),
                u32(m["tick_ms"]),
                u32(m.get("hospitals_per_patient", 1)),
                u32(m.get("release_quorum", 0)),
                hiding,
                party_bytes(m["coordinator"]),
                listed([party_bytes(node) for node in m.get("node", [])]),
                listed([site_bytes(site) for site in m["site"]]),
                text(m["plan"].lower()),
                listed([task_bytes(task, titled) for task in m["task"]]),
                table_bytes(m["schema"]),
            ]
        )
    )


# Queries and sums.


class Query(namedtuple("Query", "task version blocks sensitivity rate cohort iterate")):
    @classmethod
    def parse(cls, canonical):
        reader = Reader("haima query 3", canonical)

        def block():
            name, length, bits = reader.bytes(1 << 16).decode(), reader.u32(), reader.u8()
            return name, length, bits, reader.u64()

        task, version = reader.bytes(64).decode(), reader.u32()
        blocks, sensitivity = reader.list(1024, block), reader.u64()
        (rate,) = struct.unpack("<d", reader.array(8))
        cohort = reader.bytes(1 << 17).decode()
        found = cls(task, version, blocks, sensitivity, rate, cohort, reader.bytes(1 << 30))
        reader.finish()
        return found

    def bound(self, most_patients):
        """B: the root is rounded up before it is multiplied."""
        squares = sum(patient_bound**2 for *_, patient_bound in self.blocks)
        root = math.isqrt(squares)
        return (root + (root * root < squares)) * most_patients


class Study:
    """A manifest that all its parties signed."""

    def __init__(self, folder):
        with open(os.path.join(folder, "manifest.toml"), "rb") as file:
            self.manifest = m = tomllib.load(file)
        with open(os.path.join(folder, "manifest.sig"), "rb") as file:
            approvals = tomllib.load(file)
        self.digest = manifest_digest(m)
        require(self.digest.hex() == approvals["manifest"], "signatures of another manifest")
        for party in [m["coordinator"], *m["site"]]:
            signature = bytes.fromhex(approvals["signatures"][party["name"]])
            statement = text("haima approval 1") + self.digest + text(party["name"])
            verify(party, digest(statement), signature)
        require(m["mode"] == "masked" and not m.get("node"), "a study of another mode")
        require(plan_digest(m).hex() == m["plan"], "another plan than its tasks'")
        self.coordinator, self.masking = m["coordinator"], m["masking"]
        self.names = [site["name"] for site in m["site"]]
        identities = [bytes.fromhex(site["identity"]) for site in m["site"]]
        self.roster = secagg.Roster(self.names, identities)

    def context(self, number):
        return secagg.context_digest(self.digest, self.roster, number)

    def task(self, spec):
        found = [task for task in self.manifest["task"] if task["id"] == spec["task_id"]]
        require(found, "a task that the manifest has not")
        return found[0]

    def operators(self, positions):
        return {self.manifest["site"][position]["operator"] for position in positions}

    def bits(self, bound, s):
        """The smallest ring for the sum of all sites."""
        sites = len(self.names)
        needed = 2 * (sites * bound + 40 * sites * s)
        require(needed < 2**64, "64 bits are not enough")
        return needed.bit_length()

    def terms(self, spec):
        """What all sign under, from manifest and spec alone."""
        t, c = self.masking["threshold"], self.masking["corrupt"]
        length = sum(block["len"] for block in spec["blocks"])
        epoch, hiding = bytes.fromhex(spec["epoch"]), spec["masks"]
        numbers = t, c, spec["min_sites"], hiding["bits"], hiding["expansion"], length
        terms = secagg.Terms(digest(spec_bytes(spec)), self.roster, epoch, *numbers)
        terms.check()
        return terms

    def check_spec(self, spec, now_ms):
        """Refuses a spec that this manifest does not allow; of exact tasks, which a site that has
        no noise may answer.
        """
        m = self.manifest
        require(spec["protocol"] == PROTOCOL, "another protocol")
        require(spec["manifest"] == self.digest.hex(), "another manifest")
        require(spec["study"] == m["study"], "another study")
        names = digest(text("haima roster 1") + listed([text(name) for name in self.names]))
        require(spec["roster"] == names.hex(), "another roster")
        task = self.task(spec)
        named = task["task"], task["version"]
        require((spec["task"], spec["task_version"]) == named, "another task or version")
        require(spec["step"] < task["max_steps"], "more steps than allowed")
        spare = spec["plan_index"] - spec["step"]
        require(0 <= spare <= task["spare_attempts"], "more attempts than allowed")
        require(spec["attempt"] <= spare, "more attempts at the step than in the run")
        lengths = [block["len"] for block in spec["blocks"]]
        require(lengths and all(lengths), "an empty vector or block")
        require(sum(lengths) <= m["max_dimension"], "more coordinates than allowed")
        require(all(b["frac_bits"] <= 52 for b in spec["blocks"]), "too fine a grid")
        require(spec["min_sites"] >= m["min_sites"], "a floor below the manifest's")
        require(spec["tick_ms"] == m["tick_ms"], "another tick")
        require((spec["step"] == 0) == (spec["previous"] == "00" * 32), "previous of step 0")
        require(task["class"] == "exact" and spec["event"] == "exact", "a round with noise")
        expansion = EXPANSIONS[self.masking.get("prg", "aes-128-ctr")]
        bits = self.bits(spec["bound"], 0)
        t, c = self.masking["threshold"], self.masking["corrupt"]
        hiding = {"bits": bits, "threshold": t, "corrupt": c, "expansion": expansion}
        require(spec["masks"] == hiding, "other masks than the manifest's")
        left = spec["deadline_ms"] - now_ms
        require(0 < left <= m["round_ms"] + CLOCK_MS, "a deadline past or too far ahead")

    def check_query(self, spec, canonical):
        """Refuses a spec that another query than this one gives."""
        require(digest(canonical).hex() == spec["query"], "another query")
        query = Query.parse(canonical)
        require((query.task, query.version) == (spec["task"], spec["task_version"]), "of a task")
        blocks = [{"len": length, "frac_bits": bits} for _, length, bits, _ in query.blocks]
        require(spec["blocks"] == blocks, "other blocks than the query's")
        most_patients = max(site["max_patients"] for site in self.manifest["site"])
        require(spec["bound"] == query.bound(most_patients), "another bound than the query's")
        sensitivity = query.sensitivity * self.manifest.get("hospitals_per_patient", 1)
        require(spec["sensitivity"] == sensitivity, "another sensitivity than the query's")
        require(query.rate == 1.0, "a sample without noise")

    def read_sum(self, canonical):
        """A released sum that verifies: its spec, who is in it, its values and its digest."""
        label = text("haima masked sum 1")
        require(canonical[: len(label)] == label, "another label")
        fields, signature = canonical[len(label) : -64], canonical[-64:]
        release = digest(text("haima masked sum signed 1") + fields)
        verify(self.coordinator, release, signature)
        reader = Reader("haima masked sum 1", canonical[:-64])
        spec, cohort = read_spec(reader.bytes(1 << 16)), reader.digest()
        request = secagg.Request.parse(reader.bytes(1 << 16))
        terms = self.terms(spec)
        signed = lambda: (reader.u64() + 2**63) % 2**64 - 2**63  # noqa: E731
        values = reader.list(terms.length, signed)
        reader.list(40_000, lambda: (reader.u32(), reader.u32(), reader.u8()))
        reader.finish()
        require(spec["manifest"] == self.digest.hex(), "a sum of another manifest")
        require(len(values) == terms.length, "a sum of another length")
        check_confirmations(terms, cohort, request)
        survivors = request.partition.survivors
        require(len(self.operators(survivors)) >= spec["min_sites"], "a sum below the floor")
        return spec, survivors, values, release


def now_ms():
    return time.time_ns() // 1_000_000
