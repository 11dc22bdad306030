"""Masked aggregation, written from the chapter of that name in docs/protocol.md alone: its
structures, keys, shares and masks. `secagg_vectors.py` runs rounds with it.
"""

import hashlib
import struct
from collections import namedtuple
from functools import reduce

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from haima_crypto import (
    TAG,
    Reader,
    Refused,
    byte_string,
    decrypt_only,
    digest,
    encrypt_only,
    kdf,
    listed,
    text,
    u8,
    u32,
    u64,
)

MAX_SITES = 200
SHARE = 40
P = 2**64 - 2**32 + 1


def check_signature(roster, site, statement, signature):
    if site >= len(roster.identities):
        raise Refused("an unknown site")
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(roster.identities[site])
        key.verify(signature, digest(statement))
    except InvalidSignature:
        raise Refused("the signature does not verify") from None


# What messages hold. `fields` is the encoding without the label; `statement` is what is signed.


class Message:
    LABEL = None

    def bytes(self):
        return text(self.LABEL) + self.fields()

    def digest(self):
        return digest(self.bytes())

    @classmethod
    def parse(cls, canonical):
        reader = Reader(cls.LABEL, canonical)
        message = cls.read(reader)
        reader.finish()
        return message


class Signed(Message):
    """A message whose signature is its last field."""

    def fields(self):
        return self.unsigned() + self.signature

    def statement(self):
        return text(self.LABEL) + self.unsigned()

    def signed(self, key):
        return self._replace(signature=key.sign(digest(self.statement())))


class Origin(namedtuple("Origin", "round terms site")):
    def fields(self):
        return self.round + self.terms + u32(self.site)

    @classmethod
    def read(cls, reader):
        return cls(reader.digest(), reader.digest(), reader.u32())


class Advertisement(Signed, namedtuple("Advertisement", "context site key signature")):
    LABEL = "haima secagg advertisement 1"

    def unsigned(self):
        return self.context + u32(self.site) + byte_string(self.key)

    def statement(self):
        return text("haima secagg advertisement signed 1") + self.unsigned()

    @classmethod
    def read(cls, reader):
        found = cls(reader.digest(), reader.u32(), reader.bytes(1217), reader.array(64))
        if len(found.key) != 1217 or found.key[0] != 2:
            raise Refused("no sealing key")
        return found


class Agreement(Signed, namedtuple("Agreement", "epoch sender to sealed signature")):
    LABEL = "haima secagg agreement 1"

    def unsigned(self):
        return self.epoch + u32(self.sender) + u32(self.to) + byte_string(self.sealed)

    def statement(self):
        ends = u32(self.sender) + u32(self.to)
        return text("haima secagg agreement signed 1") + self.epoch + ends + digest(self.sealed)

    @classmethod
    def read(cls, reader):
        ends = reader.digest(), reader.u32(), reader.u32()
        return cls(*ends, reader.bytes(1169), reader.array(64))


class Header(Signed, namedtuple("Header", "origin b a backup envelopes signature")):
    LABEL = "haima secagg header 1"

    def unsigned(self):
        return self.origin.fields() + self.b + self.a + self.backup + self.envelopes

    @classmethod
    def read(cls, reader):
        digests = Origin.read(reader), *(reader.digest() for _ in range(4))
        return cls(*digests, reader.array(64))


class Envelope(Message, namedtuple("Envelope", "dealer holder sealed signature")):
    LABEL = "haima secagg envelope 1"

    def fields(self):
        ends = u32(self.dealer) + u32(self.holder)
        return ends + byte_string(self.sealed) + self.signature

    def statement(self, terms):
        ends = u32(self.dealer) + u32(self.holder)
        return text("haima secagg envelope signed 1") + terms + ends + digest(self.sealed)

    @classmethod
    def read(cls, reader):
        found = cls(reader.u32(), reader.u32(), reader.bytes(96), reader.array(64))
        if len(found.sealed) != 96:
            raise Refused("an envelope of another length")
        return found


