"""The rounds of crypto/tests/vectors/secagg.json, in Python.

    python secagg_vectors.py make    makes every message from the seeds
    python secagg_vectors.py verify  reads every message as its receiver does, and ends in the sum

Reads a list of rounds from standard input and prints a line for each: `as written`, or where and
why it is not.
"""

import json
import sys

sys.dont_write_bytecode = True

from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: E402
from haima_crypto import Refused, digest, open_only, seal, sealing_key  # noqa: E402
import secagg  # noqa: E402
import secagg_site  # noqa: E402
from secagg_site import require  # noqa: E402

PRGS = {"Aes128": 1, "ChaCha20": 2}
hx = bytes.fromhex


class Vectors:
    """A round of the file: its inputs, its secrets, and its messages one after the other."""

    def __init__(self, vectors):
        self.vectors = vectors
        sites = vectors["sites"]
        self.keys = [
            ed25519.Ed25519PrivateKey.from_private_bytes(hx(site["identity_secret"]))
            for site in sites
        ]
        identities = [key.public_key().public_bytes_raw() for key in self.keys]
        self.roster = secagg.Roster([site["name"] for site in sites], identities)
        self.seeds = [hx(site["epoch_seed"]) for site in sites]
        self.sealing = [secagg.sealing_seed(seed) for seed in self.seeds]
        self.draws = {at: site["draws"] for at, site in enumerate(sites) if site["draws"]}
        manifest = hx(vectors["manifest"])
        self.context = secagg.context_digest(manifest, self.roster, vectors["epoch_number"])
        self.messages = vectors["messages"]
        self.at = -1

    def terms(self, epoch):
        v = self.vectors
        require(epoch.hex() == v["epoch"], "another epoch digest")
        numbers = v["threshold"], v["corrupt"], v["min_sites"], v["ring_bits"], PRGS[v["prg"]]
        length = len(v["inputs"][0])
        terms = secagg.Terms(hx(v["round"]), self.roster, epoch, *numbers, length)
        terms.check()
        require(terms.digest().hex() == v["terms"], "another terms digest")
        return terms

    def take(self, kind):
        """The bytes of the next message."""
        self.at += 1
        require(self.at < len(self.messages), "no more messages")
        message = self.messages[self.at]
        require(message["message"] == kind, f"a {message['message']}, not a {kind}")
        return hx(message["bytes"])

    def expect(self, kind, made):
        require(self.take(kind) == made.bytes(), "made otherwise")
        return made

    def close(self):
        require(self.at + 1 == len(self.messages), "messages left over")

    def pairs(self):
        sites = range(len(self.keys))
        return [(one, other) for one in sites for other in sites if one < other]


def make_epoch(v):
    """Epoch digest, and the pair keys by both positions."""
    public = [sealing_key(seed) for seed in v.sealing]
    for site, key in enumerate(public):
        made = secagg.Advertisement(v.context, site, key, None)
        v.expect("advertisement", made.signed(v.keys[site]))
    epoch, keys = secagg.epoch_digest(v.context, public), {}
    for site, to in v.pairs():
        pair = v.roster.pair("haima secagg pair 1", epoch, site, to)
        secret = secagg.pair_secret(v.seeds[site], pair)
        # The encapsulation is random: it is taken as written, once it is seen to hold the secret,
        # as one made here does.
        written = secagg.Agreement.parse(v.take("agreement"))
        head, chunks = seal(public[to], pair, secret)
        for sealed in (written.sealed, head + chunks[0]):
            require(open_only(v.sealing[to], pair, sealed) == secret, "another pair secret")
        made = secagg.Agreement(epoch, site, to, written.sealed, None).signed(v.keys[site])
        require(made == written, "made otherwise")
        keys[site, to] = keys[to, site] = secagg.pair_key(secret, epoch, pair)
    return epoch, keys


