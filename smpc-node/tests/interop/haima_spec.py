"""The round spec, written from docs/protocol.md: its canonical bytes from its fields, and back."""

import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, "../../../crypto/tests/interop"))
from haima_crypto import Reader, Refused, listed, text, u8, u32, u64  # noqa: E402

LABEL = "haima round spec 3"


def spec_bytes(s):
    """A round spec from its fields."""
    hx = bytes.fromhex
    blocks = [u32(b["len"]) + u8(b["frac_bits"]) for b in s["blocks"]]
    exact = s["event"] == "exact"
    masks = s.get("masks")
    if masks:
        hiding = u8(masks["bits"]) + u32(masks["threshold"]) + u32(masks["corrupt"])
        hiding += u8(masks["expansion"])
    else:
        hiding = u8(s["field"]) + u8(0) + u8(1) + b"".join(u32(p) for p in s["proof"])
    event = u8(0) + u64(0) + u64(0)
    if not exact:
        event = u8(1) + u64(s["event"]["s"]) + struct.pack("<d", s["event"]["q"])
    return b"".join(
        [
            text(LABEL),
            u32(s["protocol"]),
            hx(s["manifest"]),
            text(s["study"]),
            u64(s["number"]),
            text(s["task_id"]),
            text(s["task"]),
            u32(s["task_version"]),
            u32(s["run"]),
            u32(s["step"]),
            u32(s["attempt"]),
            u32(s["plan_index"]),
            hx(s["query"]),
            hx(s["previous"]),
            u8(1 if masks else 0),
            hx(s["roster"]),
            hx(s["epoch"]),
            listed(blocks),
            hiding,
            u64(s["sensitivity"]),
            u64(s["bound"]),
            event,
            u32(s["min_sites"]),
            u64(s["deadline_ms"]),
            u32(s["tick_ms"]),
        ]
    )


def read_spec(canonical):
    """The fields of a round spec of masked mode."""
    reader = Reader(LABEL, canonical)
    name = lambda: reader.bytes(64).decode()  # noqa: E731
    block = lambda: {"len": reader.u32(), "frac_bits": reader.u8()}  # noqa: E731
    s = {"protocol": reader.u32(), "manifest": reader.digest().hex(), "study": name()}
    s |= {"number": reader.u64(), "task_id": name(), "task": name()}
    for key in ("task_version", "run", "step", "attempt", "plan_index"):
        s[key] = reader.u32()
    s |= {"query": reader.digest().hex(), "previous": reader.digest().hex()}
    if reader.u8() != 1:
        raise Refused("a round of another mode")
    s |= {"roster": reader.digest().hex(), "epoch": reader.digest().hex()}
    s["blocks"] = reader.list(1024, block)
    masks = {"bits": reader.u8(), "threshold": reader.u32(), "corrupt": reader.u32()}
    s["masks"] = masks | {"expansion": reader.u8()}
    s |= {"sensitivity": reader.u64(), "bound": reader.u64()}
    noised, scale, rate = reader.u8(), reader.u64(), reader.array(8)
    s["event"] = {"s": scale, "q": struct.unpack("<d", rate)[0]} if noised else "exact"
    s |= {"min_sites": reader.u32(), "deadline_ms": reader.u64(), "tick_ms": reader.u32()}
    reader.finish()
    if spec_bytes(s) != canonical:
        raise Refused("another encoding of the same spec")
    return s