class Shares(Message, namedtuple("Shares", "header backup envelopes")):
    LABEL = "haima secagg shares 1"

    def fields(self):
        envelopes = listed([envelope.fields() for envelope in self.envelopes])
        return self.header.fields() + byte_string(self.backup) + envelopes

    @classmethod
    def read(cls, reader):
        header, backup = Header.read(reader), reader.bytes(6384)
        return cls(header, backup, reader.list(MAX_SITES, lambda: Envelope.read(reader)))


class Delivery(Message, namedtuple("Delivery", "headers envelopes")):
    LABEL = "haima secagg delivery 1"

    def fields(self):
        return b"".join(listed([item.fields() for item in items]) for items in self)

    @classmethod
    def read(cls, reader):
        headers = reader.list(MAX_SITES, lambda: Header.read(reader))
        return cls(headers, reader.list(MAX_SITES, lambda: Envelope.read(reader)))


class Masked(Signed, namedtuple("Masked", "origin cohort packed signature")):
    LABEL = "haima secagg masked 1"

    def unsigned(self):
        return self.origin.fields() + self.cohort + byte_string(self.packed)

    def statement(self):
        packed = hashlib.sha256(self.packed).digest()
        return text(self.LABEL) + self.origin.fields() + self.cohort + packed

    @classmethod
    def read(cls, reader):
        origin, cohort = Origin.read(reader), reader.digest()
        return cls(origin, cohort, reader.bytes(1 << 31), reader.array(64))


class Partition(Message, namedtuple("Partition", "absent vanished survivors")):
    LABEL = "haima secagg partition 1"

    def fields(self):
        return b"".join(listed([u32(site) for site in sites]) for sites in self)

    @classmethod
    def read(cls, reader):
        lists = [reader.list(MAX_SITES, reader.u32) for _ in range(3)]
        if any(one >= two for sites in lists for one, two in zip(sites, sites[1:])):
            raise Refused("sites not in ascending order")
        return cls(*lists)


class Confirmation(Signed, namedtuple("Confirmation", "origin cohort partition signature")):
    LABEL = "haima secagg confirmation 1"

    def unsigned(self):
        return self.origin.fields() + self.cohort + self.partition

    @classmethod
    def read(cls, reader):
        return cls(Origin.read(reader), reader.digest(), reader.digest(), reader.array(64))


class Request(Message, namedtuple("Request", "partition confirmations")):
    LABEL = "haima secagg unmask 1"

    def fields(self):
        confirmations = [u32(site) + signature for site, signature in self.confirmations]
        return self.partition.fields() + listed(confirmations)

    @classmethod
    def read(cls, reader):
        partition = Partition.read(reader)
        item = lambda: (reader.u32(), reader.array(64))  # noqa: E731
        return cls(partition, reader.list(MAX_SITES, item))


class Answer(Signed, namedtuple("Answer", "origin partition b_shares a_shares signature")):
    LABEL = "haima secagg answer 1"

    def unsigned(self):
        shares = listed(self.b_shares) + listed(self.a_shares)
        return self.origin.fields() + self.partition + shares

    @classmethod
    def read(cls, reader):
        origin, partition = Origin.read(reader), reader.digest()
        shares = [reader.list(MAX_SITES, lambda: reader.array(SHARE)) for _ in range(2)]
        return cls(origin, partition, *shares, reader.array(64))


# Roster, epoch and terms.


class Roster(namedtuple("Roster", "names identities")):
    def digest(self):
        members = [text(name) + key for name, key in zip(self.names, self.identities)]
        return digest(text("haima secagg roster 1") + listed(members))

    def pair(self, label, scope, one, other):
        """Digest of a pair of sites, the site before first."""
        ends = [u32(site) + text(self.names[site]) for site in sorted([one, other])]
        return digest(text(label) + scope + b"".join(ends))

    def others(self, site):
        return [other for other in range(len(self.names)) if other != site]


