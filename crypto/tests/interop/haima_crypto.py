"""Canonical encoding, key derivation and sealing, written from docs/protocol.md alone.

Shared by the implementations under crypto/tests/interop and smpc-node/tests/interop. Needs
cryptography.
"""

import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK = 1 << 20
TAG = 16
HEAD = 1 + 1120


class Refused(Exception):
    """What a party refuses, and why."""


# Canonical encoding.


def u8(value):
    return struct.pack("<B", value)


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value)


def byte_string(value):
    return u32(len(value)) + value


def text(value):
    return byte_string(value.encode())


def listed(items):
    return u32(len(items)) + b"".join(items)


def digest(canonical):
    return hashlib.sha3_256(canonical).digest()


class Reader:
    """Reads canonical bytes, and no other encoding of the same value."""

    def __init__(self, label, canonical):
        self.left = canonical
        if self.bytes(len(label)) != label.encode():
            raise Refused("another label")

    def array(self, length):
        if length > len(self.left):
            raise Refused("too short")
        taken, self.left = self.left[:length], self.left[length:]
        return taken

    def digest(self):
        return self.array(32)

    def u8(self):
        return self.array(1)[0]

    def u32(self):
        return struct.unpack("<I", self.array(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.array(8))[0]

    def bytes(self, limit):
        length = self.u32()
        if length > limit:
            raise Refused("longer than allowed")
        return self.array(length)

    def list(self, limit, read):
        count = self.u32()
        if count > limit:
            raise Refused("more items than allowed")
        return [read() for _ in range(count)]

    def finish(self):
        if self.left:
            raise Refused("bytes left over")


# Key derivation: HKDF-SHA256 (RFC 5869).


def hmac_sha256(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def kdf(key, label, context):
    info = text("haima kdf 1") + text(label) + listed(context)
    return hmac_sha256(hmac_sha256(b"haima", key), info + b"\x01")


# HPKE (RFC 9180), mode base, over X-Wing.

SUITE = b"HPKE" + bytes.fromhex("647a00010002")


def labeled_extract(salt, label, ikm):
    return hmac_sha256(salt or bytes(32), b"HPKE-v1" + SUITE + label + ikm)


def labeled_expand(key, label, info, length):
    info = struct.pack(">H", length) + b"HPKE-v1" + SUITE + label + info
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac_sha256(key, block + info + bytes([counter]))
        out, counter = out + block, counter + 1
    return out[:length]


def combine(ss_m, ss_x, ct_x, pk_x):
    return hashlib.sha3_256(ss_m + ss_x + ct_x + pk_x + bytes.fromhex("5c2e2f2f5e5c")).digest()


def encapsulate(public):
    """X-Wing: shared secret and encapsulated key."""
    pk_m, pk_x = public[:1184], public[1184:]
    ss_m, ct_m = mlkem.MLKEM768PublicKey.from_public_bytes(pk_m).encapsulate()
    ephemeral = x25519.X25519PrivateKey.generate()
    ct_x = ephemeral.public_key().public_bytes_raw()
    ss_x = ephemeral.exchange(x25519.X25519PublicKey.from_public_bytes(pk_x))
    return combine(ss_m, ss_x, ct_x, pk_x), ct_m + ct_x


def private_keys(seed):
    """X-Wing: the ML-KEM-768 and the X25519 key of a seed of 32 bytes."""
    expanded = hashlib.shake_256(seed).digest(96)
    key_m = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    return key_m, x25519.X25519PrivateKey.from_private_bytes(expanded[64:])


def sealing_key(seed):
    """The public sealing key of a seed."""
    key_m, key_x = private_keys(seed)
    key_m, key_x = key_m.public_key(), key_x.public_key()
    return b"\x02" + key_m.public_bytes_raw() + key_x.public_bytes_raw()


def decapsulate(seed, encapsulated):
    """X-Wing: the shared secret of an encapsulated key."""
    key_m, key_x = private_keys(seed)
    ct_m, ct_x = encapsulated[:1088], encapsulated[1088:]
    ss_x = key_x.exchange(x25519.X25519PublicKey.from_public_bytes(ct_x))
    return combine(key_m.decapsulate(ct_m), ss_x, ct_x, key_x.public_key().public_bytes_raw())


def chunks_key(shared):
    """HPKE's export for the chunks of one message."""
    context = b"\x00" + labeled_extract(b"", b"psk_id_hash", b"")
    context += labeled_extract(b"", b"info_hash", b"haima seal 2")
    secret = labeled_extract(shared, b"secret", b"")
    exporter = labeled_expand(secret, b"exp", context, 32)
    return labeled_expand(exporter, b"sec", b"chunks", 32)


def place(index, last):
    """The nonce of a chunk."""
    return bytes(7) + struct.pack(">I", index) + u8(last)


def encrypt_only(key, aad, plaintext):
    """The only chunk of a message."""
    return AESGCM(key).encrypt(place(0, True), plaintext, aad)


def decrypt_only(key, aad, chunk):
    try:
        return AESGCM(key).decrypt(place(0, True), chunk, aad)
    except InvalidTag:
        raise Refused("does not open") from None


def seal(key, aad, plaintext):
    """A sealed message: its head and its chunks."""
    assert key[0] == 2 and len(key) == 1217
    shared, encapsulated = encapsulate(key[1:])
    cipher = AESGCM(chunks_key(shared))
    plain = CHUNK - TAG
    pieces = [plaintext[at : at + plain] for at in range(0, len(plaintext), plain)] or [b""]
    chunks = [
        cipher.encrypt(place(index, index + 1 == len(pieces)), piece, aad)
        for index, piece in enumerate(pieces)
    ]
    return b"\x02" + encapsulated, chunks


def open_only(seed, aad, sealed):
    """The plaintext of a sealed message of one chunk."""
    if len(sealed) < HEAD + TAG or sealed[0] != 2:
        raise Refused("does not open")
    return decrypt_only(chunks_key(decapsulate(seed, sealed[1:HEAD])), aad, sealed[HEAD:])
