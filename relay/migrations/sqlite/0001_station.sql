-- The station's tables. One writer; times are milliseconds since 1970 (UTC); `phase` is the number of a
-- leg's state (0 queued, 1 offered, 2 waiting_retry, 3 held; final: 4 passed_on, 5 refused, 6 expired,
-- 7 withdrawn, 8 quarantined). Rows of envelopes are retired, not removed, until expires + 30 days.

CREATE TABLE envelope (
    key INTEGER PRIMARY KEY,
    sender TEXT NOT NULL,
    id BLOB NOT NULL,
    header_digest BLOB NOT NULL,
    header BLOB NOT NULL,
    header_signature BLOB NOT NULL,
    capsule_bytes INTEGER NOT NULL,
    source TEXT,
    via TEXT NOT NULL,
    received INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    keep_body INTEGER NOT NULL,
    -- 0 inline, 1 file, 2 released
    body_kind INTEGER NOT NULL,
    body_bytes INTEGER NOT NULL,
    body_file TEXT,
    -- Last, so that reading the columns before it never walks its overflow pages.
    body BLOB,
    UNIQUE (sender, id)
) STRICT;
CREATE UNIQUE INDEX envelope_file ON envelope (body_file) WHERE body_file IS NOT NULL;
CREATE INDEX envelope_id ON envelope (id);
CREATE INDEX envelope_expires ON envelope (expires);

CREATE TABLE leg (
    id INTEGER PRIMARY KEY,
    envelope INTEGER NOT NULL REFERENCES envelope (key) ON DELETE CASCADE,
    recipient TEXT NOT NULL,
    next_hop TEXT,
    phase INTEGER NOT NULL,
    reason TEXT,
    -- For queued legs the time they were queued, so that age and retry times share one order.
    next_at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    received INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    -- Digest of the last statement on this leg, and in which epoch of the log it stands.
    last_statement BLOB,
    last_epoch INTEGER NOT NULL,
    UNIQUE (envelope, recipient)
) STRICT;
CREATE INDEX leg_due ON leg (next_hop, priority, next_at, id) WHERE phase IN (0, 2);
CREATE INDEX leg_retry ON leg (next_at) WHERE phase = 2;
CREATE INDEX leg_open ON leg (envelope) WHERE phase < 4;
CREATE INDEX leg_expiry ON leg (expires) WHERE phase < 4;
CREATE INDEX leg_local ON leg (id) WHERE phase < 4 AND next_hop IS NULL;

-- Turns in a leg's life that were not the plain way; statements tell the rest.
CREATE TABLE leg_turn (
    id INTEGER PRIMARY KEY,
    leg INTEGER NOT NULL REFERENCES leg (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    reason TEXT,
    next_hop TEXT
) STRICT;
CREATE INDEX leg_turn_leg ON leg_turn (leg);

-- Second headers under a taken (sender, id): evidence of a fault or a fraud.
CREATE TABLE id_conflict (
    sender TEXT NOT NULL,
    id BLOB NOT NULL,
    header_digest BLOB NOT NULL,
    header BLOB NOT NULL,
    header_signature BLOB NOT NULL,
    source TEXT,
    received INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (sender, id, header_digest)
) STRICT;

-- Epochs of the log. Leaf i of an epoch is the statement at first_position + i.
CREATE TABLE log (
    epoch INTEGER PRIMARY KEY,
    origin TEXT NOT NULL UNIQUE,
    first_position INTEGER NOT NULL,
    opened INTEGER NOT NULL
) STRICT;

CREATE TABLE statement (
    position INTEGER PRIMARY KEY,
    envelope_id BLOB NOT NULL,
    header_digest BLOB NOT NULL,
    salt BLOB NOT NULL,
    leaf BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX statement_envelope ON statement (envelope_id);

-- Full tiles only: they never change. The unfilled ones follow from statements and tile roots.
CREATE TABLE tile (
    epoch INTEGER NOT NULL,
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    root BLOB NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (epoch, level, number)
) STRICT;

-- Time-stamped checkpoints.
CREATE TABLE checkpoint (
    epoch INTEGER NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    signed BLOB NOT NULL,
    stamped INTEGER NOT NULL,
    PRIMARY KEY (epoch, size)
) STRICT;

-- Statements that the sender's station has to be told; gone once they are in an accepted envelope.
CREATE TABLE owed_receipt (
    position INTEGER PRIMARY KEY REFERENCES statement (position),
    station TEXT NOT NULL
) STRICT;
CREATE INDEX owed_receipt_station ON owed_receipt (station, position);

-- Bundles of other stations' statements, as received and verified.
CREATE TABLE received_evidence (
    envelope INTEGER NOT NULL REFERENCES envelope (key) ON DELETE CASCADE,
    digest BLOB NOT NULL,
    received INTEGER NOT NULL,
    bundle BLOB NOT NULL,
    PRIMARY KEY (envelope, digest)
) STRICT;

-- Body files that no row needs: unlinked after the commit that names them here.
CREATE TABLE doomed_body (
    file TEXT PRIMARY KEY
) STRICT;

-- Next free numbers, written when rows with the highest ones are removed: ids are never used twice.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL
) STRICT;