def context_digest(manifest, roster, number):
    return digest(text("haima secagg epoch 1") + manifest + roster.digest() + u64(number))


def epoch_digest(context, keys):
    keys = b"".join(byte_string(key) for key in keys)
    return digest(text("haima secagg advertisements 1") + context + keys)


class Terms(namedtuple("Terms", "round roster epoch t c min_sites bits prg length")):
    def check(self):
        sites = len(self.roster.names)
        good = 3 <= sites <= MAX_SITES and 2 * sites // 3 < self.t <= sites
        good = good and self.c < 2 * self.t - sites and 1 <= self.min_sites <= sites
        good = good and 1 <= self.bits <= 64 and 1 <= self.length < 1 << 32
        if not (good and packed_length(self) <= 1 << 31):
            raise Refused("terms that no site takes")

    def digest(self):
        inputs = self.round + self.roster.digest() + self.epoch
        numbers = u32(self.t) + u32(self.c) + u32(self.min_sites)
        numbers += u8(self.bits) + u8(self.prg) + u64(self.length)
        return digest(text("haima secagg terms 1") + inputs + numbers)

    def origin(self, site):
        return Origin(self.round, self.digest(), site)

    def check_message(self, message):
        origin = message.origin
        check_signature(self.roster, origin.site, message.statement(), message.signature)
        if origin.round != self.round:
            raise Refused("of another round")
        if origin.terms != self.digest():
            raise Refused("of other terms")

    def enough(self, sites):
        if len(sites) < max(self.t, self.min_sites):
            raise Refused("too few sites")


# Keys.


def sealing_seed(seed):
    """The seed of the X-Wing key, from the site's seed of the epoch."""
    return kdf(seed, "haima secagg sealing key", [])


def pair_secret(seed, pair):
    """What a site seals to another, from its seed of the epoch."""
    secrets = kdf(seed, "haima secagg pair secrets", [])
    return kdf(secrets, "haima secagg pair secret", [pair])


def pair_key(secret, epoch, pair):
    return kdf(secret, "haima secagg pair key", [epoch, pair])


def subkeys(terms, key, one, other):
    """The pair's mask subkey and envelope subkey of a round."""
    pair = terms.roster.pair("haima secagg round pair 1", terms.digest(), one, other)
    labels = "haima secagg pair mask", "haima secagg envelope"
    return [kdf(key, label, [pair]) for label in labels]


def commitment(terms, site, which, seed):
    return digest(
        text("haima secagg commitment 1") + terms.digest() + u32(site) + u8(which) + seed
    )


def backup_box(terms, site, a):
    """Key and associated data of a backup."""
    bound = digest(text("haima secagg backup bound 1") + terms.digest() + u32(site))
    return kdf(a, "haima secagg backup key", [bound]), bound


def envelope_box(terms, subkey, dealer, holder, commitments):
    """Key and associated data of an envelope."""
    ends = u32(dealer) + u32(holder)
    bound = text("haima secagg envelope bound 1") + terms.digest() + ends + b"".join(commitments)
    bound = digest(bound)
    return kdf(subkey, "haima secagg envelope key", [bound]), bound


def seal_backup(terms, site, a, masks):
    return encrypt_only(*backup_box(terms, site, a), b"".join(masks))


def open_backup(terms, site, a, backup):
    """The mask subkeys of a backup by the other's position."""
    opened = decrypt_only(*backup_box(terms, site, a), backup)
    return {other: opened[32 * at :][:32] for at, other in enumerate(terms.roster.others(site))}


def backup_length(terms):
    return 32 * (len(terms.roster.names) - 1) + TAG


def envelopes_digest(envelopes):
    fields = [envelope.fields() for envelope in envelopes]
    return digest(text("haima secagg envelopes 1") + listed(fields))


