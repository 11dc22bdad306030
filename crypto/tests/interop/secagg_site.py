"""A site of masked aggregation, written from the chapter of that name in docs/protocol.md: what it
makes at each step, and what it refuses of what comes.
"""

import secagg
from haima_crypto import Refused, decrypt_only, digest, encrypt_only, open_only


def require(holds, otherwise):
    if not holds:
        raise Refused(otherwise)


# Pair keys.


def read_advertisements(roster, context, messages):
    """The epoch's digest, and the sites' sealing keys by position."""
    public = {}
    for message in messages:
        found = secagg.Advertisement.parse(message)
        secagg.check_signature(roster, found.site, found.statement(), found.signature)
        require(found.context == context, "of another epoch")
        require(found.site not in public, "more than one of a site")
        require(found.key not in public.values(), "a key of two sites")
        public[found.site] = found.key
    require(len(public) == len(roster.names), "a site without a key")
    return secagg.epoch_digest(context, [key for _, key in sorted(public.items())]), public


def open_agreement(roster, epoch, seeds, message):
    """Both ends' positions and their pair key; `seeds` are of the receivers' X-Wing keys."""
    found = secagg.Agreement.parse(message)
    secagg.check_signature(roster, found.sender, found.statement(), found.signature)
    require(found.epoch == epoch, "of another epoch")
    require(found.sender < found.to and found.to in seeds, "of a site that is not before it")
    pair = roster.pair("haima secagg pair 1", epoch, found.sender, found.to)
    secret = open_only(seeds[found.to], pair, found.sealed)
    require(len(secret) == 32, "no pair secret")
    return (found.sender, found.to), secagg.pair_key(secret, epoch, pair)


# A round.


def make_shares(terms, key, site, subkeys, seeds, drawn):
    """A site's shares, and all shares of its b and a by holder. `subkeys` are both of each other
    site, `seeds` b and a, `drawn` the t - 1 shares of each that are uniform.
    """
    commitments = [secagg.commitment(terms, site, at + 1, seed) for at, seed in enumerate(seeds)]
    require(all(len(shares) == terms.t - 1 for shares in drawn), "other than t - 1 shares drawn")
    sites = len(terms.roster.names)
    dealt = list(zip(*(secagg.deal(seed, shares, sites) for seed, shares in zip(seeds, drawn))))
    envelopes = []
    for to in terms.roster.others(site):
        box = secagg.envelope_box(terms, subkeys[to][1], site, to, commitments)
        made = secagg.Envelope(site, to, encrypt_only(*box, b"".join(dealt[to])), None)
        signature = key.sign(digest(made.statement(terms.digest())))
        envelopes.append(made._replace(signature=signature))
    masks = [subkeys[to][0] for to in terms.roster.others(site)]
    backup = secagg.seal_backup(terms, site, seeds[1], masks)
    return close_shares(terms, key, site, commitments, backup, envelopes), dealt


def close_shares(terms, key, site, commitments, backup, envelopes):
    """A site's shares under its signed header."""
    parts = digest(backup), secagg.envelopes_digest(envelopes)
    header = secagg.Header(terms.origin(site), *commitments, *parts, None).signed(key)
    return secagg.Shares(header, backup, envelopes)


def read_delivery(terms, site, subkeys, own, message):
    """The sharers' headers, and its shares of their b and a by dealer. `own` is its header."""
    found = secagg.Delivery.parse(message)
    headers = {}
    for header in found.headers:
        terms.check_message(header)
        require(header.origin.site not in headers, "more than one header of a site")
        headers[header.origin.site] = header
    require(headers.get(site) == own, "its own header changed")
    terms.enough(headers)
    held = {}
    for envelope in found.envelopes:
        dealer = envelope.dealer
        statement = envelope.statement(terms.digest())
        secagg.check_signature(terms.roster, dealer, statement, envelope.signature)
        require(envelope.holder == site, "an envelope for another site")
        require(dealer in headers, "an envelope without a header")
        require(dealer != site and dealer not in held, "more than one envelope of a site")
        commitments = headers[dealer].b, headers[dealer].a
        box = secagg.envelope_box(terms, subkeys[dealer][1], dealer, site, commitments)
        opened = decrypt_only(*box, envelope.sealed)
        require(len(opened) == 2 * secagg.SHARE, "no shares")
        held[dealer] = opened[: secagg.SHARE], opened[secagg.SHARE :]
        for share in held[dealer]:
            secagg.elements(share)
    require(set(held) | {site} == set(headers), "a sharer without an envelope")
    return headers, held


def mask_vector(terms, key, site, subkeys, b, headers, vector):
    """Its masked vector, under the masks of these sharers."""
    vector = [x % 2**terms.bits for x in vector]
    masks = {other: subkeys[other][0] for other in headers if other != site}
    vector = secagg.pairwise(terms, vector, site, masks)
    vector = secagg.add(terms, vector, secagg.own_mask(terms, b))
    cohort = secagg.cohort_digest(terms, headers)
    packed = secagg.pack(terms, vector)
    return secagg.Masked(terms.origin(site), cohort, packed, None).signed(key)


def read_partition(terms, site, headers, message):
    """The partition, which a survivor may confirm."""
    found = secagg.Partition.parse(message)
    placed = [position for sites in found for position in sites]
    require(all(position < len(terms.roster.names) for position in placed), "an unknown site")
    require(len(set(placed)) == len(placed), "a site in two lists")
    require(len(placed) == len(terms.roster.names), "a site in no list")
    require(sorted(found.vanished + found.survivors) == sorted(headers), "other sharers")
    terms.enough(found.survivors)
    require(site in found.survivors, "itself not among the survivors")
    return found


def confirm(terms, key, site, cohort, partition):
    made = secagg.Confirmation(terms.origin(site), cohort, partition.digest(), None)
    return made.signed(key)


def read_request(terms, cohort, partition, message):
    """Refuses unless t survivors confirmed this cohort and this partition."""
    request = secagg.Request.parse(message)
    require(request.partition == partition, "another partition")
    check_confirmations(terms, cohort, request)
    return request


def check_confirmations(terms, cohort, request):
    partition = request.partition
    for site, signature in request.confirmations:
        require(site in partition.survivors, "a confirmation of no survivor")
        origin = terms.origin(site)
        terms.check_message(secagg.Confirmation(origin, cohort, partition.digest(), signature))
    require(len(dict(request.confirmations)) == len(request.confirmations), "one twice")
    require(len(request.confirmations) >= terms.t, "too few confirmations")


def answer(terms, key, site, held, partition):
    """Its one answer; `held` are its shares of b and a by dealer, its own among them."""
    b = [held[dealer][0] for dealer in partition.survivors]
    a = [held[dealer][1] for dealer in partition.vanished]
    return secagg.Answer(terms.origin(site), partition.digest(), b, a, None).signed(key)
