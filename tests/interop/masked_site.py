"""A site of a study in masked mode, written from docs/protocol.md: it joins, agrees on keys, and
takes each round from its shares to its answer. It has no patients, so that its vector is zeros.

It makes and checks all messages by itself, on top of `secagg_site.py` and `haima_wire.py`. Of what
stays at a site, keys and rounds are in its memory alone; there is no ledger and no journal. What
query should follow from the sums it does not compute: that is the task's.

    python masked_site.py run FOLDER NAME            takes part; prints what it did as JSON
    python masked_site.py flips FOLDER NAME          the same; in a round each message goes, and
                                                     comes, with one byte flipped first
    python masked_site.py advertisement FOLDER NAME  the same one byte of this flipped for good;
    python masked_site.py agreement FOLDER NAME      of an envelope, under a header that binds it
    python masked_site.py envelope FOLDER NAME

Needs Python 3.11 with grpcio and cryptography.
"""

import json
import os
import secrets
import sys
import time

import grpc
from cryptography.hazmat.primitives.asymmetric import ed25519

from masked_study import Study, now_ms, verify
import secagg
import secagg_site
from haima_crypto import Reader, Refused, byte_string, digest, listed, seal, sealing_key, text
from haima_spec import read_spec
from haima_wire import PROTOCOL, Service, field, fields, flip, refusal
from secagg_site import require

KEYS, PAIRS, READY, SHARES, VECTOR, CONFIRMATION, ANSWER = range(7)
STEPS = "advertisement agreements ready shares vector confirmation answer".split()
TAKEN = "advertisements agreements ready delivery partition request nothing".split()
QUERY, RELEASE = range(2)
CHUNK = 1 << 20


