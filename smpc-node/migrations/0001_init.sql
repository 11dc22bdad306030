-- One schema for SQLite and PostgreSQL. No row holds more than 1 MiB of a vector.
--
-- A node's rounds. A round's digest names it; its number orders it; one spec a step and attempt.
CREATE TABLE rounds (
    digest         BYTEA PRIMARY KEY NOT NULL,
    number         BIGINT NOT NULL UNIQUE,
    task_id        TEXT NOT NULL,
    run            BIGINT NOT NULL,
    step           BIGINT NOT NULL,
    attempt        BIGINT NOT NULL,
    spec           BYTEA NOT NULL,
    deadline_ms    BIGINT NOT NULL,
    -- 1 when the round has no noise
    exact          BIGINT NOT NULL,
    -- open, closed, prepared, agreed, dealt, committed, released, failed
    state          TEXT NOT NULL,
    -- key of the round's shares at rest, wrapped; erased when the round ends
    rest_key       BYTEA,
    held           BYTEA,
    held_sig       BYTEA,
    -- this node's commitment to its preparation shares
    prepared       BYTEA,
    prepared_sig   BYTEA,
    accepted       BYTEA,
    accepted_sig   BYTEA,
    -- this node's deal of its noised sum (Shamir release)
    dealt          BYTEA,
    dealt_sig      BYTEA,
    release        BYTEA,
    release_sig    BYTEA,
    -- this node's word that it never commits, where it gives one: signed once, as the round fails
    given_up       BYTEA,
    given_up_sig   BYTEA,
    -- digest of all nodes' releases: what the next step names as `previous`
    released       BYTEA,
    reason         TEXT,
    -- when it ended, by the node's clock; 0 before
    ended_ms       BIGINT NOT NULL DEFAULT 0,
    -- the replica that drives it, and until when it alone may
    holder         TEXT NOT NULL DEFAULT '',
    lease_ms       BIGINT NOT NULL DEFAULT 0,
    UNIQUE (task_id, run, step, attempt)
);

-- At most one release a step, whatever the attempts (rules N3, R3).
CREATE UNIQUE INDEX one_release_a_step ON rounds (task_id, run, step) WHERE state = 'released';

-- Chunks of this node's shares, complete or still coming in, sealed as they came; erased when the
-- round ends. `header` tells which submission of the site they belong to.
CREATE TABLE chunks (
    round   BYTEA NOT NULL,
    site    TEXT NOT NULL,
    seq     BIGINT NOT NULL,
    header  BYTEA NOT NULL,
    -- SHA-256 of the chunk as it came
    hash    BYTEA NOT NULL,
    bytes   BYTEA NOT NULL,
    PRIMARY KEY (round, site, seq)
);

-- Complete submissions.
CREATE TABLE submissions (
    round      BYTEA NOT NULL,
    site       TEXT NOT NULL,
    header     BYTEA NOT NULL,
    digest     BYTEA NOT NULL,
    signature  BYTEA NOT NULL,
    -- the proof's public share
    public     BYTEA NOT NULL,
    -- what opens its chunks, wrapped under the round's key at rest; erased when the round ends
    chunk_key  BYTEA,
    PRIMARY KEY (round, site)
);

-- Chunks of this node's answer of a round, its noised sum or its point (party 0), and of its
-- sub-shares for the nodes, by their number from 1 (Shamir release).
CREATE TABLE sums (
    round  BYTEA NOT NULL,
    party  BIGINT NOT NULL,
    seq    BIGINT NOT NULL,
    bytes  BYTEA NOT NULL,
    PRIMARY KEY (round, party, seq)
);

-- All nodes' signatures over the accepted set and their releases, once all are there.
CREATE TABLE releases (
    round         BYTEA NOT NULL,
    node          TEXT NOT NULL,
    accepted_sig  BYTEA NOT NULL,
    body          BYTEA NOT NULL,
    signature     BYTEA NOT NULL,
    PRIMARY KEY (round, node)
);

-- Nonces seen, for ever (rule R2).
CREATE TABLE nonces (
    site   TEXT NOT NULL,
    nonce  BYTEA NOT NULL,
    PRIMARY KEY (site, nonce)
);

-- Highest state of each site's ledger (rule L4).
CREATE TABLE ledgers (
    site  TEXT PRIMARY KEY NOT NULL,
    len   BIGINT NOT NULL,
    head  BYTEA NOT NULL
);

-- Last held set of each peer that this node saw, as the peer signed it (rule N3).
CREATE TABLE seen (
    peer      TEXT PRIMARY KEY NOT NULL,
    number    BIGINT NOT NULL,
    held      BYTEA NOT NULL,
    held_sig  BYTEA NOT NULL
);

-- This node's preparation shares: made once, stored before they are sent (rule R4), erased when
-- the round ends.
CREATE TABLE preps (
    round  BYTEA NOT NULL,
    site   TEXT NOT NULL,
    prep   BYTEA NOT NULL,
    PRIMARY KEY (round, site)
);

-- All nodes' preparation shares of a submission whose proof failed: the evidence of rule R3.
CREATE TABLE evidence (
    round  BYTEA NOT NULL,
    site   TEXT NOT NULL,
    node   TEXT NOT NULL,
    prep   BYTEA NOT NULL,
    PRIMARY KEY (round, site, node)
);

-- All nodes' signed commitments, to their preparation shares (kind 'prepared') and to their
-- sub-shares ('dealt'), kept before any is shown.
CREATE TABLE commitments (
    round      BYTEA NOT NULL,
    node       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    body       BYTEA NOT NULL,
    signature  BYTEA NOT NULL,
    PRIMARY KEY (round, node, kind)
);

-- The epoch's record, fixed once a manifest, and the other nodes' parts of its secret, sealed to
-- this node.
CREATE TABLE epoch (
    manifest  BYTEA PRIMARY KEY NOT NULL,
    record    BYTEA NOT NULL
);
CREATE TABLE epoch_parts (
    manifest  BYTEA NOT NULL,
    node      TEXT NOT NULL,
    sealed    BYTEA NOT NULL,
    PRIMARY KEY (manifest, node)
);

-- What replicas of one node do one at a time: they lock these rows.
CREATE TABLE guards (
    name  TEXT PRIMARY KEY NOT NULL
);
INSERT INTO guards (name) VALUES ('opening'), ('agreeing');
