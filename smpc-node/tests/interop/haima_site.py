"""A site's side of haima.node.v1, written from docs/protocol.md alone.

It encodes, hashes and seals (`haima_crypto.py`, `haima_spec.py`), signs and submits
(`haima_wire.py`) by itself; only its PINE shares are a frozen vector (`shares.json`), since making
a proof is not what this shows. Needs grpcio and cryptography.

    python haima_site.py submit WORLD.json     submits to every node; prints a JSON object
    python haima_site.py flips WORLD.json      one byte flipped, at each place in turn
    python haima_site.py vectors VECTORS.json  the encodings of docs/vectors/protocol.json
"""

import hashlib
import json
import os
import struct
import sys

import grpc
from cryptography.hazmat.primitives.asymmetric import ed25519

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, "../../../crypto/tests/interop"))
from haima_crypto import byte_string, digest, listed, seal, text, u32, u64  # noqa: E402
from haima_spec import read_spec, spec_bytes  # noqa: E402
from haima_wire import PROTOCOL, Service, field, fields, flip, refusal  # noqa: E402


# Structures.


def public_digest(public):
    return digest(text("haima public share 1") + byte_string(public))


def associated(spec, round_digest, site, node, position, nonce, public):
    return b"".join(
        [
            text("haima seal associated 1"),
            u32(PROTOCOL),
            bytes.fromhex(spec["manifest"]),
            round_digest,
            text(site),
            text(node),
            u32(position),
            nonce,
            public_digest(public),
        ]
    )


def sealed_digest(position, head, chunks):
    hashes = [hashlib.sha256(chunk).digest() for chunk in chunks]
    return digest(
        text("haima sealed share 2") + u32(position) + byte_string(head) + listed(hashes)
    )


def header_bytes(round_digest, site, nonce, public, shares, ledger_len, ledger_head):
    return b"".join(
        [
            text("haima header 2"),
            round_digest,
            text(site),
            nonce,
            public_digest(public),
            listed(shares),
            u64(ledger_len),
            ledger_head,
        ]
    )


# A submission.


def sealing_keys(record, nodes):
    """Each node's sealing key, from an epoch record whose signatures hold; the epoch's digest."""
    at = len(text("haima epoch record 1")) + 4
    keys, bodies = [], []
    for node in nodes:
        (length,) = struct.unpack_from("<I", record, at)
        body = record[at + 4 : at + 4 + length]
        signature = record[at + 4 + length : at + 68 + length]
        at += 68 + length
        identity = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(node["identity"]))
        identity.verify(signature, digest(body))
        bodies.append(byte_string(body))
        # label, manifest, node, epoch, key
        start = len(text("haima epoch offer 1")) + 32 + len(text(node["name"])) + 4 + 4
        keys.append(body[start : start + 1217])
    return keys, digest(text("haima epoch 1") + listed(bodies))


def make(world, shares, epoch_record):
    spec = world["spec"]
    canonical = spec_bytes(spec)
    round_digest = digest(canonical)
    assert round_digest.hex() == world["round"], "another digest of the round spec"
    keys, epoch = sealing_keys(epoch_record, world["nodes"])
    assert epoch.hex() == spec["epoch"], "another epoch than the round's"
    nonce, public = bytes.fromhex(shares["nonce"]), bytes.fromhex(shares["public"])
    sealed = []
    for position, node in enumerate(world["nodes"]):
        aad = associated(spec, round_digest, world["site"], node["name"], position, nonce, public)
        sealed.append(seal(keys[position], aad, bytes.fromhex(shares["shares"][position])))
    digests = [sealed_digest(i, head, chunks) for i, (head, chunks) in enumerate(sealed)]
    head = header_bytes(round_digest, world["site"], nonce, public, digests, 1, bytes(32))
    identity = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(world["identity"]))
    return {
        "header": head,
        "signature": identity.sign(digest(head)),
        "public": public,
        "sealed": sealed,
    }


def parts(made, position):
    head, chunks = made["sealed"][position]
    header = field(1, made["header"]) + field(2, made["signature"])
    header += field(3, made["public"]) + field(4, head) + field(5, 0)
    yield field(1, header)
    for chunk in chunks:
        yield field(2, chunk)


