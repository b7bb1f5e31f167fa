-- What others' logs showed us, and what became of our own.

-- The newest head of each log that is proven to go on from the first one seen, our own log's included when
-- others hold a head of it that is not here. Whoever shows an earlier or another one is judged by it.
CREATE TABLE seen_head (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    signed BLOB NOT NULL,
    -- The station that showed it.
    source TEXT NOT NULL,
    seen INTEGER NOT NULL
) STRICT;

-- Two signed heads that cannot be of one log: evidence, kept for good.
CREATE TABLE log_conflict (
    origin TEXT NOT NULL,
    -- fork or rewind
    kind TEXT NOT NULL,
    held BLOB NOT NULL,
    held_source TEXT NOT NULL,
    shown BLOB NOT NULL,
    shown_source TEXT NOT NULL,
    found INTEGER NOT NULL,
    PRIMARY KEY (origin, kind)
) STRICT;

-- The last head of each closed epoch: what its statements are proven in.
CREATE TABLE closed_log (
    epoch INTEGER PRIMARY KEY REFERENCES log (epoch),
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    signed BLOB NOT NULL
) STRICT;

-- How many witnesses of the policy in force then had cosigned the checkpoint; its note has their lines.
ALTER TABLE checkpoint ADD COLUMN witnesses INTEGER NOT NULL DEFAULT 0;
