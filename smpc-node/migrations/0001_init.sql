-- A node's rounds. A round's digest names it; its number orders it; one spec a step and attempt.
CREATE TABLE rounds (
    digest         BLOB PRIMARY KEY NOT NULL,
    number         BIGINT NOT NULL UNIQUE,
    task_id        TEXT NOT NULL,
    run            BIGINT NOT NULL,
    step           BIGINT NOT NULL,
    attempt        BIGINT NOT NULL,
    spec           BLOB NOT NULL,
    deadline_ms    BIGINT NOT NULL,
    -- 1 when the round has no noise
    exact          BIGINT NOT NULL,
    -- open, closed, prepared, agreed, committed, released, failed
    state          TEXT NOT NULL,
    held           BLOB,
    held_sig       BLOB,
    -- this node's commitment to its preparation shares
    prepared       BLOB,
    prepared_sig   BLOB,
    accepted       BLOB,
    accepted_sig   BLOB,
    release        BLOB,
    release_sig    BLOB,
    sum            BLOB,
    -- digest of all nodes' releases: what the next step names as `previous`
    released       BLOB,
    reason         TEXT,
    UNIQUE (task_id, run, step, attempt)
);

-- At most one release a step, whatever the attempts (rules N3, R3).
CREATE UNIQUE INDEX one_release_a_step ON rounds (task_id, run, step) WHERE state = 'released';

-- Complete submissions; shares are stored sealed, as they came, and erased when their round ends.
CREATE TABLE submissions (
    round      BLOB NOT NULL,
    site       TEXT NOT NULL,
    header     BLOB NOT NULL,
    digest     BLOB NOT NULL,
    signature  BLOB NOT NULL,
    -- the proof's public share
    public     BLOB NOT NULL,
    share      BLOB NOT NULL,
    PRIMARY KEY (round, site)
);

-- Nonces seen, for ever (rule R2).
CREATE TABLE nonces (
    site   TEXT NOT NULL,
    nonce  BLOB NOT NULL,
    PRIMARY KEY (site, nonce)
);

-- Highest state of each site's ledger (rule L4).
CREATE TABLE ledgers (
    site  TEXT PRIMARY KEY NOT NULL,
    len   BIGINT NOT NULL,
    head  BLOB NOT NULL
);

-- Last held set of each peer that this node saw (rule N3).
CREATE TABLE seen (
    peer    TEXT PRIMARY KEY NOT NULL,
    number  BIGINT NOT NULL,
    held    BLOB NOT NULL
);

-- This node's preparation shares: made once, stored before they are sent (rule R4), erased when
-- the round ends.
CREATE TABLE preps (
    round  BLOB NOT NULL,
    site   TEXT NOT NULL,
    prep   BLOB NOT NULL,
    PRIMARY KEY (round, site)
);

-- All nodes' preparation shares of a submission whose proof failed: the evidence of rule R3.
CREATE TABLE evidence (
    round  BLOB NOT NULL,
    site   TEXT NOT NULL,
    node   TEXT NOT NULL,
    prep   BLOB NOT NULL,
    PRIMARY KEY (round, site, node)
);

-- All nodes' signed commitments to their preparation shares, kept before any is shown.
CREATE TABLE commitments (
    round      BLOB NOT NULL,
    node       TEXT NOT NULL,
    body       BLOB NOT NULL,
    signature  BLOB NOT NULL,
    PRIMARY KEY (round, node)
);

-- The epoch's record, fixed once, and the other nodes' parts of its secret, sealed to this node.
CREATE TABLE epoch (
    id      BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    record  BLOB NOT NULL
);
CREATE TABLE epoch_parts (
    node    TEXT PRIMARY KEY NOT NULL,
    sealed  BLOB NOT NULL
);