def flipped(made):
    """The submission with one byte flipped, at each of its parts in turn."""
    for what in ("header", "signature", "public"):
        yield what, {**made, what: flip(made[what])}
    head, chunks = made["sealed"][0]
    rest = made["sealed"][1:]
    yield "encapsulated key", {**made, "sealed": [(flip(head), chunks)] + rest}
    yield "ciphertext", {**made, "sealed": [(head, [flip(chunks[0])] + chunks[1:])] + rest}


def main():
    command, path = sys.argv[1:3]
    with open(path) as file:
        world = json.load(file)
    if command == "vectors":
        return check(world)
    with open(os.path.join(HERE, "shares.json")) as file:
        shares = json.load(file)
    keys = world["tls_certificate"], world["tls_key"]
    nodes = [Service("haima.node.v1.Node", node, *keys) for node in world["nodes"]]
    record = fields(nodes[0].call("Epoch", [b""]))[2][0]
    made = make(world, shares, record)
    results = {}
    if command == "submit":
        for position, node in enumerate(nodes):
            nodes[position].call("Submit", parts(made, position))
            results[world["nodes"][position]["name"]] = "accepted"
    else:
        for what, wrong in flipped(made):
            try:
                nodes[0].call("Submit", parts(wrong, 0))
                results[what] = "accepted"
            except grpc.RpcError as error:
                results[what] = refusal(error)
        for what, versions in (("version", "4"), ("no common version", f"{PROTOCOL + 1},{PROTOCOL + 2}")):
            try:
                nodes[0].call("Status", [b""], versions)
                results[what] = "accepted"
            except grpc.RpcError as error:
                results[what] = refusal(error)
        try:
            nodes[0].call("Status", [field(15, b"x")])
            results["unknown field"] = "accepted"
        except grpc.RpcError as error:
            results["unknown field"] = refusal(error)
    json.dump(results, sys.stdout)


def check(vectors):
    """docs/vectors/protocol.json: every structure from its fields."""
    hx = bytes.fromhex

    def entries(of):
        return listed([text(site) + hx(header) for site, header in of])

    def build(label, f):
        if label == "haima round spec 3":
            assert "masks" not in f or read_spec(spec_bytes(f)) == f, "read otherwise"
            return spec_bytes(f)
        if label == "haima header 2":
            shares = [hx(share) for share in f["shares"]]
            body = hx(f["round"]) + text(f["site"]) + hx(f["nonce"]) + hx(f["public_share"])
            body += listed(shares) + u64(f["ledger_len"]) + hx(f["ledger_head"])
        elif label == "haima held set 1":
            body = hx(f["round"]) + text(f["node"]) + entries(f["headers"])
        elif label == "haima prepared 1":
            body = hx(f["round"]) + text(f["node"]) + entries(f["candidates"])
            body += listed([hx(prep) for prep in f["preps"]])
        elif label == "haima accepted set 2":
            body = hx(f["round"]) + entries(f["headers"]) + entries(f["refused"]) + hx(f["preps"])
        elif label == "haima deal 1":
            body = hx(f["round"]) + text(f["node"]) + hx(f["accepted"])
            body += listed([hx(share) for share in f["shares"]])
        elif label == "haima release 1":
            body = hx(f["round"]) + text(f["node"]) + hx(f["accepted"]) + hx(f["sum"])
        else:
            raise SystemExit(f"no such structure: {label}")
        return text(label) + body

    key = ed25519.Ed25519PrivateKey.from_private_bytes(hx(vectors["identity_secret"]))
    for vector in vectors["structures"]:
        bytes_ = build(vector["label"], vector["fields"])
        assert bytes_.hex() == vector["bytes"], vector["label"]
        assert digest(bytes_).hex() == vector["digest"], vector["label"]
        assert key.sign(digest(bytes_)).hex() == vector["signature"], vector["label"]
    print(f"{len(vectors['structures'])} structures are as written")


if __name__ == "__main__":
    main()