def make_shares(v, terms, subkeys, site):
    """A site's shares, and all shares of its b and a by holder."""
    draws = v.draws[site]
    seeds = hx(draws["b"]), hx(draws["a"])
    drawn = [[hx(share) for share in draws[which]] for which in ("b_shares", "a_shares")]
    return secagg_site.make_shares(terms, v.keys[site], site, subkeys[site], seeds, drawn)


def all_subkeys(v, terms, keys):
    """By site, then by the other."""
    return [
        {other: secagg.subkeys(terms, keys[site, other], site, other) for other in others}
        for site, others in enumerate(map(v.roster.others, range(len(v.keys))))
    ]


def make(v):
    """Every message from the seeds, each the same as the one that is written."""
    epoch, keys = make_epoch(v)
    terms = v.terms(epoch)
    subkeys = all_subkeys(v, terms, keys)
    shares, dealt = {}, {}
    for site in v.draws:
        shares[site], dealt[site] = make_shares(v, terms, subkeys, site)
        v.expect("shares", shares[site])
    headers = {site: message.header for site, message in shares.items()}
    for site in shares:
        inbox = [
            envelope
            for message in shares.values()
            for envelope in message.envelopes
            if envelope.holder == site
        ]
        v.expect("delivery", secagg.Delivery(list(headers.values()), inbox))
    cohort = secagg.cohort_digest(terms, headers)
    survivors = [site for site in shares if site not in v.vectors["vanished"]]
    for site in survivors:
        b, inputs = hx(v.draws[site]["b"]), v.vectors["inputs"][site]
        arguments = terms, v.keys[site], site, subkeys[site], b, headers, inputs
        v.expect("masked", secagg_site.mask_vector(*arguments))
    absent = [site for site in range(len(v.keys)) if site not in shares]
    partition = secagg.Partition(absent, v.vectors["vanished"], survivors)
    v.expect("partition", partition)
    signatures = []
    for site in survivors:
        made = secagg_site.confirm(terms, v.keys[site], site, cohort, partition)
        made = v.expect("confirmation", made)
        signatures.append((site, made.signature))
    v.expect("unmask", secagg.Request(partition, signatures))
    for site in survivors:
        held = {dealer: shares[site] for dealer, shares in dealt.items()}
        v.expect("answer", secagg_site.answer(terms, v.keys[site], site, held, partition))
    v.close()


def read_epoch(v):
    """Epoch digest and pair keys, as the sites have them that open the agreements."""
    advertisements = (v.take("advertisement") for _ in v.keys)
    epoch, _ = secagg_site.read_advertisements(v.roster, v.context, advertisements)
    keys = {}
    seeds = dict(enumerate(v.sealing))
    for _ in v.pairs():
        ends, key = secagg_site.open_agreement(v.roster, epoch, seeds, v.take("agreement"))
        require(ends not in keys, "more than one of a site")
        keys[ends] = keys[ends[::-1]] = key
    return epoch, keys


def read_shares(v, terms):
    found = secagg.Shares.parse(v.take("shares"))
    terms.check_message(found.header)
    site = found.header.origin.site
    require(len(found.backup) == secagg.backup_length(terms), "a backup of another length")
    addressed = [(envelope.dealer, envelope.holder) for envelope in found.envelopes]
    require(addressed == [(site, to) for to in v.roster.others(site)], "other envelopes")
    parts = digest(found.backup), secagg.envelopes_digest(found.envelopes)
    require(parts == (found.header.backup, found.header.envelopes), "parts of other digests")
    return found


def read_masked(v, terms, headers, cohort, survivors):
    """Who sent a masked vector, and the vector."""
    found = secagg.Masked.parse(v.take("masked"))
    terms.check_message(found)
    site = found.origin.site
    require(site not in survivors, "more than one of a site")
    require(site in headers, "of a site that did not share")
    require(found.cohort == cohort, "of another cohort")
    return site, secagg.unpack(terms, found.packed)