def places(length):
    """Bytes to flip: the first, the last, and some between."""
    return sorted({at * (length - 1) // 7 for at in range(8)})


def messages(label, canonical):
    """The canonical bytes of each message of a list under a label."""
    reader = Reader(label, canonical)
    found = reader.list(secagg.MAX_SITES, lambda: reader.bytes(1 << 20))
    reader.finish()
    return found


class Site:
    def __init__(self, mode, folder, name):
        path = lambda file: os.path.join(folder, file)  # noqa: E731
        self.mode, self.folder, self.study = mode, folder, Study(folder)
        self.position = self.study.names.index(name)
        with open(path("identity.key")) as file:
            secret = bytes.fromhex(file.read().split("\n")[1])
        self.key = ed25519.Ed25519PrivateKey.from_private_bytes(secret)
        own = self.study.roster.identities[self.position]
        require(self.key.public_key().public_bytes_raw() == own, "another identity key")
        certificate = path("tls.crt"), path("tls.key")
        self.coordinator = reach(self.study.coordinator, certificate)
        # What it remembers.
        self.epoch_number, self.epoch, self.pair_keys = 0, None, {}
        self.last_number, self.begun, self.exact = 0, set(), None
        self.open, self.sums = [], {}
        # What it tells.
        self.rounds, self.refused, self.found = [], {}, {}

    # Calls.

    def note_refusal(self, what, call):
        """Makes a call that has to be refused."""
        try:
            call()
            answer = "accepted"
        except grpc.RpcError as error:
            answer = refusal(error)
        self.refused.setdefault(what, []).append(answer)

    def put(self, scope, step, data, until):
        first = field(1, scope) + field(2, step) + field(3, len(data))
        pieces = [first + field(4, data[:CHUNK])]
        pieces += [field(4, data[at : at + CHUNK]) for at in range(CHUNK, len(data), CHUNK)]
        self.coordinator.call("Put", pieces, timeout=max(0.001, until - time.time()))

    def offer(self, scope, step, data, until):
        """Puts a message; in mode `flips` first with one byte flipped, at several places."""
        if self.mode == "flips" and step >= SHARES:
            for at in places(len(data)):
                wrong = flip(data, at)
                self.note_refusal(STEPS[step], lambda: self.put(scope, step, wrong, until))
        self.put(scope, step, data, until)

    def collect(self, name, message, timeout):
        """What comes in chunks, the first with digest and length of the whole."""
        stream = self.coordinator.stream(name, message, timeout=timeout)
        chunks = [fields(chunk) for chunk in stream]
        whole = b"".join(data for chunk in chunks for data in chunk.get(3, []))
        require(len(whole) == chunks[0].get(2, [0])[0], "another length than announced")
        require(digest(whole) == chunks[0][1][0], "another digest than announced")
        return whole

    def take(self, scope, step, until, read):
        """Takes what the coordinator answers at a step, and reads it."""
        message = field(1, scope) + field(2, step)
        taken = self.collect("Take", message, max(0.001, until - time.time()))
        return self.read(TAKEN[step], taken, read)

    def fetch(self, what, spec):
        message = field(1, what) + field(2, spec["task_id"].encode())
        message += field(3, spec["run"]) + field(4, spec["step"])
        return self.collect("Fetch", message, 300)

    def read(self, what, value, read):
        """Reads what came; in mode `flips` it must refuse the same with one byte flipped."""
        if self.mode == "flips":
            for at in places(len(value)):
                try:
                    read(flip(value, at))
                except Refused:
                    self.found[what] = self.found.get(what, 0) + 1
                    continue
                raise SystemExit(f"{what}: byte {at} flipped, and not refused")
        return read(value)

    # The study.

    def live(self):
        join = field(1, PROTOCOL) + field(2, self.study.digest)
        if self.mode == "flips":
            other = field(1, PROTOCOL) + field(2, flip(self.study.digest))
            self.note_refusal("manifest", lambda: self.coordinator.call("Join", [other]))
            self.note_refusal("version", lambda: self.coordinator.call("Join", [join], "5"))
            unknown = join + field(15, b"x")
            self.note_refusal("unknown field", lambda: self.coordinator.call("Join", [unknown]))
        self.coordinator.call("Join", [join], timeout=10)
        for notice in self.coordinator.stream("Rounds", b""):
            found = fields(notice)
            self.check_sums()
            if 1 in found:
                self.answer(found[1][0], found[2][0])
            elif 3 in found:
                self.agree(found[3][0], found[2][0])
            else:
                return
        raise SystemExit("the stream of rounds ended before the study")

    def check_sums(self):
        """Fetches the sums of the rounds that it answered."""
        for spec, partition in self.open:
            found, survivors, values, release = self.read(
                "sum", self.fetch(RELEASE, spec), self.study.read_sum
            )
            require(found == spec, "a sum of another round")
            require(survivors == partition.survivors, "a sum over others than were confirmed")
            self.sums[spec["task_id"], spec["run"], spec["step"]] = release.hex()
            names = [self.study.names[site] for site in survivors]
            told = {key: spec[key] for key in ("task_id", "step", "number")}
            self.rounds.append(told | {"sites": names, "length": len(values)})
        self.open = []

    def agree(self, number, signature):
        """Agrees on the keys of an epoch that the coordinator announced."""
        context = self.study.context(number)
        check = lambda value: verify(self.study.coordinator, context, value)  # noqa: E731
        self.read("epoch", signature, check)
        require(number <= (time.time() + 86_400) * 1000, "a number over a day ahead")
        roster, own, key = self.study.roster, self.position, self.key
        until = time.time() + self.study.manifest["round_ms"] / 1000
        if number < self.epoch_number:
            self.offer(context, READY, b"a number below the last", until)
            raise Refused("a number below the last")
        if number == self.epoch_number:
            return self.offer(context, READY, b"", until)
        seed = secrets.token_bytes(32)
        sealing = secagg.sealing_seed(seed)
        made = secagg.Advertisement(context, own, sealing_key(sealing), None).signed(key).bytes()
        made = flip(made) if self.mode == "advertisement" else made
        self.offer(context, KEYS, made, until)

        def read_keys(canonical):
            found = messages("haima masked advertisements 1", canonical)
            epoch, public = secagg_site.read_advertisements(roster, context, found)
            require(public[own] == sealing_key(sealing), "its own key changed")
            return epoch, public

        epoch, public = self.take(context, KEYS, until, read_keys)
        agreements, keys = [], {}
        for to in range(own + 1, len(roster.names)):
            pair = roster.pair("haima secagg pair 1", epoch, own, to)
            secret = secagg.pair_secret(seed, pair)
            head, chunks = seal(public[to], pair, secret)
            made = secagg.Agreement(epoch, own, to, head + chunks[0], None).signed(key).bytes()
            agreements.append(flip(made) if self.mode == "agreement" else made)
            keys[to] = secagg.pair_key(secret, epoch, pair)
        made = [byte_string(made) for made in agreements]
        self.offer(context, PAIRS, text("haima masked agreements 1") + listed(made), until)

        def read_pairs(canonical):
            found = messages("haima masked agreements 1", canonical)
            opened = [secagg_site.open_agreement(roster, epoch, {own: sealing}, m) for m in found]
            before = [ends[0] for ends, _ in opened]
            require(sorted(before) == list(range(own)), "not one of each site before it")
            return {ends[0]: pair_key for ends, pair_key in opened}

        keys |= self.take(context, PAIRS, until, read_pairs)
        self.epoch_number, self.epoch, self.pair_keys = number, epoch, keys
        self.offer(context, READY, b"", until)

    # A round.

    def answer(self, canonical, signature):
        heard = time.time()
        statement = digest(canonical)
        check = lambda value: verify(self.study.coordinator, statement, value)  # noqa: E731
        self.read("signature", signature, check)

        def read(canonical):
            verify(self.study.coordinator, digest(canonical), signature)
            return read_spec(canonical)

        spec = self.read("spec", canonical, read)
        try:
            self.check(spec)
            self.take_part(spec, self.study.terms(spec), heard)
            told = field(2, 1)
        except (Refused, grpc.RpcError) as error:
            reason = error.details() if isinstance(error, grpc.RpcError) else str(error)
            print(f"round {spec['number']}: {reason}", file=sys.stderr)
            told = field(3, reason.encode())
        self.coordinator.call("Report", [field(1, statement) + told], timeout=10)

    def check(self, spec):
        """Refuses a round that manifest, query, earlier sums or rounds do not allow."""
        self.study.check_spec(spec, now_ms())
        require(spec["epoch"] == self.epoch.hex(), "another epoch")
        require(spec["number"] > self.last_number, "a number that is not above the last")
        place = tuple(spec[key] for key in ("manifest", "task_id", "run", "step", "attempt"))
        require(place not in self.begun, "another round for the same place")
        query = self.fetch(QUERY, spec)
        self.read("query", query, lambda value: self.study.check_query(spec, value))
        if spec["step"] > 0:
            before = self.sums.get((spec["task_id"], spec["run"], spec["step"] - 1))
            require(spec["previous"] == before, "it builds on another sum")
        self.last_number = spec["number"]
        self.begun.add(place)

    def take_part(self, spec, terms, heard):
        """A round from its shares to its answer."""
        own, key, scope = self.position, self.key, terms.round
        until = (spec["deadline_ms"] + self.study.manifest["grace_ms"]) / 1000
        subkeys = {
            other: secagg.subkeys(terms, pair_key, own, other)
            for other, pair_key in self.pair_keys.items()
        }
        seeds = secrets.token_bytes(32), secrets.token_bytes(32)
        drawn = [[draw_share() for _ in range(terms.t - 1)] for _ in seeds]
        made, dealt = secagg_site.make_shares(terms, key, own, subkeys, seeds, drawn)
        if self.mode == "envelope":
            made = self.spoil(terms, made)
        self.offer(scope, SHARES, made.bytes(), until)

        header = made.header
        read = lambda m: secagg_site.read_delivery(terms, own, subkeys, header, m)  # noqa: E731
        headers, held = self.take(scope, SHARES, until, read)
        cohort = secagg.cohort_digest(terms, headers)
        zeros = [0] * terms.length
        made = secagg_site.mask_vector(terms, key, own, subkeys, seeds[0], headers, zeros)
        tick = spec["tick_ms"] / 1000
        time.sleep(tick - (time.time() - heard) % tick)
        self.offer(scope, VECTOR, made.bytes(), until)

        read = lambda m: secagg_site.read_partition(terms, own, headers, m)  # noqa: E731
        partition = self.take(scope, VECTOR, until, read)
        survivors = partition.survivors
        require(len(self.study.operators(survivors)) >= spec["min_sites"], "too few operators")
        require(self.exact in (None, survivors), "other sites than in the exact sum before")
        made = secagg_site.confirm(terms, key, own, cohort, partition)
        self.offer(scope, CONFIRMATION, made.bytes(), until)

        read = lambda m: secagg_site.read_request(terms, cohort, partition, m)  # noqa: E731
        self.take(scope, CONFIRMATION, until, read)
        self.exact = survivors
        made = secagg_site.answer(terms, key, own, held | {own: dealt[own]}, partition)
        self.open.append((spec, partition))
        self.offer(scope, ANSWER, made.bytes(), until)

    def spoil(self, terms, shares):
        """The shares with one byte of the last envelope flipped, which the header then binds."""
        *envelopes, last = shares.envelopes
        envelopes.append(last._replace(sealed=flip(last.sealed)))
        commitments = shares.header.b, shares.header.a
        parts = commitments, shares.backup, envelopes
        return secagg_site.close_shares(terms, self.key, self.position, *parts)


def draw_share():
    """Five uniform elements of the field."""
    return b"".join(secrets.randbelow(secagg.P).to_bytes(8, "little") for _ in range(5))


def reach(party, certificate):
    """The coordinator's service, as soon as it listens."""
    until = time.time() + 60
    while True:
        try:
            return Service("haima.coordinator.v1.Coordinator", party, *certificate)
        except OSError:
            if time.time() > until:
                raise
            time.sleep(0.1)


def main():
    site = Site(*sys.argv[1:4])
    site.live()
    told = {"rounds": site.rounds, "refused": site.refused, "found": site.found}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