def cohort_digest(terms, headers):
    """Of the sharers' headers by position."""
    items = [u32(site) + header.digest() for site, header in sorted(headers.items())]
    return digest(text("haima secagg cohort 1") + terms.digest() + listed(items))


# Shares of a seed.

WIDTHS = [7, 7, 7, 7, 4]


def limbs(seed):
    return [int.from_bytes(seed[7 * at :][:width], "little") for at, width in enumerate(WIDTHS)]


def elements(share):
    found = list(struct.unpack("<5Q", share))
    if max(found) >= P:
        raise Refused("no share")
    return found


def interpolate(points, at):
    """f(at) of the polynomial of least degree through the points."""

    def weight(x):
        factors = [((at - m) % P, (x - m) % P) for m in points if m != x]
        above = reduce(lambda product, factor: product * factor[0] % P, factors, 1)
        below = reduce(lambda product, factor: product * factor[1] % P, factors, 1)
        return above * pow(below, -1, P)

    return sum(weight(x) * y for x, y in points.items()) % P


def deal(seed, first, sites):
    """The shares of all sites, of which the first t - 1 were drawn."""
    shares = [b""] * sites
    for limb, column in zip(limbs(seed), zip(*map(elements, first))):
        points = {0: limb} | {index + 1: value for index, value in enumerate(column)}
        for position in range(sites):
            shares[position] += u64(interpolate(points, position + 1))
    return shares


def reconstruct(shares, t):
    """A seed from the shares of the first t positions."""
    first = sorted(shares)[:t]
    if len(first) < t:
        raise Refused("too few shares")
    seed = b""
    for at, width in enumerate(WIDTHS):
        points = {position + 1: elements(shares[position])[at] for position in first}
        limb = interpolate(points, 0)
        if limb >> 8 * width:
            raise Refused("no seed")
        seed += limb.to_bytes(width, "little")
    return seed


# Masks and vectors.


def keystream(prg, seed, length):
    if prg == 2:
        key = kdf(seed, "mask chacha20", [])
        return Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor().update(bytes(length))
    key = kdf(seed, "mask aes128", [])
    (first,) = struct.unpack("<Q", key[16:24])
    blocks = range(first, first + -(-length // 16))
    counters = b"".join(u64(block % 2**64) + key[24:32] for block in blocks)
    return Cipher(algorithms.AES(key[:16]), modes.ECB()).encryptor().update(counters)[:length]


def mask(terms, seed):
    width = 4 if terms.bits <= 32 else 8
    stream = keystream(terms.prg, seed, width * terms.length)
    words = [stream[at : at + width] for at in range(0, len(stream), width)]
    return [int.from_bytes(word, "little") % 2**terms.bits for word in words]


def own_mask(terms, b):
    return mask(terms, kdf(b, "haima secagg self mask", [terms.digest()]))


def add(terms, one, other, sign=1):
    return [(x + sign * y) % 2**terms.bits for x, y in zip(one, other)]


def pairwise(terms, vector, site, masks):
    """The vector of a site under the masks of the others, by their position."""
    for other, subkey in masks.items():
        vector = add(terms, vector, mask(terms, subkey), 1 if other > site else -1)
    return vector


def packed_length(terms):
    return -(-terms.length * terms.bits // 8)


def pack(terms, vector):
    bits = sum(entry << terms.bits * at for at, entry in enumerate(vector))
    return bits.to_bytes(packed_length(terms), "little")


def unpack(terms, packed):
    if len(packed) != packed_length(terms):
        raise Refused("a vector of another length")
    bits = int.from_bytes(packed, "little")
    if bits >> terms.bits * terms.length:
        raise Refused("bits left over are not zero")
    return [bits >> terms.bits * at & 2**terms.bits - 1 for at in range(terms.length)]


def integers(terms, vector):
    half = 2 ** (terms.bits - 1)
    return [(entry + half) % (2 * half) - half for entry in vector]