def read_answer(v, terms, partition):
    found = secagg.Answer.parse(v.take("answer"))
    terms.check_message(found)
    require(found.origin.site in partition.survivors, "of no survivor")
    require(found.partition == partition.digest(), "of another partition")
    lengths = len(found.b_shares), len(found.a_shares)
    expected = len(partition.survivors), len(partition.vanished)
    require(lengths == expected, "another number of shares")
    for share in found.b_shares + found.a_shares:
        secagg.elements(share)
    return found


def unmask(terms, total, partition, answers, shares):
    """The sum, by what the coordinator has."""
    dealers = [(site, 1) for site in partition.survivors]
    dealers += [(site, 2) for site in partition.vanished]
    for at, (dealer, which) in enumerate(dealers):
        given = {site: (found.b_shares + found.a_shares)[at] for site, found in answers.items()}
        seed = secagg.reconstruct(given, terms.t)
        header = shares[dealer].header
        committed = header.b if which == 1 else header.a
        require(secagg.commitment(terms, dealer, which, seed) == committed, "not the seed")
        if which == 1:
            total = secagg.add(terms, total, secagg.own_mask(terms, seed), -1)
            continue
        backup = secagg.open_backup(terms, dealer, seed, shares[dealer].backup)
        masks = {site: backup[site] for site in partition.survivors}
        # With what the vanished site would have added, its pairwise masks cancel.
        total = secagg.pairwise(terms, total, dealer, masks)
    return secagg.integers(terms, total)


def verify(v):
    """Every message as its receivers read it, from the advertisements to the sum."""
    epoch, keys = read_epoch(v)
    terms = v.terms(epoch)
    subkeys = all_subkeys(v, terms, keys)
    shares = {}
    for _ in v.draws:
        found = read_shares(v, terms)
        shares[found.header.origin.site] = found
    terms.enough(shares)
    held, headers = {}, {}
    for site in shares:
        own, message = shares[site].header, v.take("delivery")
        reading = terms, site, subkeys[site], own, message
        headers, held[site] = secagg_site.read_delivery(*reading)
    cohort = secagg.cohort_digest(terms, headers)
    total, survivors = [0] * terms.length, []
    for _ in range(len(shares) - len(v.vectors["vanished"])):
        site, vector = read_masked(v, terms, headers, cohort, survivors)
        survivors.append(site)
        total = secagg.add(terms, total, vector)
    terms.enough(survivors)
    partition = secagg.Partition.parse(v.take("partition"))
    absent = [site for site in range(len(v.keys)) if site not in shares]
    vanished = [site for site in shares if site not in survivors]
    require(partition == (absent, vanished, survivors), "another partition")
    for _ in survivors:
        found = secagg.Confirmation.parse(v.take("confirmation"))
        terms.check_message(found)
        require(found.origin.site in survivors, "of no survivor")
        require(found[1:3] == (cohort, partition.digest()), "of another cohort or partition")
    secagg_site.read_request(terms, cohort, partition, v.take("unmask"))
    answers = {}
    for _ in survivors:
        found = read_answer(v, terms, partition)
        site = found.origin.site
        answers[site] = found
        # What its holder opened is what it tells.
        told = dict(zip(survivors, found.b_shares)), dict(zip(vanished, found.a_shares))
        for dealer in held[site]:
            which = 0 if dealer in survivors else 1
            require(told[which][dealer] == held[site][dealer][which], "another share")
    v.close()
    require(unmask(terms, total, partition, answers, shares) == v.vectors["sum"], "another sum")


def main():
    run = {"make": make, "verify": verify}[sys.argv[1]]
    for vectors in json.load(sys.stdin):
        v = Vectors(vectors)
        try:
            run(v)
            print(f"{len(v.messages)} messages as written")
        except Refused as error:
            kind = v.messages[v.at]["message"] if 0 <= v.at < len(v.messages) else "end"
            print(f"refused at {v.at}, {kind}: {error}")


if __name__ == "__main__":
    main()
